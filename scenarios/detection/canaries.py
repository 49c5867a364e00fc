"""A canary: something that nobody needs, so that whoever touches it is looking around."""

from typing import Final

from scenarios.detection.audit import Alert, AuditEvent
from scenarios.spec.grants import CANARIES

RESOURCE: Final = CANARIES
"""beginning of every canary's permission; no task may need one"""
TOUCH: Final = f"{RESOURCE}read"
"""what thieves and scanners do to one"""


class Canary:
    """Alerts when an identity touches a canary.

    It needs no declaration of what tasks need and no line that names a task. A thief who keeps to
    what he came for never touches one. A scanner, a backup or an index is its false alarm.

    Args:
        delay_s: from a line's delivery to the alert.
    """

    name = "canary"
    needs = frozenset({"identity", "permission"})

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._reported: set[str] = set()

    def update(self, event: AuditEvent) -> Alert | None:
        """Take a use into account, refused ones included; alert on the first touch."""
        touched = event.operation == "use" and event.permission.startswith(RESOURCE)
        if not touched or event.identity in self._reported:
            return None
        self._reported.add(event.identity)
        return Alert(
            self.name,
            event.identity,
            event.observed_s + self._delay_s,
            event,
            f"{event.permission} touched from {event.origin or 'an unknown address'}",
        )

    def forget(self, identity: str) -> None:
        """Drop what is known of an identity."""
        self._reported.discard(identity)
