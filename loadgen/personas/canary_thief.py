"""Looks around from the owner's address, and touches what nobody needs."""

from loadgen.personas.stage import Mark, Stage
from loadgen.personas.thief import UNDETECTED, Thief
from scenarios.detection.canaries import TOUCH, Canary
from scenarios.detection.permissions import NewPermission


class CanaryThief:
    """Asks for a canary among what the document opens."""

    name = "canary-thief"
    story = "looks around with a document from its owner's address and touches a canary"

    def suits(self, stage: Stage) -> bool:
        """Every credential, where the scenario has canaries."""
        return stage.plan.scenario.detection.canary.armed

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:
        """Mark any slot that holds a document at the theft."""
        telling = (name for name in (Canary.name, NewPermission.name) if name in stage.detectors)
        return stage.any_held(number, agent, next(telling, UNDETECTED))

    def act(self, thief: Thief) -> None:
        """Steal, then alternate what the task may and the canary."""
        theft, stage = thief.theft, thief.stage
        if thief.steal() and thief.sleep_until(theft.mark.use_s):
            permissions = (stage.permissions(theft.mark)[0], TOUCH)
            thief.use_until_refused(permissions, stage.owner_origin)
