"""What every process of the control plane shares: clock, population, draws and what became of it.

The population moves only when somebody looks at it. Any sequence of stops gives the same trace, so
bringing it up to the present at a look is the same as stopping it at every control event, and the
events that only concern people and paper (a triage that ends) cost the engine nothing.
"""

from math import inf, log
from typing import Final

import numpy as np

from scenarios.demand.streams import Stream, uniform
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Scenario
from simulator.authority import Lifetimes
from simulator.clock import Clock
from simulator.control.documents import Documents
from simulator.control.policy import Guard, Guards
from simulator.control.tenants import Rules, hazards, rules
from simulator.control.watch import Watch
from simulator.layout import Layout
from simulator.population import Population

LEAK, FOOTHOLD, INJECTED_LEAK, INJECTED_FOOTHOLD, LEAK_AT_START, FOOTHOLD_AT_START = range(1, 7)
"""kinds of theft, each an entity of its own for the draws that decide when and whom"""
RESCHEDULE, FAILOVER, LATE_RELOAD, NEW_EDGE = range(7, 11)
"""kinds of harmless events, likewise"""
AGENT_KEY, INJECTED_AGENT_KEY, AGENT_KEY_AT_START = range(11, 14)
"""kinds of theft of a node agent's key, likewise"""
ISSUER_KEY, INJECTED_ISSUER_KEY = range(30, 32)
"""kinds of theft of the issuer's key, likewise"""
POISONED_BUNDLE, INJECTED_POISONED_BUNDLE = range(32, 34)
"""kinds of poisoning of a federated domain's bundle, likewise"""

ADDRESS_REUSE, SHARED_DOCUMENT, CANARY_SCAN, BATCH_JOB, CHANCE = range(14, 19)
"""further kinds of harmless events"""

_ORDINAL_BITS: Final = 40
_MEMBERS: Final = 1 << 62
"""beyond every other entity"""


class World:
    """One regime in one replication, as the control plane sees it.

    Args:
        scenario: the resolved scenario.
        regime: the regime of all agents.
        seed_key: from ``streams.seed_key``.
        population: at t = 0.
        every_access: feed detectors with every access of an owner, not only with the decisive ones
            (slower, the same alerts; ``feed.py``).
    """

    def __init__(
        self,
        scenario: Scenario,
        regime: Regime,
        seed_key: np.uint64,
        population: Population,
        every_access: bool = False,
    ) -> None:
        self.scenario, self.regime, self.seed_key = scenario, regime, seed_key
        self.horizon_s = scenario.horizon_s
        self.every_access = every_access
        self.layout = Layout(scenario, regime)
        self._rules = rules(scenario)
        self.hazards = hazards(self._rules)
        self.lifetimes = Lifetimes(scenario, regime, seed_key, self.layout)
        self.clock = Clock()
        self._watches = {
            rule.tenant: Watch(scenario, regime, rule.detection) for rule in self._rules
        }
        self.passed_over = 0.0
        """switches of owners that were computed only to get past them"""
        self._population = population
        self.guards = Guards(self)
        self._documents: dict[int, Documents] = {}
        self._refused: dict[int, list[tuple[float, float]]] = {}
        """class → spans in which our verifiers lack the key of its documents"""

    @property
    def now_s(self) -> float:
        """The current time."""
        return float(self.clock.now)

    @property
    def population(self) -> Population:
        """The population, brought up to the present."""
        if self._population.now_s < self.now_s:
            self._population.advance(self.now_s)
        return self._population

    def dismiss(self) -> None:
        """Let go of the population, which nobody reads any more.

        The processes of a finished world refer to each other until Python collects them, much
        later; the memory of a million agents should not wait for that.
        """
        del self._population

    def uniform(self, entity: int, stream: Stream, k: int) -> float:
        """Return one keyed draw, uniform on (0, 1)."""
        return uniform(self.seed_key, entity, stream, k)

    def exponential(self, mean: float, entity: int, stream: Stream, k: int = 0) -> float:
        """Return one keyed draw of the exponential law with this mean."""
        return -log(self.uniform(entity, stream, k)) * mean

    @property
    def watches(self) -> bool:
        """Whether anybody has armed any detector."""
        return any(watch.armed for watch in self._watches.values())

    @property
    def counts_lines(self) -> bool:
        """Whether anybody has armed the detector of changed rates."""
        return any(watch.rate_change is not None for watch in self._watches.values())

    def guard(self, agent: int) -> Guard:
        """Return who decides whether an agent's fleet is on its guard."""
        return self.guards.of(self.layout.index(agent))

    def rules(self, agent: int) -> Rules:
        """Return what an agent's tenant has decided, or the scenario for everybody."""
        return self._rules[self.layout.index(agent)]

    def refuse(self, class_number: int, since_s: float, until_s: float = inf) -> None:
        """Have our verifiers refuse whatever a class holds; its last span ends where it is known.

        Args:
            class_number: place of the class among the scenario's.
            since_s: beginning of the span, one that is open or a new one.
            until_s: its end.
        """
        spans = self._refused.setdefault(class_number, [])
        if spans and spans[-1] == (since_s, inf):
            spans.pop()
        spans.append((since_s, until_s))

    def refuses(self, agent: int, t_s: float) -> bool:
        """Return whether our verifiers lack the key of an agent's documents at ``t_s``."""
        if not self._refused:
            return False
        spans = self._refused.get(self.layout.index(agent), ())
        return any(since_s <= t_s < until_s for since_s, until_s in spans)

    def watch(self, agent: int) -> Watch:
        """Return the detectors that read an agent's log."""
        return self._watches[self.rules(agent).tenant]

    def documents(self, owner: int) -> Documents:
        """Return what is issued to ``owner`` from the first time that anybody asked."""
        if owner not in self._documents:
            self._documents[owner] = Documents(self.population, owner)
        return self._documents[owner]

    def replaced(self, owner: int) -> None:
        """Tell the documents of ``owner``, if anybody follows them, that they end now."""
        if owner in self._documents:
            self._documents[owner].end(self.population, self.now_s)


def case_entity(kind: int, ordinal: int) -> int:
    """Return the entity of one theft's own draws: the same in every regime and engine."""
    return kind << _ORDINAL_BITS | ordinal


def member_entity(kind: int, ordinal: int, number: int) -> int:
    """Return the entity of the ``number``-th further secret that one theft takes, from 1 on."""
    return _MEMBERS | kind << 56 | ordinal << 24 | number
