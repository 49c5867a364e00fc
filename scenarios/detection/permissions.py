"""A permission that the task never needed: somebody else is trying doors."""

from collections.abc import Mapping

from scenarios.detection.audit import Alert, AuditEvent


class NewPermission:
    """Alerts when an identity asks for a permission that its task does not need.

    The baseline is the declared need of each task (known for a fleet under management), so it
    learns nothing and has no training window. It sees nothing where an audit line names no task,
    as under one key for all tasks: there the baseline is the union of all tasks.

    Args:
        baseline: needed permissions of each (workload, task); task "" stands for the union.
        delay_s: from a line's delivery to the alert.
    """

    name = "new-permission"
    needs = frozenset({"identity", "permission"})

    def __init__(
        self, baseline: Mapping[tuple[str, str], frozenset[str]], delay_s: float = 0.0
    ) -> None:
        self._baseline, self._delay_s = baseline, delay_s
        self._reported: set[str] = set()

    def update(self, event: AuditEvent) -> Alert | None:
        """Take a use into account, refused ones included; alert on a permission out of need."""
        if event.operation != "use" or not event.permission or event.identity in self._reported:
            return None
        needed = self._baseline.get((event.workload, event.task))
        if needed is None or event.permission in needed:
            return None
        self._reported.add(event.identity)
        return Alert(
            self.name,
            event.identity,
            event.observed_s + self._delay_s,
            event,
            f"{event.permission} asked for from {event.origin}; "
            f"{event.task or event.workload} needs {', '.join(sorted(needed))}",
        )

    def forget(self, identity: str) -> None:
        """Drop what is known of an identity."""
        self._reported.discard(identity)
