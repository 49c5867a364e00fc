"""What an agent's abuse looks like in SPIRE's log: one certain sign and one uncertain."""

from loadgen.targets.spire.audit import NOT_ACTIVE
from scenarios.detection.audit import Alert, AuditEvent


class InactiveAgentSvid:
    """Alerts when an agent presents a document that its renewal has replaced.

    The certain sign: SPIRE accepts the current serial and the pending one, so a third means a copy.
    It shows only after the owner has *used* his new document, and only when the copy is used. An
    agent that was restored from a backup of its data folder is its false alarm.
    """

    name = "inactive-agent-svid"
    needs = frozenset({"identity", "permission", "outcome"})

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def update(self, event: AuditEvent) -> Alert | None:
        """Take an event into account; alert on SPIRE's word that a document is not active."""
        if event.permission != NOT_ACTIVE or event.identity in self._reported:
            return None
        self._reported.add(event.identity)
        evidence = f"serial {event.serial} from {event.origin} was replaced by a newer one"
        return Alert(self.name, event.identity, event.observed_s, event, evidence)

    def forget(self, identity: str) -> None:
        """Drop what is known of an identity."""
        self._reported.discard(identity)


class TwoAgentOrigins:
    """Alerts when one agent calls from a second source address.

    The uncertain sign, and the only one before renewal: SPIRE's log has no serial of an accepted
    call. A node that changes its address, and address translation, are its false alarms.
    """

    name = "two-agent-origins"
    needs = frozenset({"identity", "origin"})

    def __init__(self) -> None:
        self._origin: dict[str, str] = {}
        self._reported: set[str] = set()

    def update(self, event: AuditEvent) -> Alert | None:
        """Take an agent's call into account."""
        if event.operation != "use" or not event.origin or event.identity in self._reported:
            return None
        first = self._origin.setdefault(event.identity, event.origin)
        if first == event.origin:
            return None
        self._reported.add(event.identity)
        evidence = f"one agent from {first} and from {event.origin}"
        return Alert(self.name, event.identity, event.observed_s, event, evidence)

    def forget(self, identity: str) -> None:
        """Drop what is known of an identity."""
        self._origin.pop(identity, None)
        self._reported.discard(identity)
