"""A key of an attacker's own in the bundle of a federated domain, and the way back.

Somebody answers in place of the endpoint of a foreign bundle, or from within it, and our verifiers'
next fetch brings his key. From then on he forges for that domain's classes (``forger.py``). If his
key stands there in place of the domain's own, whatever its agents hold is refused meanwhile.
``https_spiffe`` refuses who answers in the endpoint's place, unless a thief has a key of the domain
that our verifiers believe: the two are taken for one.

It ends at the first fetch after the true bundle is served again, because the poisoning was over or
``remove_s`` after somebody decided so, or ``by_hand_s`` after the decision. An endpoint that proves
itself by the bundle fetched before cannot do so any more once its keys are replaced there: then
only a hand helps.

Exact: everything but healthy accesses that are refused, which are counted in the mean. Left out:
poisonings open at t = 0; false alarms about a bundle that changed rightfully; several attackers
who remove each other's keys.
"""

from collections.abc import Generator
from itertools import count
from math import inf
from typing import Final

import simpy

from scenarios.demand.streams import Stream
from scenarios.demand.switches import gap
from scenarios.spec.lifetimes import federation_of, signed
from scenarios.spec.rules import SECONDS_PER_YEAR
from simulator.control.case import BUNDLE, ISSUER_KEY, Case
from simulator.control.forger import Forger
from simulator.control.response import Response
from simulator.control.threats import Threats
from simulator.control.verifiers import Refusals
from simulator.control.world import (
    INJECTED_POISONED_BUNDLE,
    POISONED_BUNDLE,
    World,
    case_entity,
)

Events = Generator[simpy.Event, object, None]
CHANGE: Final = "bundle-change"
"""the detector that looks at bundles"""


