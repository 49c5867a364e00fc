"""A schedule's arrivals as plain lists, some thousands at a time: numpy's numbers are slow ones."""

from loadgen.generator.schedule import Schedule
from loadgen.targets.port import Op

CHUNK = 1024
"""arrivals taken out of the arrays at once; nothing is sent meanwhile, 0.3 ms for 4,096"""
TICK_S = 0.0002
"""the timer is never set sooner where arrivals come closer than that on average: they leave in one
wake-up, for otherwise the wake-ups would take the time that the requests need"""

Lists = tuple[list[float], list[Op], list[int], list[int]]
"""intended starts, operations, agents, tasks"""


class Chunks:
    """The chunk of a schedule that is being sent.

    Attributes:
        at: number of its first arrival.
        lists: the arrivals.
        tick_s: least time to the next wake-up, from how close they come.
    """

    def __init__(self, schedule: Schedule, ops: list[Op]) -> None:
        self.at = 0
        self.lists: Lists = ([], [], [], [])
        self.tick_s = 0.0
        self._schedule = schedule
        self._ops = ops

    def load(self, start: int) -> Lists:
        """Return the chunk that begins with arrival ``start``."""
        end = start + CHUNK
        schedule, names = self._schedule, self._ops
        self.at = start
        self.lists = (
            schedule.t_s[start:end].tolist(),
            [names[op] for op in schedule.op[start:end].tolist()],
            schedule.agent[start:end].tolist(),
            schedule.task[start:end].tolist(),
        )
        due = self.lists[0]
        gap_s = (due[-1] - due[0]) / len(due)
        self.tick_s = TICK_S if gap_s < TICK_S else 0.0
        return self.lists
