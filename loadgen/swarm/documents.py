"""The workloads' documents that one agent holds: which are due, which are still good.

Of a document an agent keeps when it ends, and, once there is more than one authority, which of
them signed it. Documents of a tainted authority are due at once (SPIRE pkg/agent/manager/sync.go);
those of a revoked one are good for nothing.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING

from scenarios.demand.streams import Stream, uniform
from scenarios.spec.rules import due_at_poll

if TYPE_CHECKING:
    from loadgen.swarm.swarm import Swarm


class Documents:
    """What one agent holds for its workloads.

    Args:
        swarm: the world it lives in.
        number: of the agent.
        draw: returns a fresh uniform number of a stream.
    """

    __slots__ = ("_draw", "_ends_s", "_lifetime_s", "_number", "_signers", "_soonest_s", "_swarm")

    def __init__(self, swarm: "Swarm", number: int, draw: Callable[[Stream], float]) -> None:
        self._swarm, self._number, self._draw = swarm, number, draw
        self._ends_s: dict[str, float] = {}
        self._lifetime_s = inf
        self._soonest_s = inf
        self._signers: dict[str, int] | None = None

    def take(self, entry: str, expires_at: float, leaf: bytes, wall_s: float) -> None:
        """Hold a new document in the place of the old one."""
        swarm = self._swarm
        first = entry not in self._ends_s
        if not first:
            swarm.expired_identity_s += max(0.0, wall_s - self._end_s(entry))
        swarm.signed += 1
        self._lifetime_s = expires_at - wall_s + swarm.plan.backdate_s
        aged_s = self._pretended_age_s() if first and swarm.plan.stationary else 0.0
        self._ends_s[entry] = expires_at - aged_s
        if swarm.authority.several:
            if self._signers is None:
                self._signers = {}
            self._signers[entry] = swarm.authority.signer_of(leaf)

    def taken(self) -> None:
        """Note that an answer has been taken whole."""
        self._soonest_s = min(self._ends_s.values(), default=inf)

    def clear(self) -> None:
        """Lose everything."""
        self._ends_s.clear()
        self._signers = None
        self._soonest_s = inf

    def due(self, wanted: Sequence[str], wall_s: float) -> list[str]:
        """Return which of the wanted ones are missing or due."""
        plan, tainted = self._swarm.plan, self._swarm.authority.tainted
        horizon_s = (1.0 - plan.fraction) * (1.0 + plan.renew_jitter) * self._lifetime_s
        if (
            not tainted
            and len(self._ends_s) == len(wanted)
            and self._soonest_s - wall_s > horizon_s
        ):
            return []  # nothing can be due yet: what most polls find
        return [entry for entry in wanted if self._is_due(entry, wall_s)]

    def _is_due(self, entry: str, wall_s: float) -> bool:
        ends_s = self._ends_s.get(entry)
        if ends_s is None or self._signer(entry) in self._swarm.authority.tainted:
            return True
        return self.at_threshold(ends_s - wall_s, self._lifetime_s)

    def at_threshold(self, left_s: float, lifetime_s: float) -> bool:
        """Return whether a poll renews a document with ``left_s`` of its life left."""
        plan = self._swarm.plan
        # the draw costs more than the comparison that most polls end with
        if left_s > (1.0 - plan.fraction) * (1.0 + plan.renew_jitter) * lifetime_s:
            return False
        u = self._draw(Stream.RENEWAL)
        return due_at_poll(left_s, lifetime_s, plan.fraction, plan.renew_jitter, u)

    def counts(self, wall_s: float) -> tuple[int, int]:
        """Return how many are good now, and how many have ended without a successor."""
        if self._soonest_s > wall_s and not self._swarm.authority.revoked:
            return len(self._ends_s), 0
        good = sum(self._end_s(entry) > wall_s for entry in self._ends_s)
        return good, len(self._ends_s) - good

    def ended_for_s(self, wall_s: float) -> float:
        """Return the seconds since their ends of those that have ended, summed."""
        return sum(max(0.0, wall_s - self._end_s(entry)) for entry in self._ends_s)

    def _end_s(self, entry: str) -> float:
        """Return when a document ends: at its expiry or with its authority."""
        authority = self._swarm.authority
        if self._signer(entry) in authority.revoked:
            return min(self._ends_s[entry], authority.revoked[self._signer(entry)])
        return self._ends_s[entry]

    def _signer(self, entry: str) -> int:
        return 0 if self._signers is None else self._signers.get(entry, 0)

    def _pretended_age_s(self) -> float:
        """Return a part of the renewal interval, the same for all documents of one call."""
        plan = self._swarm.plan
        interval_s = max(0.0, plan.fraction * self._lifetime_s - plan.backdate_s)
        u = uniform(self._swarm.seed_key, self._number, Stream.INITIAL_AGE, 0)
        return u * interval_s
