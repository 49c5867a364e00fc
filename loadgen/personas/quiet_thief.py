"""Uses what he took once, from the owner's address, for what the task needs, and goes."""

from itertools import pairwise

from loadgen.personas.stage import Mark, Stage
from loadgen.personas.thief import EXPIRED, UNDETECTED, Thief

MARGIN_S = 0.5


class QuietThief:
    """Leaves nothing that a detector could see: the control case of every measurement."""

    name = "quiet-thief"
    story = "uses a document once, from its owner's address, within its permissions"

    def suits(self, stage: Stage) -> bool:  # noqa: ARG002
        """Every credential."""
        return True

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:  # noqa: ARG002
        """Mark a slot whose document can be used once before it is renewed."""
        ttl_s, seconds, pace_s = stage.plan.ttl_s, stage.plan.seconds, stage.pace_s
        for task in stage.tasks(agent):
            for first_s, next_s in pairwise([*stage.issues_s(agent, task), seconds]):
                steal_s = max(first_s, 0.0) + 2 * pace_s
                if steal_s + pace_s + MARGIN_S < next_s:
                    ends = ttl_s is not None and first_s + ttl_s + MARGIN_S < seconds
                    expected = EXPIRED if ends else UNDETECTED
                    return Mark(agent, task, steal_s, steal_s + pace_s, expected)
        return None

    def act(self, thief: Thief) -> None:
        """Steal, use once, and keep it unused until it expires."""
        theft, stage = thief.theft, thief.stage
        if thief.steal() and thief.sleep_until(theft.mark.use_s):
            thief.use(stage.permissions(theft.mark)[0], stage.owner_origin)
            thief.rest_until_expiry()
