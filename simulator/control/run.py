"""One regime in one replication: every process of the control plane over one population."""

import numpy as np

from scenarios.record.tables import AlertRow, Incident
from scenarios.spec.defence import Priority
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Scenario
from simulator.control import rows
from simulator.control.authority import Authority
from simulator.control.benign import Benign
from simulator.control.bundles import Bundles
from simulator.control.clean import CleanSample
from simulator.control.faults import Faults
from simulator.control.lateral import reach
from simulator.control.measures import Measures, Series
from simulator.control.people import effort
from simulator.control.recovery import Recovery
from simulator.control.response import Response, waiting
from simulator.control.start import open_thefts
from simulator.control.tenant_sample import TenantSample
from simulator.control.threats import Threats
from simulator.control.world import World
from simulator.population import Population


def run(
    scenario: Scenario,
    regime: Regime,
    seed_key: np.uint64,
    population: Population,
    every_access: bool = False,
) -> tuple[dict[str, float], Series, list[Incident], list[AlertRow]]:
    """Run a population under its control plane to the horizon.

    Args:
        scenario: the resolved scenario.
        regime: the regime of all agents.
        seed_key: from ``streams.seed_key``.
        population: built from the same three, at t = 0.
        every_access: see ``World``.

    Returns:
        Counts by name, series, incidents and alerts; point, replication empty.
    """
    world = World(scenario, regime, seed_key, population, every_access)
    response = Response(world)
    recovery = Recovery(world)
    Faults(world)
    threats = Threats(world, response)
    authority = Authority(world, threats, response)
    bundles = Bundles(world, threats, response)
    measures = Measures(world)
    followed = scenario.benign.per_agent_year > 0.0 or world.counts_lines
    benign = Benign(world, threats, response) if followed else None
    # where every clean identity is followed, a sample of them would count twice
    clean = None if followed else CleanSample(world, threats)
    tenants = TenantSample(world, threats) if scenario.tenants else None
    open_thefts(world, threats)
    world.clock.advance(world.horizon_s)
    incidents = [rows.incident(world, case) for case in threats.cases]
    alerts = rows.alerts(world, response.alerts, threats.cases)
    watched_s, false_alarms = clean.read() if clean is not None else (0.0, [])
    counts = measures.counts(threats, response.replacements)
    if scenario.threats.lateral.max_depth > 0:
        counts |= reach(threats.cases)
    if tenants is not None:
        counts |= tenants.counts()
    if scenario.response.priority != Priority():
        counts |= waiting(response.waits)
    counts |= world.guards.counts()
    if authority.at_stake:
        counts |= authority.counts()
    if bundles.at_stake:
        counts |= bundles.counts()
    if benign is not None:
        watched_s, false_alarms = benign.watched_identity_s, response.false_alarms
        counts["benign_events"] = float(benign.events)
        counts["healthy_replacements"] = float(response.healthy_replacements)
    counts |= recovery.counts()
    counts |= effort(scenario, regime, counts["secrets"], counts["issued"], incidents)
    counts["watched_identity_s"] = watched_s
    alerts = sorted([*alerts, *false_alarms], key=lambda alert: alert.t_s)
    series = measures.series(incidents)
    world.dismiss()
    return counts, series, incidents, alerts
