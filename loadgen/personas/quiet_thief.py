"""Uses what he took once, from the owner's address, for what the task needs, and goes."""

from loadgen.personas.persona import EXPIRED, UNDETECTED, Mark, Stage, Thief

MARGIN_S = 0.5


class QuietThief:
    """Leaves nothing that a detector could see: the control case of every measurement."""

    name = "quiet-thief"
    story = "uses a document once, from its owner's address, within its permissions"

    def choose(self, stage: Stage, number: int) -> Mark | None:
        """Mark a document used before its renewal, preferably one that expires in the window."""
        fallback: Mark | None = None
        for tried, agent in enumerate(stage.victims(number)):
            mark = self._mark(stage, agent)
            if mark is not None and mark.expected == EXPIRED:
                return mark
            fallback = fallback or mark
            if fallback is not None and tried > 200:
                break
        return fallback

    def _mark(self, stage: Stage, agent: int) -> Mark | None:
        ttl_s, seconds, pace_s = stage.plan.ttl_s, stage.plan.seconds, stage.pace_s
        for task in stage.tasks(agent):
            issues_s = stage.issues_s(agent, task)
            for first_s, next_s in zip(issues_s, [*issues_s[1:], seconds], strict=False):
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
