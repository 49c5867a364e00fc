"""Sits beside the owner, on his address, and tries doors that the task never opens."""

from loadgen.personas.persona import UNDETECTED, Mark, Stage, Thief
from scenarios.detection.permissions import NewPermission


class ScopeThief:
    """Asks for a permission outside the task; only the permission gives him away."""

    name = "scope-thief"
    story = "uses a document from its owner's address for a permission that the task never needs"

    def choose(self, stage: Stage, number: int) -> Mark | None:
        """Mark any slot that holds a document at the theft."""
        armed = NewPermission.name in stage.detectors
        earliest_s = (0.15 + 0.35 * stage.draw(number, 0)) * stage.plan.seconds
        for agent in stage.victims(number):
            for task in stage.tasks(agent):
                issues_s = [t for t in stage.issues_s(agent, task) if t < 0.7 * stage.plan.seconds]
                if issues_s:
                    steal_s = max(earliest_s, min(issues_s) + 2 * stage.pace_s)
                    expected = NewPermission.name if armed else UNDETECTED
                    return Mark(agent, task, steal_s, steal_s + stage.pace_s, expected)
        return None

    def act(self, thief: Thief) -> None:
        """Steal, then alternate what the task may and what it may not."""
        theft, stage = thief.theft, thief.stage
        if thief.steal() and thief.sleep_until(theft.mark.use_s):
            permissions = (stage.permissions(theft.mark)[0], stage.foreign(theft.mark))
            thief.use_until_refused(permissions, stage.owner_origin)
