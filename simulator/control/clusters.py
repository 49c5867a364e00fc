"""Leaks that take several secrets at once: a worm, a repository, a log (model.md §4).

What happens is an event, and an event takes min(K, P) secrets of a pool of P: K is geometric with
mean m on 1, 2 … Events come m(1 − (1 − 1/m)^P) times as rarely as single leaks would, which is the
mean of min(K, P), so that each secret leaks at its hazard, whatever m is.
"""

from collections.abc import Iterator
from itertools import count
from math import floor, log

from scenarios.demand.streams import Stream
from simulator.control.world import World, case_entity, member_entity


class Clusters:
    """Who leaks along with whom.

    Args:
        world: layout, laws and draws.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._leak = world.scenario.threats.leak
        self._stay = 1.0 - 1.0 / self._leak.cluster_mean
        """probability that an event which took k secrets takes another"""

    def per_event(self, owner: int) -> float:
        """Return the mean number of secrets of an event that takes the secret of ``owner``."""
        if self._stay == 0.0:
            return 1.0
        return float(self._leak.cluster_mean * (1.0 - self._stay ** len(self._pool(owner))))

    def taken_at_once(self, kind: int, n: int, owner: int) -> Iterator[tuple[int, int]]:
        """Yield entity and agent of each secret that event ``n`` takes, that of ``owner`` first."""
        size = min(self._geometric(case_entity(kind, n), 0), len(self._pool(owner)))
        return self._members(kind, n, owner, size)

    def still_open(
        self, kind: int, n: int, owner: int, unnoticed: float
    ) -> Iterator[tuple[int, int]]:
        """Yield entity and agent of what is left at t = 0 of an event before it, or nothing.

        ``owner`` is one of those left, and each of them could have stood for the event: of r left
        one candidate in r counts. An event in which some secret was taken is size-biased.

        Args:
            kind: of the candidate.
            n: its number.
            owner: whose theft is open for certain.
            unnoticed: probability that the theft of another one is.
        """
        others = self._biased_size(kind, n, owner) - 1
        entity = case_entity(kind, n)
        uniform = self._world.uniform
        left = 1 + sum(
            uniform(entity, Stream.CLUSTER_UNNOTICED, j) < unnoticed for j in range(1, others + 1)
        )
        if left > 1 and uniform(entity, Stream.CLUSTER_UNNOTICED, 0) * left >= 1.0:
            return iter(())
        return self._members(kind, n, owner, left)

    def _biased_size(self, kind: int, n: int, owner: int) -> int:
        """Return the size of an event seen from one of its secrets: P(k) ∝ k·P(min(K, P) = k).

        The sum of two geometrics less one has the density k·P(K = k)/m; what lies beyond the pool
        is taken for the whole pool with probability P/(P − 1 + m), else drawn again.
        """
        if self._stay == 0.0:
            return 1
        entity, pool = case_entity(kind, n), len(self._pool(owner))
        for k in count():
            size = self._geometric(entity, 3 * k) + self._geometric(entity, 3 * k + 1) - 1
            if size < pool:
                return size
            u = self._world.uniform(entity, Stream.CLUSTER_SIZE, 3 * k + 2)
            if u * (pool - 1 + self._leak.cluster_mean) < pool:
                return pool
        raise AssertionError("draws have no end")

    def _geometric(self, entity: int, k: int) -> int:
        if self._stay == 0.0:
            return 1
        u = self._world.uniform(entity, Stream.CLUSTER_SIZE, k)
        return 1 + floor(log(u) / log(self._stay))

    def _members(self, kind: int, n: int, owner: int, size: int) -> Iterator[tuple[int, int]]:
        """Yield ``owner`` and size − 1 others of its pool, each set as likely (Floyd 1987)."""
        yield case_entity(kind, n), owner
        pool = self._pool(owner)
        own, rest = pool.index(owner), len(pool) - 1
        chosen: set[int] = set()
        for number, last in enumerate(range(rest - size + 1, rest), start=1):
            u = self._world.uniform(case_entity(kind, n), Stream.CLUSTER_MEMBER, number)
            place = min(int(u * (last + 1)), last)
            place = last if place in chosen else place
            chosen.add(place)
            yield member_entity(kind, n, number), pool[place + (place >= own)]

    def _pool(self, owner: int) -> range:
        """Return the secrets, by the agents that stand for them, that may leak with ``owner``'s."""
        layout = self._world.layout
        of = layout.of(owner)
        agents = range(of.first, of.first + of.count)
        if self._leak.cluster_among == "node":
            agents = layout.on_node(layout.node_number(owner))
        first = of.first - (of.first - agents.start) // of.shared_by * of.shared_by
        return range(first, agents.stop, of.shared_by)
