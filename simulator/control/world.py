"""What every process of the control plane shares: clock, population, draws and what became of it.

The population moves only when somebody looks at it. Any sequence of stops gives the same trace, so
bringing it up to the present at a look is the same as stopping it at every control event, and the
events that only concern people and paper (a triage that ends) cost the engine nothing.
"""

from math import log
from typing import Final, TypeVar

import numpy as np

from scenarios.demand.streams import Stream, uniform
from scenarios.detection.addresses import NewOrigin
from scenarios.detection.canaries import Canary
from scenarios.detection.detector import Detector
from scenarios.detection.rates import RateChange
from scenarios.detection.suite import detectors
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Scenario
from simulator.authority import Lifetimes
from simulator.clock import Clock
from simulator.control.documents import Documents
from simulator.control.policy import Guard
from simulator.control.tenants import Rules, hazards, rules
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

ADDRESS_REUSE, SHARED_DOCUMENT, CANARY_SCAN, BATCH_JOB, CHANCE = range(14, 19)
"""further kinds of harmless events"""

_ORDINAL_BITS: Final = 40
_MEMBERS: Final = 1 << 62
"""beyond every other entity"""
D = TypeVar("D", bound=Detector)


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
        armed = {detector.name: detector for detector in detectors(scenario, regime)}
        self.new_origin = _only(NewOrigin, armed)
        self.rate_change = _only(RateChange, armed)
        self.canary = _only(Canary, armed)
        self.detectors: list[Detector] = list(armed.values())
        """those whose word hangs on what the owner does with its documents; the three above are
        told by ``signals.py`` and ``rates.py`` what they need"""
        self.passed_over = 0.0
        """switches of owners that were computed only to get past them"""
        self._population = population
        self.guard = Guard(self)
        self._documents: dict[int, Documents] = {}

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
        """Whether any detector is armed."""
        apart = (self.new_origin, self.rate_change, self.canary)
        return bool(self.detectors) or any(detector is not None for detector in apart)

    def rules(self, agent: int) -> Rules:
        """Return what an agent's tenant has decided, or the scenario for everybody."""
        return self._rules[self.layout.index(agent)]

    def documents(self, owner: int) -> Documents:
        """Return what is issued to ``owner`` from the first time that anybody asked."""
        if owner not in self._documents:
            self._documents[owner] = Documents(self.population, owner)
        return self._documents[owner]

    def replaced(self, owner: int) -> None:
        """Tell the documents of ``owner``, if anybody follows them, that they end now."""
        if owner in self._documents:
            self._documents[owner].end(self.population, self.now_s)


def _only(kind: type[D], armed: dict[str, Detector]) -> D | None:
    """Take the detector of a kind out of the armed ones."""
    for name, detector in armed.items():
        if isinstance(detector, kind):
            del armed[name]
            return detector
    return None


def case_entity(kind: int, ordinal: int) -> int:
    """Return the entity of one theft's own draws: the same in every regime and engine."""
    return kind << _ORDINAL_BITS | ordinal


def member_entity(kind: int, ordinal: int, number: int) -> int:
    """Return the entity of the ``number``-th further secret that one theft takes, from 1 on."""
    return _MEMBERS | kind << 56 | ordinal << 24 | number
