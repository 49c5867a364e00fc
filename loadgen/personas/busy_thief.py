"""Does what the task may, from its owner's address, but much more of it."""

from loadgen.personas.stage import Mark, Stage
from loadgen.personas.thief import UNDETECTED, Thief
from scenarios.detection.rates import RateChange

PACE_S = 0.05


class BusyThief:
    """Only the number of uses gives him away."""

    name = "busy-thief"
    story = "uses a document twenty times a second, from its owner's address, for what it is for"

    def suits(self, stage: Stage) -> bool:
        """Every credential, where the scenario watches rates."""
        return stage.plan.scenario.detection.rate_change.armed

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:
        """Mark any slot that holds a document, while the window has room for enough uses."""
        expected = RateChange.name if RateChange.name in stage.detectors else UNDETECTED
        mark = stage.any_held(number, agent, expected)
        needed_s = 2.0 * PACE_S * stage.plan.scenario.detection.rate_change.threshold
        fits = mark is not None and mark.use_s + needed_s < stage.plan.seconds
        return mark if fits else None

    def act(self, thief: Thief) -> None:
        """Steal, then use it as fast as he can."""
        theft, stage = thief.theft, thief.stage
        if thief.steal() and thief.sleep_until(theft.mark.use_s):
            permissions = stage.permissions(theft.mark)[:1]
            thief.use_until_refused(permissions, stage.owner_origin, PACE_S)
