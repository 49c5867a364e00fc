"""Every line that an identity's own work leaves, as the detector of changed rates counts it.

The sum of that detector changes with each line, so all of them are needed; but they are a function
of keys, nothing else that happens moves them, and a whole fleet's are added up in arrays. Assumed:
an agent without a valid document is refused and leaves its line all the same; one that fetches a
document at use leaves one line for both.
"""

from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.switches import switches
from scenarios.detection.rates import Expected, RateChange
from scenarios.spec.rules import cusum
from simulator.control.sight import RATE_CHANGE, seen, share_seen
from simulator.control.world import World


class Lines:
    """The lines of each identity that anybody asked for, to the horizon.

    Args:
        world: laws and the detector.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[int, NDArray[np.float64]] = {}

    def own(self, owner: int, *, keep: bool = True) -> NDArray[np.float64]:
        """Return when the holders of an identity leave a line, ascending."""
        if owner in self._kept:
            return self._kept[owner]
        group = self._world.layout.group(owner)
        found = np.sort(np.concatenate([self._of(agent) for agent in group]))
        if keep:
            self._kept[owner] = found
        return found

    def _of(self, agent: int) -> NDArray[np.float64]:
        world = self._world
        agent_class = world.layout.of(agent)
        found = switches(world.seed_key, agent, agent_class.law)
        begun = list(takewhile(lambda switch: switch.t_s < world.horizon_s, found))
        tasks = np.array([task.duration_s for task in agent_class.workload.tasks])
        start_s = np.array([switch.t_s for switch in begun], dtype=np.float64)
        end_s = start_s + tasks[[switch.task for switch in begun]]
        t_s = np.concatenate([start_s, end_s])
        reached = t_s < world.horizon_s
        if share_seen(world, agent, RATE_CHANGE) < 1.0:
            numbers = [2 * s.candidate for s in begun] + [2 * s.candidate + 1 for s in begun]
            reached &= [seen(world, agent, agent, number, RATE_CHANGE) for number in numbers]
        return t_s[reached]

    def false_crossings(self, owner: int) -> list[tuple[float, float]]:
        """Return (instant, level) of every alert that chance raises, each begun anew after."""
        detector = self._detector(owner)
        t_s = self.own(owner, keep=False)
        expected = self._expected(owner).until(t_s)
        found, first = [], 0
        while first < len(t_s):
            climb = np.arange(1, len(t_s) - first + 1) - detector.reference * expected[first:]
            level = climb - np.minimum.accumulate(climb - 1.0)
            place = int(np.argmax(level >= detector.threshold))
            if level[place] < detector.threshold:
                break
            found.append((float(t_s[first + place]), float(level[place])))
            first += place + 1
        return found

    def crossing(self, owner: int, others: list[float]) -> tuple[float, float] | None:
        """Return (instant, level) of the first alert that somebody else's lines have a part in.

        That is: one of theirs has come since the sum last stood at nothing.

        Args:
            owner: of the identity.
            others: instants of somebody else's lines under it, ascending.
        """
        if not others:
            return None
        detector, expected = self._detector(owner), self._expected(owner)
        own = self.own(owner)
        first = int(np.searchsorted(own, others[0]))
        t_s = np.concatenate([own[first:], others])
        theirs = np.concatenate([np.zeros(len(own) - first, bool), np.ones(len(others), bool)])
        order = np.argsort(t_s, kind="stable")
        level, before = self._level_before(own[:first], expected, detector)
        left, part = len(others), False
        for at_s, until, foreign in zip(
            t_s[order].tolist(),
            expected.until(t_s[order]).tolist(),
            theirs[order].tolist(),
            strict=True,
        ):
            level = cusum(level, until - before, detector.reference)
            before, left = until, left - foreign
            part = foreign or (part and level > 1.0)
            if level >= detector.threshold:
                if part:
                    return at_s, level
                level = 0.0  # chance alone; told among the false alarms
            if not left and not part:
                return None
        return None

    def _level_before(
        self, own: NDArray[np.float64], expected: Expected, detector: RateChange
    ) -> tuple[float, float]:
        """Return sum and expected lines at the last of one's own lines, alerts left out."""
        level = before = 0.0
        for until in expected.until(own).tolist():
            level = cusum(level, until - before, detector.reference)
            before = until
            if level >= detector.threshold:
                level = 0.0
        return level, before

    def _expected(self, owner: int) -> Expected:
        return self._detector(owner).expected[self._world.layout.of(owner).workload.name]

    def _detector(self, owner: int) -> RateChange:
        detector = self._world.watch(owner).rate_change
        if detector is None:
            raise AssertionError("no detector of changed rates is armed")
        return detector
