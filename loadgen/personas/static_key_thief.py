"""Copies a live static key while its owner works, and uses it from an address of his own."""

from loadgen.personas.persona import UNDETECTED, Mark, Stage, Thief
from scenarios.detection.origins import TwoOrigins
from scenarios.spec.regime import Artifact


class StaticKeyThief:
    """Steals a static key; seen only where each key has one holder."""

    name = "static-key-thief"
    story = "copies a live static key while its owner works and uses it from another address"

    def choose(self, stage: Stage, number: int) -> Mark | None:
        """Mark an agent that works before and after the theft."""
        if stage.plan.regime.artifact is not Artifact.STATIC_KEY:
            return None
        armed = TwoOrigins.name in stage.detectors
        seconds = stage.plan.seconds
        for agent in stage.victims(number):
            uses_s = stage.uses_s(agent, 0)
            if uses_s and uses_s[0] < 0.7 * seconds:
                steal_s = max(uses_s[0] + 0.1, (0.1 + 0.3 * stage.draw(number, 0)) * seconds)
                return Mark(
                    agent,
                    0,
                    steal_s,
                    steal_s + stage.pace_s,
                    TwoOrigins.name if armed else UNDETECTED,
                )
        return None

    def act(self, thief: Thief) -> None:
        """Steal, then use it from a foreign address."""
        theft, stage = thief.theft, thief.stage
        if thief.steal() and thief.sleep_until(theft.mark.use_s):
            thief.use_until_refused(stage.permissions(theft.mark), stage.thief_origin(theft.number))
