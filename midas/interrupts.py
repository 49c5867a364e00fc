"""SIGINT and SIGTERM end a command the same way: once, in order, with nothing left behind."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AGAIN_S = 0.01
DEAF_S = 3.0
"""a compiled kernel that does not return for so long is not waited for: nothing is half-written,
for results are renamed into place, and children end by themselves"""
PATIENCE_S = 3.0
"""a signal repeated within this time is the same wish (a shell signals the whole group, a
supervisor signals again); one that comes later will not wait for the clean-up any longer"""


class Interrupts:
    """The handler of a command's signals.

    The first one raises KeyboardInterrupt in the main thread. Later ones are ignored for
    ``PATIENCE_S`` while the command cleans up; then they end the process at once, which its
    children notice by themselves.
    """

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._hook = sys.unraisablehook

    @property
    def received(self) -> bool:
        """Return whether a signal came; some C code turns the interrupt into another error."""
        return self._first_s is not None

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        now_s = time.monotonic()
        if self._first_s is None:
            self._first_s = now_s
            raise KeyboardInterrupt
        if now_s - self._first_s > PATIENCE_S:
            os._exit(130)

    def listen(self, ear: socket.socket) -> None:
        """End the process when the main thread stays deaf to a signal (runs in a thread)."""
        with ear:
            while ear.recv(1):
                deadline_s = time.monotonic() + DEAF_S
                while not self.received and time.monotonic() < deadline_s:
                    time.sleep(0.05)
                if not self.received and signal.getsignal(signal.SIGINT) == self.handle:
                    os.write(2, b"midas: interrupted\n")
                    os._exit(130)

    def unraisable(self, lost: "sys.UnraisableHookArgs") -> None:
        """Raise an interrupt again that fell into a finaliser, where Python would drop it."""
        if isinstance(lost.exc_value, KeyboardInterrupt):
            self._first_s = None  # from a thread: what is raised inside this hook is lost, too
            again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGINT))
            again.daemon = True
            again.start()
        else:
            self._hook(lost)


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Turn SIGINT and SIGTERM inside the block into KeyboardInterrupt; see ``Interrupts``.

    Outside the main thread, where Python allows no handlers, the block changes nothing.
    """
    interrupts = Interrupts()
    try:
        before = [signal.signal(number, interrupts.handle) for number in SIGNALS]
    except ValueError:
        yield interrupts
        return
    hook, sys.unraisablehook = sys.unraisablehook, interrupts.unraisable
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    former = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=interrupts.listen, args=(ear,), daemon=True).start()
    try:
        yield interrupts
    finally:
        signal.set_wakeup_fd(former)
        mouth.close()
        sys.unraisablehook = hook
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)


def default_signals() -> None:
    """Let the kernel end this process at the next SIGINT or SIGTERM, without Python's help.

    CPython remembers that an interrupt fell into a piece of ``exec`` (namedtuple and dataclass are
    made so) and would end the process by SIGINT instead of with its exit code; another piece makes
    it forget.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    exec("")  # noqa: S102
