"""What the shared issuer does to each tenant: a sample of its agents, followed from the start.

The population counts for everybody; what one tenant does to another shows in the documents that
its agents get, and when. So some agents of each are watched, which costs the engine a line an
issue, and the laws of renewal say when each of their documents fell due.

Exact for those agents: every issue, every second with an expired document, and the delay from the
due instant to the issue, wait, service and back-off together. Not known, and left out: when a
document fell due that was held at the start or whose renewal was ordered (a new issuer key, a
change of lifetimes), and delays under renewal at use, where nobody waits until somebody asks.
"""

from collections.abc import Iterator
from itertools import pairwise
from math import inf
from typing import Final

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream
from scenarios.spec.regime import Renewal, regime_row
from scenarios.spec.schema import Tenant
from simulator.control.documents import Documents
from simulator.control.threats import Threats
from simulator.control.world import World
from simulator.population import CredentialView

SAMPLE: Final = 200
"""agents of each tenant at most"""
PREFIX: Final = "tenant:"


class TenantSample:
    """Agents of every tenant, watched to the horizon.

    Args:
        world: at t = 0.
        threats: whose vain thefts are counted by tenant, too.
    """

    def __init__(self, world: World, threats: Threats) -> None:
        self._world, self._threats = world, threats
        self._agents = {
            tenant.name: self._drawn(place, tenant)
            for place, tenant in enumerate(world.scenario.tenants)
        }
        for agent in (agent for sample in self._agents.values() for agent in sample):
            world.documents(agent)

    def _drawn(self, place: int, tenant: Tenant) -> list[int]:
        """Return agents of a tenant, uniform and without repetition; all if they are few."""
        members = self._holders(tenant)
        if len(members) <= SAMPLE:
            return members
        chosen: dict[int, None] = {}
        n = 0
        while len(chosen) < SAMPLE:
            u = self._world.uniform(place, Stream.TENANT_SAMPLE, n)
            chosen[members[min(int(u * len(members)), len(members) - 1)]] = None
            n += 1
        return sorted(chosen)

    def _holders(self, tenant: Tenant) -> list[int]:
        """Return the agents of a tenant that hold a document of their own, or for their node."""
        return [
            agent
            for c in self._world.layout.classes
            if c.workload.name in tenant.workloads
            for agent in range(c.first, c.first + c.count)
            if self._world.layout.group(agent).start == agent
        ]

    def counts(self) -> dict[str, float]:
        """Return the counts of each tenant, ``tenant:NAME:what``.

        ``agents``; ``holders`` of documents among them; ``sampled`` of those; of these ``issued``,
        ``expired_s``, ``renewals`` by timer whose due instant is known, their ``renewal_delay_s``
        in sum and the longest one, ``renewal_delay_max_s``; ``thefts_in_vain`` of all.
        """
        counts: dict[str, float] = {}
        for tenant in self._world.scenario.tenants:
            of = f"{PREFIX}{tenant.name}:"
            issued, expired_s = 0, 0.0
            delays_s: list[float] = []
            for agent in self._agents[tenant.name]:
                documents = self._world.documents(agent)
                documents.update(self._world.population)
                for slot in documents.slots():
                    views = documents.of(slot)
                    issued += sum(view.issued_s >= 0.0 for view in views if view.serial > 0)
                    expired_s += self._expired_s(documents, views)
                    delays_s += self._delays_s(views)
            robbed = self._threats.robbed_in_vain
            in_vain = sum(self._world.rules(agent).tenant == tenant.name for agent in robbed)
            counts |= {
                f"{of}agents": float(self._size(tenant)),
                f"{of}holders": float(len(self._holders(tenant))),
                f"{of}sampled": float(len(self._agents[tenant.name])),
                f"{of}issued": float(issued),
                f"{of}expired_s": expired_s,
                f"{of}renewals": float(len(delays_s)),
                f"{of}renewal_delay_s": sum(delays_s),
                f"{of}renewal_delay_max_s": max(delays_s, default=0.0),
                f"{of}thefts_in_vain": float(in_vain),
            }
        return counts

    def _size(self, tenant: Tenant) -> int:
        classes = self._world.layout.classes
        return sum(c.count for c in classes if c.workload.name in tenant.workloads)

    def _expired_s(self, documents: Documents, views: list[CredentialView]) -> float:
        """Return for how long a slot held a document that had ended, where that is harm."""
        if self._world.regime.renewal.rule is Renewal.AT_USE:
            return 0.0
        horizon_s = self._world.horizon_s
        successors = [view.issued_s for view in views[1:]] + [horizon_s]
        return sum(
            max(0.0, min(until_s, horizon_s) - max(0.0, documents.valid_until_s(view)))
            for view, until_s in zip(views, successors, strict=True)
        )

    def _delays_s(self, views: list[CredentialView]) -> Iterator[float]:
        """Yield how long after its due instant each document was followed by the next."""
        rule = self._world.regime.renewal.rule
        if rule is Renewal.AT_USE or rule is Renewal.NEVER:
            return
        synchronised = self._world.scenario.start.ages == "synchronised"
        for view, successor in pairwise(views):
            due_s = self._due_s(view)
            if (view.serial > 0 or synchronised) and successor.issued_s >= due_s < inf:
                yield successor.issued_s - due_s

    def _due_s(self, view: CredentialView) -> float:
        world = self._world
        row, k = regime_row(world.regime), SLOTS * view.serial + view.slot
        age_s = row.at(view.expires_s - view.issued_s).renewal_age(
            world.uniform(view.agent, Stream.POLL_PHASE, k),
            world.uniform(view.agent, Stream.RENEWAL, k),
        )
        return view.issued_s + age_s
