"""Who judges the documents of a trust domain, when they learn of its keys, and whom they refuse.

A domain's own verifiers learn of a key at once, those of another one when they next fetch its
bundle. So they believe a lost key for up to a refresh longer, and refuse what a new key signs if it
was published less than that before it signed.
"""

from math import inf
from typing import Final, NamedTuple

from scenarios.demand.streams import Stream
from scenarios.demand.switches import mean_starts
from scenarios.spec.lifetimes import signed
from scenarios.spec.rules import next_sync
from simulator.control.case import Case
from simulator.control.documents import Documents
from simulator.control.world import World

SAMPLE: Final = 200
"""agents of a domain that are followed, at most, to count what they are refused"""


class Verifiers(NamedTuple):
    """Those who judge documents of one domain and learn of its keys together."""

    share: float = 1.0
    """of the accesses of the domain's agents"""
    refresh_s: float = 0.0
    """between two fetches of its bundle; 0 where every key is known at once"""
    phase_s: float = 0.0
    """instant of some fetch"""

    def know_from_s(self, published_s: float) -> float:
        """Return from when they know what stands in the bundle since an instant."""
        if self.refresh_s <= 0.0:
            return published_s
        return next_sync(published_s, self.phase_s, self.refresh_s)


def verifiers(world: World, domain: str) -> tuple[Verifiers, ...]:
    """Return who judges the documents of a trust domain: ours first.

    Those of a foreign domain are judged by ours alone.
    """
    scenario = world.scenario
    if not signed(world.regime):
        return (Verifiers(),)  # leases and keys stand in no bundle
    for number, foreign in enumerate(scenario.federation, start=1):
        if foreign.trust_domain == domain:
            refresh_s = foreign.bundle_refresh_s or 0.0
            return (Verifiers(1.0, refresh_s, _phase_s(world, number, refresh_s, ours=False)),)
    abroad = []
    for number, foreign in enumerate(scenario.federation, start=1):
        if foreign.our_bundle_refresh_s is not None:
            refresh_s, share = foreign.our_bundle_refresh_s, foreign.our_access_share
            phase_s = _phase_s(world, number, refresh_s, ours=True)
            abroad.append(Verifiers(share, refresh_s, phase_s))
    return (Verifiers(1.0 - sum(each.share for each in abroad)), *abroad)


def _phase_s(world: World, number: int, refresh_s: float, *, ours: bool) -> float:
    stream = Stream.OUR_BUNDLE_PHASE if ours else Stream.BUNDLE_PHASE
    return world.uniform(number, stream, 0) * refresh_s


def judge(world: World, entity: int, n: int, of: tuple[Verifiers, ...]) -> int:
    """Return the number of those who judge a forger's n-th use, each by its share of accesses."""
    if len(of) == 1:
        return 0
    u, reached = world.uniform(entity, Stream.VERIFIER, n), 0.0
    for number, each in enumerate(of):
        reached += each.share
        if u < reached:
            return number
    return 0


def refused_from_s(world: World, case: Case, n: int) -> float:
    """Return when those who judge a forger's n-th use begin to refuse him, sessions included."""
    number = judge(world, case.entity, n, verifiers(world, case.domain))
    from_s = case.refused_from_s[number]
    return from_s + (world.regime.session_overhang_s if case.first_use_s < from_s else 0.0)


class Refusals:
    """Task starts of a domain's agents that verifiers refuse because they lack a key.

    In the mean: the time for which a sample of agents holds such a document, exact for each of
    them, times the rate of its tasks.

    Args:
        world: clock, laws and population.
        members: the domain's agents.
    """

    def __init__(self, world: World, members: list[int]) -> None:
        self._world = world
        n, kept = len(members), min(len(members), SAMPLE)
        self._sample = [members[(2 * i + 1) * n // (2 * kept)] for i in range(kept)]
        self._scale = n / kept if kept else 0.0
        self._spans: list[tuple[float, float, float, float]] = []

    def follow(self) -> None:
        """Take note of what the sample holds from now on: before any span that begins later."""
        for agent in self._sample:
            self._world.documents(self._world.layout.group(agent).start)

    def add(
        self, since_s: float, until_s: float, share: float = 1.0, issued_s: float = -inf
    ) -> None:
        """Have a share of the accesses refused in a span.

        Args:
            since_s: beginning, not before the sample is followed.
            until_s: end.
            share: of accesses.
            issued_s: from when on documents are issued that are refused.
        """
        self._spans.append((since_s, min(until_s, self._world.horizon_s), share, issued_s))

    def starts(self) -> float:
        """Return how many starts were refused until now that would have been granted otherwise."""
        world, total = self._world, 0.0
        for agent in self._sample if self._spans else ():
            documents = world.documents(world.layout.group(agent).start)
            documents.update(world.population)
            total += sum(self._of(agent, documents, *span) for span in self._spans)
        return total * self._scale

    def _of(
        self,
        agent: int,
        documents: Documents,
        since_s: float,
        until_s: float,
        share: float,
        issued_s: float,
    ) -> float:
        world, agent_class, total = self._world, self._world.layout.of(agent), 0.0
        hour = world.scenario.start.hour_of_day
        for slot in range(agent_class.slots):
            own = slot if agent_class.slots > 1 else None
            for begin_s, end_s in self._held(documents, slot, since_s, until_s, issued_s):
                total += mean_starts(
                    agent_class.workload,
                    hour,
                    begin_s,
                    end_s,
                    lambda task, own=own: own is None or task == own,  # type: ignore[misc]
                )
        return total * share

    def _held(
        self, documents: Documents, slot: int, since_s: float, until_s: float, issued_s: float
    ) -> list[tuple[float, float]]:
        """Return when a slot's use is refused: with what was issued from ``issued_s`` on.

        Under renewal at use a start that finds nothing valid fetches it, and is refused with it.
        """
        tenures = [t for t in documents.tenures(since_s, until_s) if t[0].slot == slot]
        if not self._world.regime.renewal.at_use:
            return [(begin, end) for view, begin, end in tenures if view.issued_s >= issued_s]
        found, reached_s = [], since_s
        for view, begin_s, end_s in tenures:
            if view.issued_s < issued_s:
                found.append((reached_s, begin_s))
                reached_s = end_s
        return [(a, b) for a, b in (*found, (reached_s, until_s)) if a < b]
