"""An address where no holder of the identity works."""

from collections.abc import Iterable

from scenarios.detection.audit import Alert, AuditEvent


class NewOrigin:
    """Alerts when an identity is used from an address that is not known to be its.

    Where holders are placed is declared (``know``), as an orchestrator knows it. For an identity
    without a declaration the first accepted use is believed. So it sees the thief of a secret that
    many share, to whom two origins is blind, and it sees him at his first use. It does not see one
    behind the owner's address. A move is its false alarm.

    Args:
        delay_s: from a line's delivery to the alert.
    """

    name = "new-origin"
    needs = frozenset({"identity", "origin"})

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._declared: dict[str, frozenset[str]] = {}
        self._believed: dict[str, str] = {}
        self._reported: set[str] = set()

    def know(self, identity: str, origins: Iterable[str]) -> None:
        """Declare where the holders of an identity work."""
        self._declared[identity] = frozenset(origins)

    def update(self, event: AuditEvent) -> Alert | None:
        """Take a use into account, refused ones included; alert on one from elsewhere."""
        if event.operation != "use" or not event.origin or event.identity in self._reported:
            return None
        known = self._declared.get(event.identity)
        if known is None:
            if event.identity not in self._believed and event.outcome == "ok":
                self._believed[event.identity] = event.origin
            believed = self._believed.get(event.identity)
            known = frozenset() if believed is None else frozenset({believed})
        if not known or event.origin in known:
            return None
        self._reported.add(event.identity)
        return Alert(
            self.name,
            event.identity,
            event.observed_s + self._delay_s,
            event,
            f"used from {event.origin}, known from {', '.join(sorted(known))}",
        )

    def forget(self, identity: str) -> None:
        """Drop what is known of an identity, but not what was declared."""
        self._believed.pop(identity, None)
        self._reported.discard(identity)
