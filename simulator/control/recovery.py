"""What a fault costs, and whether the fleet recovers from it by itself.

A fleet has recovered when nobody stands without a valid credential, no more requests are under way
than before the fault (back-off included), and the issuer has no more unfinished work than before;
or no more than it has servers. After a cold start, before which there was nothing, the first of the
three is enough. It is looked at every ``series_interval_s`` from the fault's end on,
so a recovery time is too long by less than that. A window is watched until recovery, the same
fault's next strike or the end of the run; one that has not ended when the run does is left out.
"""

from collections import defaultdict
from collections.abc import Generator
from math import inf
from typing import Final

import simpy

from scenarios.spec.schema import Scenario
from simulator.control.faults import Window, windows
from simulator.control.world import World
from simulator.layout import initial_ages
from simulator.population import Population

COLD: Final = -1
"""number of the fault that a cold start counts as"""


def servers(scenario: Scenario) -> int:
    """Return the servers of all stages of the issuer."""
    store = scenario.issuer.datastore
    return scenario.issuer.servers + (0 if store is None else store.servers)


def at_rest(population: Population, backlog: float, in_flight: float) -> bool:
    """Return whether nobody lacks a credential and no more is open than these levels."""
    return (
        population.expired_now() == 0
        and population.backlog() <= backlog
        and population.in_flight() <= in_flight
    )


class Recovery:
    """Watches every fault of a world.

    Create it before ``Faults``: what stands before a fault is looked at before it strikes.

    Args:
        world: clock and population.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._counts: defaultdict[str, float] = defaultdict(float)
        self._servers = servers(world.scenario)
        if initial_ages(world.scenario, world.regime) == "cold":
            world.clock.process(self._watch(Window(0.0, 0.0, COLD)))
        for window in windows(world.scenario):
            if window.end_s < world.horizon_s:
                world.clock.process(self._watch(window))

    def counts(self) -> dict[str, float]:
        """Return sums over the windows of each fault by name: ``fault_N_…`` for number N.

        A cold start counts as a fault that ends at t = 0, ``cold_start_…``.

        ``windows``; of them ``recovered``, after ``recovery_s`` from their end; ``peak_backlog`` of
        the issuer's unfinished requests; and, from the strike to recovery or to the end of the
        watch, ``requests``, ``issued``, ``auth_failures`` and ``expired_agent_s``.
        """
        return dict(self._counts)

    def _watch(self, window: Window) -> Generator[simpy.Event, object, None]:
        world, interval_s = self._world, self._world.scenario.series_interval_s
        yield world.clock.at(window.start_s)
        before, levels = world.population.counters(), self._levels(window)
        until_s = self._until_s(window)
        at_s, step, peak, recovered = window.start_s, 0, 0, False
        while not recovered and at_s < until_s:
            yield world.clock.at(at_s)
            peak = max(peak, world.population.backlog())
            recovered = at_s >= window.end_s and at_rest(world.population, *levels)
            step += 1
            from_s = window.start_s if at_s < window.end_s else window.end_s
            at_s = from_s + step * interval_s
            if from_s < window.end_s <= at_s:
                at_s, step = window.end_s, 0
        after = world.population.counters()
        self._add(window, "windows", 1.0)
        self._add(window, "recovered", float(recovered))
        self._add(window, "recovery_s", world.now_s - window.end_s if recovered else 0.0)
        self._add(window, "peak_backlog", float(peak))
        for name in ("requests", "issued", "auth_failures", "expired_agent_s"):
            self._add(window, name, float(getattr(after, name) - getattr(before, name)))

    def _levels(self, window: Window) -> tuple[float, float]:
        """Return the unfinished and the open requests that count as rest."""
        if window.number == COLD:
            return inf, inf
        population = self._world.population
        return (
            max(population.backlog(), self._servers),
            max(population.in_flight(), self._servers),
        )

    def _until_s(self, window: Window) -> float:
        """Return when a window is watched no more: at the same fault's next strike, if any."""
        horizon_s, faults = self._world.horizon_s, self._world.scenario.faults
        every_s = None if window.number == COLD else faults[window.number].every_s
        return horizon_s if every_s is None else min(horizon_s, window.start_s + every_s)

    def _add(self, window: Window, name: str, value: float) -> None:
        what = "cold_start" if window.number == COLD else f"fault_{window.number}"
        self._counts[f"{what}_{name}"] += value
