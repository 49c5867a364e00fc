"""The port that every detector implements."""

from typing import Protocol, runtime_checkable

from scenarios.detection.audit import Alert, AuditEvent


@runtime_checkable
class Detector(Protocol):
    """Reads audit events in order of ``observed_s`` and raises alerts.

    Law (tested): ``update`` touches only the state of ``event.identity``, so interleaving the
    events of different identities changes no alert. An identity is reported once by one detector.
    """

    name: str
    needs: frozenset[str]
    """audit fields without which it cannot work; against ``Target.audit_fields`` this decides
    *not observable*"""

    def update(self, event: AuditEvent) -> Alert | None:
        """Take one event into account and return the alert that it raises, if any."""
        ...

    def forget(self, identity: str) -> None:
        """Drop the state of an identity, after its credential was revoked and replaced."""
        ...
