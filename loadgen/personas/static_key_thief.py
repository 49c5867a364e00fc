"""Copies a live static key while its owner works, and uses it from an address of his own."""

from loadgen.personas.stage import Mark, Stage
from loadgen.personas.thief import UNDETECTED, Thief
from scenarios.spec.regime import Artifact

AFTER_USE_S = 0.1
"""from the owner's first use of the key to the earliest theft"""


class StaticKeyThief:
    """Steals a static key; seen only where each key has one holder."""

    name = "static-key-thief"
    story = "copies a live static key while its owner works and uses it from another address"

    def suits(self, stage: Stage) -> bool:
        """Only static keys."""
        return stage.plan.regime.artifact is Artifact.STATIC_KEY

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:
        """Mark an agent that works before the theft."""
        seconds = stage.plan.seconds
        uses_s = stage.uses_s(agent, 0)
        if not uses_s or uses_s[0] >= 0.7 * seconds:
            return None
        steal_s = max(uses_s[0] + AFTER_USE_S, (0.1 + 0.3 * stage.draw(number, 0)) * seconds)
        expected = stage.elsewhere(UNDETECTED)
        return Mark(agent, 0, steal_s, steal_s + stage.pace_s, expected)

    def act(self, thief: Thief) -> None:
        """Steal, then use it from a foreign address."""
        theft, stage = thief.theft, thief.stage
        if thief.steal() and thief.sleep_until(theft.mark.use_s):
            thief.use_until_refused(stage.permissions(theft.mark), stage.thief_origin(theft.number))
