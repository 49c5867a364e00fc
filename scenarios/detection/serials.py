"""A superseded document seen after its successor: somebody kept a copy."""

from math import isnan

from scenarios.detection.audit import Alert, AuditEvent


class SupersededSerial:
    """Alerts when an identity is used with a document older than one it has used already.

    The rule of SPIRE's "agent SVID is not active" and of Athenz and Teleport: renewal replaces the
    old document, so its later use means a copy. Order of issue decides; documents of different
    tasks never supersede each other. A late reload of the old document by its owner is its false
    alarm.

    Args:
        delay_s: from a line's delivery to the alert.
    """

    name = "superseded-serial"
    needs = frozenset({"identity", "serial", "issued_s", "task"})

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._newest: dict[str, dict[str, float]] = {}
        self._reported: set[str] = set()

    def update(self, event: AuditEvent) -> Alert | None:
        """Take a use into account; alert on the first use of a superseded document."""
        if event.operation != "use" or isnan(event.issued_s) or event.identity in self._reported:
            return None
        newest = self._newest.setdefault(event.identity, {})
        seen_s = newest.get(event.task)
        if seen_s is None or event.issued_s > seen_s:
            newest[event.task] = event.issued_s
            return None
        if event.issued_s == seen_s:
            return None
        self._reported.add(event.identity)
        return Alert(
            self.name,
            event.identity,
            event.observed_s + self._delay_s,
            event,
            f"serial {event.serial} from {event.origin} was issued {seen_s - event.issued_s:.3f} s "
            "before a document already in use",
        )

    def forget(self, identity: str) -> None:
        """Drop what is known of an identity."""
        self._newest.pop(identity, None)
        self._reported.discard(identity)
