"""A serial that the issuer never issued: somebody else signs with its key."""

from scenarios.detection.audit import Alert, AuditEvent


class UnknownSerial:
    """Alerts when an identity is used with a document that is not in the issuer's log of issues.

    A certain sign, and the only one that a forged document gives by itself: signature, issuer and
    names are right. It has no false alarm as long as both logs are whole, and sees nothing of who
    copies the serial of a document that was issued. An identity is judged from the first issue on
    that was seen of it: what is older than the log may well have been issued.

    Args:
        delay_s: from a line's delivery to the alert.
    """

    name = "unknown-serial"
    needs = frozenset({"identity", "serial", "issued_s"})

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._issued: dict[str, set[str]] = {}
        self._since_s: dict[str, float] = {}
        self._reported: set[str] = set()

    def update(self, event: AuditEvent) -> Alert | None:
        """Take an issue or a use into account; alert on the first use of what nobody issued."""
        identity = event.identity
        if event.operation == "issue" and event.outcome == "ok":
            self._issued.setdefault(identity, set()).add(event.serial)
            self._since_s.setdefault(identity, event.issued_s)
            return None
        if event.operation != "use" or identity in self._reported or identity not in self._issued:
            return None
        if not event.issued_s >= self._since_s[identity] or event.serial in self._issued[identity]:
            return None
        self._reported.add(identity)
        return Alert(
            self.name,
            identity,
            event.observed_s + self._delay_s,
            event,
            f"serial {event.serial} used from {event.origin} was never issued",
        )

    def forget(self, identity: str) -> None:
        """Report an identity again; what was issued stays issued."""
        self._reported.discard(identity)
