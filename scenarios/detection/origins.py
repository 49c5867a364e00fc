"""One document, two addresses: one of them holds a copy."""

from scenarios.detection.audit import Alert, AuditEvent


class TwoOrigins:
    """Alerts when one serial of an identity is used from a second source address.

    Blind where many holders share a secret by design: there every holder is a second origin, so a
    regime with ``shared_by`` > 1 must not arm it. A rescheduled pod, address translation and
    fail-over are its false alarms.

    Args:
        delay_s: from a line's delivery to the alert.
    """

    name = "two-origins"
    needs = frozenset({"identity", "serial", "origin"})

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._origin: dict[str, dict[str, str]] = {}
        self._reported: set[str] = set()

    def update(self, event: AuditEvent) -> Alert | None:
        """Take a use into account; alert on the first use of a serial from a second origin."""
        if event.operation != "use" or not event.origin or event.identity in self._reported:
            return None
        origins = self._origin.setdefault(event.identity, {})
        first = origins.setdefault(event.serial, event.origin)
        if first == event.origin:
            return None
        self._reported.add(event.identity)
        return Alert(
            self.name,
            event.identity,
            event.observed_s + self._delay_s,
            event,
            f"serial {event.serial} used from {first} and from {event.origin}",
        )

    def forget(self, identity: str) -> None:
        """Drop what is known of an identity."""
        self._origin.pop(identity, None)
        self._reported.discard(identity)
