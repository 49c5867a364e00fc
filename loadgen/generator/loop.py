"""The part of gevent's event loop that the generator uses, as types."""

from collections.abc import Callable
from typing import Protocol

READ, WRITE = 1, 2


class Watcher(Protocol):
    """Calls a function in the hub when something happens; stopped and closed by its owner."""

    def start(self, callback: Callable[..., None]) -> None:
        """Begin to watch."""
        ...

    def stop(self) -> None:
        """Watch no more, for now."""
        ...

    def close(self) -> None:
        """Watch no more, ever; before the descriptor is closed."""
        ...


class Loop(Protocol):
    """Where watchers come from."""

    def io(self, fd: int, events: int) -> Watcher:
        """Return a watcher of a descriptor (``READ``, ``WRITE``)."""
        ...

    def timer(self, after: float, repeat: float = 0.0) -> Watcher:
        """Return a timer with the resolution of milliseconds."""
        ...

    def idle(self) -> Watcher:
        """Return a watcher that runs when nothing else does; while it is on, the loop polls."""
        ...
