"""The issuer's signing key in a thief's hands, and the way back: a new key, the old one distrusted.

What he does with it: ``forger.py``. Response, in SPIRE's order (prepare, activate, taint, revoke):
upon the decision a new key is published in the bundle, ``prepare_s`` later it signs, and with
``reissue_s`` everybody is made to renew; ``overlap_s`` later the verifiers refuse whatever the old
one signed, his documents, everybody's copies and what agents still hold of it. Those agents ask for
a new one then. A foreign issuer's key (``trust_domain``) forges for the agents of its domain only.

Verifiers who fetch the bundle now and then, ours of a foreign key and foreign ones of ours, learn
of either change at their next fetch (``verifiers.py``): so long a thief is believed there still,
and agents that have a document of the new key already are refused.

Exact: everything but the following. An agent that still holds one document of the old key has all
of its documents replaced. In the mean: healthy accesses that are refused. Left out: compromises
that are open at t = 0; copies of the old key's documents that other thieves use abroad.
"""

from collections.abc import Generator
from itertools import count
from math import inf

import simpy

from scenarios.demand.streams import Stream
from scenarios.demand.switches import gap
from scenarios.spec.lifetimes import robbed_domain
from scenarios.spec.regime import Issuance
from scenarios.spec.rules import SECONDS_PER_YEAR
from simulator.control.case import ISSUER_KEY as BY_ISSUER_KEY
from simulator.control.case import Case
from simulator.control.forger import Forger
from simulator.control.response import Response
from simulator.control.threats import Threats
from simulator.control.verifiers import Refusals
from simulator.control.world import INJECTED_ISSUER_KEY, ISSUER_KEY, World, case_entity
from simulator.population import Command, CommandKind

Events = Generator[simpy.Event, object, None]


class Authority:
    """The issuer's key of one world: its thieves, its replacement and what that costs.

    Args:
        world: clock, laws and population.
        threats: whose cases a distrusted key ends, too.
        response: analysts, and what they decide.

    Attributes:
        replacements: keys that were distrusted.
        overtaken: agents that still held a document of the old key then, summed over them.
    """

    def __init__(self, world: World, threats: Threats, response: Response) -> None:
        self._world, self._threats = world, threats
        self._active_since_s = -inf
        self._preparing = False
        self._refusals: Refusals | None = None
        self.replacements = self.overtaken = 0
        law = world.scenario.threats
        if world.regime.issuance is not Issuance.ISSUER or not self.at_stake:
            return  # nobody's key signs what is handed out
        self._forger = Forger(
            world, threats, response, robbed_domain(world.scenario), self._replace
        )
        self._members = self._forger.members
        if not self._members:
            return
        if any(each.refresh_s > 0.0 for each in self._forger.verifiers):
            self._refusals = Refusals(world, self._members)
        if law.issuer.rate_per_year > 0.0:
            world.clock.process(self._hazard(law.issuer.rate_per_year / SECONDS_PER_YEAR))
        for n in range(law.injected_issuer_compromises):
            at_s = world.uniform(INJECTED_ISSUER_KEY, Stream.THEFT_TIME, n) * world.horizon_s
            world.clock.process(self._stolen(INJECTED_ISSUER_KEY, n, at_s))

    @property
    def at_stake(self) -> bool:
        """Whether the scenario has the key of an issuer stolen at all."""
        law = self._world.scenario.threats
        return law.issuer.rate_per_year > 0.0 or law.injected_issuer_compromises > 0

    def counts(self) -> dict[str, float]:
        """Return replacements of the issuer's key, and whom they found unprepared.

        ``refused_new_key`` are task starts that verifiers refused who had not fetched it yet.
        """
        counts = {
            "issuer_replacements": float(self.replacements),
            "overtaken_agents": float(self.overtaken),
        }
        if self._refusals is not None:
            counts["refused_new_key"] = self._refusals.starts()
        return counts

    # -- the theft -------------------------------------------------------------------------------

    def _hazard(self, rate_hz: float) -> Events:
        world, t_s = self._world, 0.0
        for n in count():
            t_s += gap(world.uniform(ISSUER_KEY, Stream.THEFT_TIME, n), rate_hz)
            if t_s >= world.horizon_s:
                return
            yield from self._stolen(ISSUER_KEY, n, t_s)

    def _stolen(self, kind: int, n: int, at_s: float) -> Events:
        yield self._world.clock.at(at_s)
        injected = kind == INJECTED_ISSUER_KEY
        self._forger.begin(case_entity(kind, n), BY_ISSUER_KEY, injected=injected)

    # -- response --------------------------------------------------------------------------------

    def _replace(self, case: Case) -> Events:
        """Bring a new key into force and distrust the old one, unless that is under way already."""
        world, plan = self._world, self._world.scenario.response.new_issuer
        if self._preparing or case.stolen_s < self._active_since_s:
            return
        self._preparing = True
        published_s = world.now_s
        yield world.clock.at(world.now_s + plan.prepare_s)
        self._preparing, self._active_since_s = False, world.now_s
        active_s = world.now_s
        self._refuse_new(published_s, active_s)
        if plan.reissue_s is not None:
            world.population.command(Command(CommandKind.RENEW_ALL, value=plan.reissue_s))
        revoked_s = active_s + plan.overlap_s
        ours, *_ = known_s = tuple(each.know_from_s(revoked_s) for each in self._forger.verifiers)
        yield world.clock.at(ours)
        self._distrust(active_s, known_s)

    def _refuse_new(self, published_s: float, active_s: float) -> None:
        """Have verifiers refuse the new key's documents until they fetched the bundle with it."""
        if self._refusals is None:
            return
        self._refusals.follow()
        for each in self._forger.verifiers:
            known_s = each.know_from_s(published_s)
            if known_s > active_s:
                self._refusals.add(active_s, known_s, each.share, active_s)

    def _distrust(self, active_s: float, known_s: tuple[float, ...]) -> None:
        """Have our verifiers refuse now what was signed before ``active_s``, each other's later."""
        world = self._world
        now_s = world.now_s
        self.replacements += 1
        members = set(self._members)
        for case in self._threats.cases:
            if case.owner in members:
                self._end(case, active_s, known_s)
        for agent in self._members:
            group = world.layout.group(agent)
            held = world.population.read(agent) if group.start == agent else ()
            if any(view.issued_s < active_s and now_s < view.expires_s for view in held):
                self.overtaken += len(group)
                world.population.command(Command(CommandKind.REPLACE, agent))
                world.replaced(agent)

    def _end(self, case: Case, active_s: float, known_s: tuple[float, ...]) -> None:
        """End what a thief holds of the old key; ``known_s`` as ``_distrust`` was told."""
        world, now_s = self._world, self._world.now_s
        if case.forges:
            if (
                case.persona == BY_ISSUER_KEY
                and case.stolen_s < active_s
                and case.revoked_s is None
            ):
                case.revoked_s, case.eviction_s = now_s, max(known_s)
                case.refused_from_s = known_s if len(known_s) > 1 else ()
            return
        document = case.document
        if document is None or case.inside(now_s) or document.issued_s >= active_s:
            return
        if case.copy_access_ends_s(world) > now_s:
            case.denied.setdefault((document.slot, document.serial), now_s)
            if case.revoked_s is None:
                case.revoked_s = now_s
