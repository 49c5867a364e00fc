"""Takes a document, waits until its owner has renewed and used the new one, then uses the old."""

from itertools import pairwise

from loadgen.personas.stage import Mark, Stage
from loadgen.personas.thief import UNDETECTED, Thief
from scenarios.detection.serials import SupersededSerial

SLACK_S = 0.3
"""from the owner's first use of his new document to the thief's use of the old one"""
MARGIN_S = 1.0
"""of validity and of run that the thief wants to have left at his first use"""


class SupersededSvidThief:
    """Uses a superseded but valid document, as one from a leaked log or backup is."""

    name = "superseded-svid-thief"
    story = "takes a document, waits until its owner has renewed, then uses the old one"

    def suits(self, stage: Stage) -> bool:
        """Only documents that end."""
        return stage.plan.ttl_s is not None

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:  # noqa: ARG002
        """Mark a slot that is issued, renewed and used again while the first document lives."""
        ttl_s, seconds = stage.plan.ttl_s, stage.plan.seconds
        if ttl_s is None:
            return None
        expected = SupersededSerial.name if SupersededSerial.name in stage.detectors else UNDETECTED
        for task in stage.tasks(agent):
            uses_s = stage.uses_s(agent, task)
            for first_s, second_s in pairwise(stage.issues_s(agent, task)):
                steal_s = max(0.0, first_s) + SLACK_S
                use_s = next((t for t in uses_s if t > second_s), seconds) + SLACK_S
                if (
                    steal_s + SLACK_S < second_s
                    and use_s < min(seconds, first_s + ttl_s) - MARGIN_S
                ):
                    return Mark(agent, task, steal_s, use_s, expected)
        return None

    def act(self, thief: Thief) -> None:
        """Steal, wait for the renewal and the owner's use, then use the old document."""
        theft, stage = thief.theft, thief.stage
        if thief.steal() and thief.wait_for_renewal() and thief.sleep_until(theft.mark.use_s):
            thief.use_until_refused(stage.permissions(theft.mark), stage.thief_origin(theft.number))
