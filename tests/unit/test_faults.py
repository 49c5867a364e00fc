"""What breaks: faults strike whom they should, when they should."""

import numpy as np
import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec.fault_kinds import IssuerOutage, Partition
from simulator.control.faults import Window, outages, windows
from simulator.layout import Layout
from simulator.population import Command, CommandKind, EventKind, Population
from simulator.simulate import ENGINES, engine_named
from tests.scenes import HOUR_S, make_regime, make_scenario

KEY = seed_key(1)
REGIME = make_regime(ttl_s=600.0)
OUTAGE = IssuerOutage(kind="issuer-outage", start_s=100.0, duration_s=50.0)
PARTITION = Partition(kind="partition", start_s=60.0, duration_s=600.0, share=0.3, every_s=3_000.0)


def cut(engine: str, share: float) -> Population:
    """Return a population of 50 nodes, run for an hour with a share of them cut off."""
    scenario = make_scenario(REGIME, agents=200, faults=(PARTITION,))
    population = engine_named(engine)(scenario, REGIME, KEY, trace=True)
    population.command(Command(CommandKind.CUT_OFF, value=share, fault=0))
    population.advance(HOUR_S)
    return population


def test_windows_of_all_faults_in_order_of_start() -> None:
    scenario = make_scenario(REGIME, faults=(OUTAGE, PARTITION))
    assert windows(scenario) == [
        Window(60.0, 660.0, 1),
        Window(100.0, 150.0, 0),
        Window(3_060.0, 3_660.0, 1),
        Window(6_060.0, 6_660.0, 1),
    ]
    assert outages(scenario) == [(100.0, 150.0)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_partition_cuts_whole_nodes_off(engine: str) -> None:
    trace = cut(engine, share=0.3).trace()
    layout = Layout(make_scenario(REGIME, agents=200), REGIME)
    refused = {int(a) for a in np.unique(trace["agent"][trace["kind"] == EventKind.REFUSED])}
    issued = {int(a) for a in np.unique(trace["agent"][trace["kind"] == EventKind.ISSUED])}
    nodes = {layout.node_number(agent) for agent in refused}
    assert refused == {agent for node in nodes for agent in layout.on_node(node)}
    assert not refused & issued
    assert len(refused | issued) == 200
    assert 5 <= len(nodes) <= 27, "Binomial(50, 0.3) lies outside once in 3,400 seeds"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_partition_of_all_ends(engine: str) -> None:
    population = cut(engine, share=1.0)
    assert population.counters().issued == 0
    assert population.expired_now() == 200
    population.command(Command(CommandKind.RECONNECT, fault=0))
    population.advance(HOUR_S + 200.0)
    assert population.expired_now() == 0, "the longest back-off is 60 s · 1.5"
