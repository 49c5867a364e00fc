"""What is counted and sampled in one replication: the rows of ``counts`` and ``series``."""

from collections.abc import Generator
from math import ceil, inf
from typing import Final

import numpy as np
import simpy
from numpy.typing import NDArray

from scenarios.demand.streams import Stream
from scenarios.record.tables import Incident
from simulator.control.faults import windows
from simulator.control.people import leaves, orphans
from simulator.control.recovery import at_rest, servers
from simulator.control.threats import Threats
from simulator.control.world import World
from simulator.layout import initial_ages
from simulator.limits import limited
from simulator.population import Counters
from simulator.restarts import FIRST_WAIT_BIN_S, restarts

OF_RESTARTS: Final = frozenset({"lost", "first_credentials", "first_credential_wait_s"})
OF_LIMITS: Final = frozenset({"limited", "limited_wait_s"})
Series = list[tuple[float, str, float]]

_ONLY_WITH: Final = {
    "timeouts": "deadline_s",
    "wasted": "deadline_s",
}
"""counter → key of the issuer without which it says nothing"""


class Measures:
    """Probes and level samples of a running world.

    Args:
        world: clock and population.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._residual_s: list[float] = []
        self._empty_probes = 0
        self._expired: list[tuple[float, int]] = []
        for n in range(world.scenario.probes):
            world.clock.process(self._probe(n))
        world.clock.process(self._levels())

    def _probe(self, n: int) -> Generator[simpy.Event, object, None]:
        """Read what a uniformly chosen agent holds at a uniform instant."""
        world = self._world
        yield world.clock.at(world.uniform(0, Stream.PROBE_TIME, n) * world.horizon_s)
        agents = world.layout.agents
        agent = min(int(world.uniform(0, Stream.PROBE_TARGET, n) * agents), agents - 1)
        held = world.population.read(world.layout.group(agent).start)
        newest = max(held, key=lambda view: view.issued_s, default=None)
        if newest is None:
            self._empty_probes += 1
        else:
            self._residual_s.append(max(0.0, newest.expires_s - world.now_s))

    def _levels(self) -> Generator[simpy.Event, object, None]:
        """Sample how many hold no valid credential, in every fault and until all is at rest."""
        world = self._world
        interval_s = world.scenario.series_interval_s
        step = 0
        spans = [(start_s, end_s) for start_s, end_s, _ in windows(world.scenario)]
        if initial_ages(world.scenario, world.regime) == "cold":
            spans.insert(0, (0.0, 0.0))
        levels = (servers(world.scenario),) * 2
        for start_s, end_s in spans:
            step = max(step, int(start_s // interval_s) + 1)
            while step * interval_s < world.horizon_s:
                yield world.clock.at(step * interval_s)
                expired = world.population.expired_now()
                self._expired.append((step * interval_s, expired))
                step += 1
                if world.now_s >= end_s and expired == 0 and at_rest(world.population, *levels):
                    break

    def counts(self, threats: Threats, replacements: int) -> dict[str, float]:
        """Return the totals of the replication by name; the unit ends the name.

        ``agents``, ``secrets``, ``horizon_s``; every field of ``population.Counters`` that this
        scenario can have, after restarts with ``first_credential_p99_s`` to a tenth of a second;
        ``peak_issuances_per_s`` in the busiest second; probes of the residual validity of the
        newest document that a random agent holds (``probes``, their sum and sum of squares;
        ``empty_probes`` found nothing); ``accesses`` at the start and end of tasks,
        ``attributed_accesses`` of them under a line that names the acting workload;
        ``thefts_in_vain`` of nothing usable; ``replacements`` by response; ``orphans`` by probes
        where agents leave.
        """
        world = self._world
        counters = world.population.counters()
        per_second = world.population.issuances_per_second()
        residual_s = np.array(self._residual_s)
        accesses = 2.0 * (counters.switches - counters.auth_failures)
        left = leaves(world.scenario) and len(residual_s) > 0
        named = world.regime.attribution != "secret"
        return {
            "agents": float(world.layout.agents),
            "secrets": float(world.layout.secrets),
            "horizon_s": world.horizon_s,
            **self._counted(counters),
            **self._first_wait(counters),
            "peak_issuances_per_s": float(per_second.max(initial=0)),
            "probes": float(len(residual_s)),
            "empty_probes": float(self._empty_probes),
            "residual_validity_sum_s": float(residual_s.sum()),
            "residual_validity_sq_s2": float(np.square(residual_s).sum()),
            "accesses": accesses,
            "attributed_accesses": accesses if named else 0.0,
            "thefts_in_vain": float(len(threats.robbed_in_vain)),
            "replacements": float(replacements),
            **({"orphans": orphans(world.scenario, world.regime, residual_s)} if left else {}),
        }

    def _first_wait(self, counters: Counters) -> dict[str, float]:
        """Return the 99th percentile of the time to the first credential, if there was one."""
        if counters.first_credentials == 0:
            return {}
        reached = np.cumsum(self._world.population.first_waits())
        place = int(np.searchsorted(reached, 0.99 * counters.first_credentials))
        return {"first_credential_p99_s": (place + 1) * FIRST_WAIT_BIN_S}

    def _counted(self, counters: Counters) -> dict[str, float]:
        scenario = self._world.scenario
        left_out = frozenset[str]() if restarts(scenario) else OF_RESTARTS
        return {
            name: float(value)
            for name, value in counters._asdict().items()
            if name not in left_out
            and (name not in _ONLY_WITH or getattr(scenario.issuer, _ONLY_WITH[name]) is not None)
            and (name not in OF_LIMITS or limited(scenario))
        }

    def series(self, incidents: list[Incident]) -> Series:
        """Return (start of interval, name, value): ``issued``, ``refusals``, ``open_incidents``.

        ``issued`` and ``refusals`` are totals of the interval (counted by whole seconds, each in
        the interval in which it begins), ``open_incidents`` the level at its end, and
        ``expired_agents`` likewise, from the start of a fault until nobody's is expired and no more
        requests are open than the issuer has servers.
        """
        world = self._world
        interval_s = world.scenario.series_interval_s
        intervals = ceil(world.horizon_s / interval_s)
        starts = np.arange(intervals) * interval_s
        rows: Series = []
        issued = _by_interval(world.population.issuances_per_second(), interval_s, intervals)
        refused = _by_interval(world.population.refusals_per_second(), interval_s, intervals)
        open_ = _open(incidents, np.minimum(starts + interval_s, world.horizon_s))
        for name, values in (("issued", issued), ("refusals", refused), ("open_incidents", open_)):
            rows += [(float(t), name, float(v)) for t, v in zip(starts, values, strict=True)]
        rows += [(t_s - interval_s, "expired_agents", float(n)) for t_s, n in self._expired]
        return rows


def _by_interval(
    per_second: NDArray[np.int32], interval_s: float, intervals: int
) -> NDArray[np.float64]:
    if interval_s == int(interval_s) and len(per_second):
        # no number for each second of a year
        starts = np.arange(0, len(per_second), int(interval_s))
        return np.add.reduceat(per_second, starts, dtype=np.int64)[:intervals].astype(np.float64)
    place = (np.arange(len(per_second)) // interval_s).astype(np.int64)
    totals = np.bincount(place, weights=per_second, minlength=intervals)[:intervals]
    return totals.astype(np.float64)


def _open(incidents: list[Incident], at_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many thefts have begun and not ended at each instant."""
    began = np.sort([theft.stolen_s for theft in incidents])
    ended = np.sort([end_s for theft in incidents if (end_s := access_end_s(theft)) < inf])
    return np.searchsorted(began, at_s, "right") - np.searchsorted(ended, at_s, "right")


def access_end_s(theft: Incident) -> float:
    """Return when a thief's access ended, inf while it is open."""
    if theft.end == "open":
        return inf
    if theft.evicted_s is not None:
        return theft.evicted_s
    if theft.end == "refused":
        return theft.stolen_s
    ends = [end for end in (theft.expires_s, theft.revoked_s) if end is not None]
    return min(ends, default=inf)
