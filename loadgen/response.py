"""The response to an alert: revoke what was abused and give the owner something new in its place.

Noted is when it was decided, when verifiers refused the document, and when its owner had another.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from scenarios.detection.audit import Alert
from scenarios.errors import TargetError


@dataclass(frozen=True, slots=True)
class Revocation:
    """What was done about an alert, on the run clock; ``revoked_s`` None when it failed."""

    identity: str
    serial: str
    decided_s: float
    revoked_s: float | None
    fault: str = ""
    replaced_s: tuple[float, ...] = ()
    """when each holder of what was revoked held a new document; none held it any more when empty"""


class Responder:
    """Revokes automatically, one alert after the other, in a thread of its own.

    A person who triages is a matter of minutes to hours and is simulated; what a measured run can
    tell is how fast the machinery is once somebody, or something, has decided.

    Args:
        revoke: ends a document of an identity and returns when the verifiers refuse it.
        now_s: the run clock.
        on_revoked: told the identity afterwards.
        replace: gives those who still hold a revoked document (identity, serial) a new one;
            returns when each of them had it.
    """

    def __init__(
        self,
        revoke: Callable[[str, str], None],
        now_s: Callable[[], float],
        on_revoked: Callable[[str], None],
        replace: Callable[[str, str], tuple[float, ...]] = lambda _identity, _serial: (),
    ) -> None:
        self._revoke, self._now_s, self._on_revoked = revoke, now_s, on_revoked
        self._replace = replace
        self._alerts: queue.SimpleQueue[Alert | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="responder", daemon=True)
        self.done: dict[tuple[str, str], Revocation] = {}

    def start(self) -> None:
        """Begin to respond."""
        self._thread.start()

    def respond(self, alert: Alert) -> None:
        """Take an alert; never blocks."""
        self._alerts.put(alert)

    def close(self, timeout_s: float = 5.0) -> None:
        """Finish what is waiting and end."""
        self._alerts.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (alert := self._alerts.get()) is not None:
            key = alert.identity, alert.event.serial
            if key not in self.done:
                self.done[key] = self._end(*key)

    def _end(self, identity: str, serial: str) -> Revocation:
        decided_s = self._now_s()
        try:
            self._revoke(identity, serial)
        except TargetError as error:
            return Revocation(identity, serial, decided_s, None, str(error))
        revoked_s = self._now_s()
        self._on_revoked(identity)
        replaced_s = self._replace(identity, serial)
        return Revocation(identity, serial, decided_s, revoked_s, replaced_s=replaced_s)
