"""When the owner of a stolen credential uses it: materialised for one identity, on demand.

The switch law is a function of keys, so nobody has to have watched. An agent uses its credential
when a task starts and once more when it ends; under renewal at use a document is also used when it
arrives, because that is what it was fetched for. A use that finds no valid document leaves no line.
"""

from collections.abc import Callable, Iterator
from functools import cache
from heapq import merge
from itertools import takewhile
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numba import njit

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.demand.switches import gap, switches
from simulator.control.documents import Documents
from simulator.control.sight import Seen
from simulator.control.world import World
from simulator.population import CredentialView

Skip = Callable[[np.uint64, float, float, int, float], tuple[float, int]]

_ARRIVALS: Final = 1 << 40
"""number of the first line that a document leaves which was fetched for a use"""
_COMPILING_PAYS: Final = 300_000
"""candidates passed over in a world, from which on compiling the loop is the shorter way"""


def _skip_with(law: Callable[[float, float], float]) -> Skip:
    def skip(
        gaps: np.uint64, total_rate_hz: float, t_s: float, candidate: int, to_s: float
    ) -> tuple[float, int]:
        while True:
            next_s = t_s + law(keyed_uniform(gaps, np.uint64(candidate)), total_rate_hz)
            if next_s >= to_s:
                return t_s, candidate
            t_s = next_s
            candidate += 1

    return skip


_skip: Final = _skip_with(gap)
"""pass over the candidates before ``to_s``; return the last one's instant and the next number"""


@cache
def _compiled_skip() -> Skip:
    compiled_gap: Callable[[float, float], float] = cast("Any", njit(gap))
    return cast("Skip", njit(_skip_with(compiled_gap)))


class Access(NamedTuple):
    """One use of a credential by its owner."""

    t_s: float
    task: int
    document: CredentialView
    agent: int = -1
    """who left the line"""
    line: int = -1
    """its number among the agent's; -1 for a line that is not of its ordinary work"""


def arrival(view: CredentialView) -> Access:
    """Return the use for which a document was fetched, under renewal at use."""
    number = _ARRIVALS + SLOTS * view.serial + view.slot
    return Access(view.issued_s, view.slot, view, view.agent, number)


class Moment(NamedTuple):
    """A task's start or end, at which its agent leaves a line."""

    t_s: float
    task: int
    line: int


class Holders:
    """The accesses of all who use one document: its owner, and under ``shared_on_node`` its node.

    Args:
        world: clock and laws.
        owner: the agent that stands for the document.
        documents: what its identity is issued.
    """

    def __init__(self, world: World, owner: int, documents: Documents) -> None:
        group = world.layout.group(owner) if world.regime.shared_on_node else (owner,)
        self._owners = [Owner(world, agent, documents) for agent in group]

    def accesses(self, from_s: float, to_s: float) -> Iterator[Access]:
        """Yield the accesses in [from_s, to_s) in order; documents must be known up to ``to_s``."""
        return merge(*(owner.accesses(from_s, to_s) for owner in self._owners))

    def first_accesses(self, from_s: float, to_s: float, seen: Seen | None = None) -> list[Access]:
        """Return the first access with each document in [from_s, to_s), in order.

        Args:
            from_s: beginning.
            to_s: end; documents must be known up to it.
            seen: which lines count; all of them when None.
        """
        found: dict[tuple[int, int], Access] = {}
        first = (a for o in self._owners for a in o.first_accesses(from_s, to_s, seen))
        for access in sorted(first):
            found.setdefault((access.document.slot, access.document.serial), access)
        return list(found.values())

    def first(
        self, slot: int, from_s: float, to_s: float, seen: Seen | None = None
    ) -> tuple[float, int] | None:
        """Return the first (instant, task) in [from_s, to_s) at which a task uses ``slot``."""
        found = (owner.first(slot, from_s, to_s, seen) for owner in self._owners)
        return min((at[:2] for at in found if at is not None), default=None)

    def moments(self, from_s: float, to_s: float) -> Iterator[tuple[float, int]]:
        """Yield (instant, task) of the task starts and ends in [from_s, to_s), in order."""
        return merge(*(owner.moments(from_s, to_s) for owner in self._owners))

    def forget_before(self, t_s: float) -> None:
        """Promise not to ask for anything before ``t_s`` again."""
        for owner in self._owners:
            owner.forget_before(t_s)


