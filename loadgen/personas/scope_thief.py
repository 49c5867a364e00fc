"""Sits beside the owner, on his address, and tries doors that the task never opens."""

from loadgen.personas.stage import Mark, Stage
from loadgen.personas.thief import UNDETECTED, Thief
from scenarios.detection.permissions import NewPermission


class ScopeThief:
    """Asks for a permission outside the task; only the permission gives him away."""

    name = "scope-thief"
    story = "uses a document from its owner's address for a permission that the task never needs"

    def suits(self, stage: Stage) -> bool:  # noqa: ARG002
        """Every credential."""
        return True

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:
        """Mark any slot that holds a document at the theft."""
        expected = NewPermission.name if NewPermission.name in stage.detectors else UNDETECTED
        return stage.any_held(number, agent, expected)

    def act(self, thief: Thief) -> None:
        """Steal, then alternate what the task may and what it may not."""
        theft, stage = thief.theft, thief.stage
        if thief.steal() and thief.sleep_until(theft.mark.use_s):
            permissions = (stage.permissions(theft.mark)[0], stage.foreign(theft.mark))
            thief.use_until_refused(permissions, stage.owner_origin)