class Bundles:
    """The bundle of one federated domain in one world: its poisonings and what they cost.

    Args:
        world: clock, laws and population.
        threats: who keeps every case.
        response: analysts, and what they decide.
    """

    def __init__(self, world: World, threats: Threats, response: Response) -> None:
        self._world, self._threats, self._response = world, threats, response
        self._law = law = world.scenario.threats.bundle
        self._poisoned: list[Case] = []
        self._open: dict[Case, float] = {}
        """case → when its poison was laid, which the true bundle takes out if it comes later"""
        self._removals_s: list[float] = []
        self._refusing_since_s = -inf
        self._resisted = self._missed = 0
        self._refusals = Refusals(world, [])
        federation = {f.trust_domain: f for f in world.scenario.federation}
        if not self.at_stake or not signed(world.regime) or law.trust_domain not in federation:
            return
        self._authenticated = federation[law.trust_domain].bundle_profile == "https_spiffe"
        self._forger = Forger(world, threats, response, law.trust_domain, self._repair)
        self._refusals = Refusals(world, self._forger.members)
        if law.rate_per_year > 0.0:
            world.clock.process(self._hazard(law.rate_per_year / SECONDS_PER_YEAR))
        for n in range(world.scenario.threats.injected_bundle_poisonings):
            u = world.uniform(INJECTED_POISONED_BUNDLE, Stream.THEFT_TIME, n)
            world.clock.process(self._poison(INJECTED_POISONED_BUNDLE, n, u * world.horizon_s))

    @property
    def at_stake(self) -> bool:
        """Whether the scenario has a bundle poisoned at all."""
        poisonings = self._world.scenario.threats.injected_bundle_poisonings
        return self._law.rate_per_year > 0.0 or poisonings > 0

    def counts(self) -> dict[str, float]:
        """Return what became of poisonings and what they cost.

        ``bundles_poisoned`` were fetched, ``bundles_resisted`` were refused by the profile,
        ``bundles_missed`` were over before a fetch; ``poisoned_s`` is the time for which our
        verifiers believed an attacker's key, ``refused_by_poison`` healthy task starts refused.
        """
        horizon_s = self._world.horizon_s
        return {
            "bundles_poisoned": float(len(self._poisoned)),
            "bundles_resisted": float(self._resisted),
            "bundles_missed": float(self._missed),
            "poisoned_s": sum(min(c.eviction_s, horizon_s) - c.stolen_s for c in self._poisoned),
            "refused_by_poison": self._refused(),
        }

    def _refused(self) -> float:
        if self._law.replaces and self._open:
            self._refusals.add(self._refusing_since_s, self._world.horizon_s)
        return self._refusals.starts()

    # -- the poison ------------------------------------------------------------------------------

    def _hazard(self, rate_hz: float) -> Events:
        world, t_s = self._world, 0.0
        for n in count():
            t_s += gap(world.uniform(POISONED_BUNDLE, Stream.THEFT_TIME, n), rate_hz)
            if t_s >= world.horizon_s:
                return
            yield world.clock.at(t_s)
            world.clock.process(self._poison(POISONED_BUNDLE, n, t_s))

    def _poison(self, kind: int, n: int, at_s: float) -> Events:
        """Serve a poisoned bundle from an instant on; its fetch begins the thief's life."""
        world, entity = self._world, case_entity(kind, n)
        yield world.clock.at(at_s)
        mean_s = self._law.lasts_mean_s
        over_s = at_s + (
            inf if mean_s is None else world.exponential(mean_s, entity, Stream.BUNDLE_LASTS)
        )
        fetched_s = self._fetch_s(at_s)
        if fetched_s >= world.horizon_s:
            return
        yield world.clock.at(fetched_s)
        removed = any(at_s <= removal_s <= fetched_s for removal_s in self._removals_s)
        if over_s <= fetched_s or removed:
            self._missed += 1
        elif not self._passes(entity):
            self._resisted += 1
        else:
            yield from self._fetched(entity, kind == INJECTED_POISONED_BUNDLE, at_s, over_s)

    def _passes(self, entity: int) -> bool:
        """Return whether a fetch takes the poisoned bundle for a true one."""
        if not self._authenticated:
            return True
        if self._world.uniform(entity, Stream.BUNDLE_DOOR, 0) < self._law.endpoint_share:
            return True
        now_s = self._world.now_s
        return any(
            case.persona == ISSUER_KEY
            and case.domain == self._law.trust_domain
            and case.inside(now_s)
            for case in self._threats.cases
        )

    def _fetched(self, entity: int, injected: bool, at_s: float, over_s: float) -> Events:
        world = self._world
        case = self._forger.begin(entity, BUNDLE, injected=injected)
        self._poisoned.append(case)
        self._open[case] = at_s
        if self._law.replaces:
            self._refuse()
        world.clock.process(self._noticed(case))
        end_s = inf if self._locked_out else self._fetch_s(over_s)
        if end_s < world.horizon_s:
            yield world.clock.at(end_s)
            self._end(case)

    def _fetch_s(self, at_s: float) -> float:
        """Return the first fetch from an instant on."""
        (ours,) = self._forger.verifiers
        return at_s if at_s == inf else ours.know_from_s(at_s)

    @property
    def _locked_out(self) -> bool:
        """Whether a poisoned bundle keeps the true endpoint from being believed."""
        return self._authenticated and self._law.replaces

    def _refuse(self) -> None:
        """Have our verifiers refuse the domain's agents from now on, unless they do already."""
        world = self._world
        if len(self._open) > 1:
            return
        self._refusing_since_s = world.now_s
        self._refusals.follow()
        for number in self._classes():
            world.refuse(number, world.now_s)

    def _classes(self) -> list[int]:
        scenario = self._world.scenario
        domains = [f.trust_domain for f in scenario.federation]
        foreign = domains.index(str(self._law.trust_domain))
        return [
            number
            for number, workload in enumerate(scenario.workloads)
            if federation_of(scenario, workload) == foreign
        ]

    # -- the way back ----------------------------------------------------------------------------

    def _noticed(self, case: Case) -> Events:
        """Let whoever compares bundles notice the key that nobody announced."""
        world, watch = self._world, self._world.scenario.detection.bundle_change
        if not watch.armed:
            return
        if world.uniform(case.entity, Stream.BUNDLE_CHANGE, 0) >= watch.sensitivity:
            return
        at_s = case.stolen_s + world.rules(case.owner).delivery_s + watch.delay_s
        yield from self._response.alarm(case, CHANGE, case.stolen_s, at_s, None, self._repair)

    def _repair(self, case: Case) -> Events:
        """Have the true bundle served again, or set it by hand, whichever reaches us first."""
        world, plan = self._world, self._world.scenario.response.bundle
        if case not in self._open:
            return
        removed_s = world.now_s + plan.remove_s
        self._removals_s.append(removed_s)
        fetch_s = inf if self._locked_out else self._fetch_s(removed_s)
        by_hand_s = inf if plan.by_hand_s is None else world.now_s + plan.by_hand_s
        end_s = min(fetch_s, by_hand_s)
        if end_s >= world.horizon_s:
            return
        yield world.clock.at(end_s)
        for each, at_s in tuple(self._open.items()):
            if at_s <= removed_s:
                self._end(each, answered=True)

    def _end(self, case: Case, *, answered: bool = False) -> None:
        """End what a poisoned bundle gives to its thief."""
        if case not in self._open:
            return
        world = self._world
        case.eviction_s = world.now_s
        if answered:
            case.revoked_s = world.now_s
        del self._open[case]
        if self._law.replaces and not self._open:
            self._refusals.add(self._refusing_since_s, world.now_s)
            for number in self._classes():
                world.refuse(number, self._refusing_since_s, world.now_s)