class Owner:
    """The accesses of one agent, as far as anybody asks for them.

    Args:
        world: clock and laws.
        agent: whose switches.
        documents: what its identity is issued.
    """

    def __init__(self, world: World, agent: int, documents: Documents) -> None:
        self._world, self._documents = world, documents
        self._agent, self._seed_key = agent, world.seed_key
        agent_class = world.layout.of(agent)
        self._law = agent_class.law
        self._slotted = agent_class.slots > 1
        self._durations_s = [task.duration_s for task in agent_class.workload.tasks]
        self._at_use = world.regime.renewal.at_use
        gaps = entity_key(self._seed_key, np.uint64(agent), np.uint64(Stream.SWITCH_GAP))
        self._gaps = np.uint64(gaps)
        self._t_s, self._candidate = 0.0, 0

    def accesses(self, from_s: float, to_s: float) -> Iterator[Access]:
        """Yield the accesses in [from_s, to_s) in order; documents must be known up to ``to_s``."""
        moments = merge(self._lines(from_s, to_s), self._arrivals(from_s, to_s))
        for t_s, task, line in moments:
            document = self._documents.at(task if self._slotted else 0, t_s)
            if document is not None:
                yield Access(t_s, task, document, self._agent, line)

    def first_accesses(self, from_s: float, to_s: float, seen: Seen | None = None) -> list[Access]:
        """Return the first access with each document in [from_s, to_s), in order."""
        found = []
        for view, begin_s, end_s in self._documents.tenures(from_s, to_s):
            fetched = arrival(view)
            if (
                self._at_use
                and begin_s == view.issued_s
                and (seen is None or seen(fetched.agent, fetched.line))
            ):
                found.append(fetched)
            elif (at := self.first(view.slot, begin_s, end_s, seen)) is not None:
                found.append(Access(at.t_s, at.task, view, self._agent, at.line))
        return sorted(found)

    def first(
        self, slot: int, from_s: float, to_s: float, seen: Seen | None = None
    ) -> Moment | None:
        """Return the first moment in [from_s, to_s) at which a task uses ``slot``."""
        found = (at for at in self._lines(from_s, to_s) if not self._slotted or at.task == slot)
        return next((at for at in found if seen is None or seen(self._agent, at.line)), None)

    def forget_before(self, t_s: float) -> None:
        """Promise not to ask for anything before ``t_s`` again."""
        self._t_s, self._candidate = self._before(t_s)

    def moments(self, from_s: float, to_s: float) -> Iterator[tuple[float, int]]:
        """Yield (instant, task) of the task starts and ends in [from_s, to_s), in order."""
        return ((at.t_s, at.task) for at in self._lines(from_s, to_s))

    def _lines(self, from_s: float, to_s: float) -> Iterator[Moment]:
        if self._law.total_rate_hz <= 0.0 or from_s >= to_s:
            return
        pending: list[Moment] = []
        found = switches(self._seed_key, self._agent, self._law, *self._before(from_s))
        for switch in takewhile(lambda switch: switch.t_s < to_s, found):
            yield from (moment for moment in sorted(pending) if moment.t_s <= switch.t_s)
            pending = [moment for moment in pending if moment.t_s > switch.t_s]
            if switch.t_s >= from_s:
                yield Moment(switch.t_s, switch.task, 2 * switch.candidate)
            end_s = switch.t_s + self._durations_s[switch.task]
            if from_s <= end_s < to_s:
                pending.append(Moment(end_s, switch.task, 2 * switch.candidate + 1))
        yield from sorted(pending)

    def _before(self, from_s: float) -> tuple[float, int]:
        """Return from which candidate on switches may matter to accesses from ``from_s`` on."""
        before_s, rate_hz = from_s - max(self._durations_s), self._law.total_rate_hz
        if before_s <= self._t_s or rate_hz <= 0.0:
            return self._t_s, self._candidate
        self._world.passed_over += (before_s - self._t_s) * rate_hz
        skip = _compiled_skip() if self._world.passed_over > _COMPILING_PAYS else _skip
        return skip(self._gaps, rate_hz, self._t_s, self._candidate, before_s)

    def _arrivals(self, from_s: float, to_s: float) -> Iterator[Moment]:
        if not self._at_use:
            return iter(())
        found = [
            Moment(view.issued_s, slot, arrival(view).line)
            for slot in self._documents.slots()
            for view in self._documents.of(slot)
            if from_s <= view.issued_s < to_s
        ]
        return iter(sorted(found))
