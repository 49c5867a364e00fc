"""Uses the current document at once, from another address than its owner."""

from loadgen.personas.stage import Mark, Stage
from loadgen.personas.thief import UNDETECTED, Thief
from scenarios.spec.regime import Artifact

AFTER_USE_S = 0.2
"""from the owner's use of the document to the theft"""
BEFORE_S, AFTER_S = 0.05, 1.0
"""around both, in which the document is not renewed"""


class TwoOriginThief:
    """Does not wait: one serial is seen from two addresses."""

    name = "two-origin-thief"
    story = "takes the current document and uses it at once from another address"

    def suits(self, stage: Stage) -> bool:
        """Only SVIDs; the static key has a thief of its own."""
        return stage.plan.regime.artifact is not Artifact.STATIC_KEY

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:  # noqa: ARG002
        """Mark a slot whose owner uses it and does not renew it directly afterwards."""
        expected = stage.elsewhere(UNDETECTED)
        earliest_s, latest_s = 0.1 * stage.plan.seconds, 0.7 * stage.plan.seconds
        for task in stage.tasks(agent):
            issues_s = stage.issues_s(agent, task)
            for use_s in stage.uses_s(agent, task):
                steal_s = use_s + AFTER_USE_S
                held = any(t < use_s for t in issues_s)
                renews = any(use_s - BEFORE_S < t < steal_s + AFTER_S for t in issues_s)
                if held and not renews and earliest_s < steal_s < latest_s:
                    return Mark(agent, task, steal_s, steal_s, expected)
        return None

    def act(self, thief: Thief) -> None:
        """Steal and use without delay."""
        theft, stage = thief.theft, thief.stage
        if thief.steal():
            thief.use_until_refused(stage.permissions(theft.mark), stage.thief_origin(theft.number))
