"""Uses the current document at once, from another address than its owner."""

from loadgen.personas.persona import UNDETECTED, Mark, Stage, Thief
from scenarios.detection.origins import TwoOrigins
from scenarios.spec.regime import Artifact

AFTER_USE_S = 0.2
"""from the owner's use of the document to the theft"""


class TwoOriginThief:
    """Does not wait: one serial is seen from two addresses."""

    name = "two-origin-thief"
    story = "takes the current document and uses it at once from another address"

    def choose(self, stage: Stage, number: int) -> Mark | None:
        """Mark a slot whose owner uses it and does not renew it directly afterwards."""
        if stage.plan.regime.artifact is Artifact.STATIC_KEY:
            return None
        armed = TwoOrigins.name in stage.detectors
        earliest_s, latest_s = 0.1 * stage.plan.seconds, 0.7 * stage.plan.seconds
        for agent in stage.victims(number):
            for task in stage.tasks(agent):
                issues_s = stage.issues_s(agent, task)
                for use_s in stage.uses_s(agent, task):
                    steal_s = use_s + AFTER_USE_S
                    renews = any(use_s - 0.05 < t < steal_s + 1.0 for t in issues_s)
                    held = any(t < use_s for t in issues_s)
                    if earliest_s < steal_s < latest_s and held and not renews:
                        expected = TwoOrigins.name if armed else UNDETECTED
                        return Mark(agent, task, steal_s, steal_s, expected)
        return None

    def act(self, thief: Thief) -> None:
        """Steal and use without delay."""
        theft, stage = thief.theft, thief.stage
        if thief.steal():
            thief.use_until_refused(stage.permissions(theft.mark), stage.thief_origin(theft.number))
