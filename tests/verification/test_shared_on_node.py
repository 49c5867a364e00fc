"""One document for a node: what thieves, detectors and answers make of it in both populations."""

import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Revocation, RevocationRule
from scenarios.spec.schema import Benign, Foothold, Leak, NodeAgent, Scenario, Threats
from simulator.control.run import run
from simulator.fleet.population import FleetPopulation
from simulator.population import Command, CommandKind
from simulator.reference import ReferencePopulation
from tests.histories import first_difference
from tests.scenes import make_regime, make_scenario

KEY = seed_key(9)
REGIME = make_regime(
    "fraction-polled",
    ttl_s=900.0,
    shared_on_node=True,
    revocation=RevocationRule(method=Revocation.DENY_LIST, delay_s=5.0),
)


def scene(**changes: object) -> Scenario:
    threats = Threats(
        leak=Leak(rate_per_secret_year=9_000.0),
        foothold=Foothold(rate_per_agent_year=4_000.0, eviction_mean_s=900.0),
        node_agent=NodeAgent(rate_per_node_year=4_000.0, ban_mean_s=900.0),
        injected_thefts=10,
        injected_footholds=3,
    )
    benign = Benign(reschedules_per_agent_year=4e3, late_reloads_per_agent_year=9e3)
    return make_scenario(REGIME, agents=42, threats=threats, benign=benign, probes=30, **changes)


def test_both_populations_and_every_access_give_one_record() -> None:
    scenario = scene()
    reference = ReferencePopulation(scenario, REGIME, KEY, trace=True)
    fleet = FleetPopulation(scenario, REGIME, KEY, trace=True)
    expected = run(scenario, REGIME, KEY, reference)
    found = run(scenario, REGIME, KEY, fleet)
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert found[1:] == expected[1:]
    population = ReferencePopulation(scenario, REGIME, KEY)
    assert run(scenario, REGIME, KEY, population, every_access=True)[1:] == expected[1:]
    assert {alert.detector for alert in expected[3]} >= {"superseded-serial", "two-origins"}


def test_a_node_holds_and_renews_one_document() -> None:
    scenario = scene()
    population = FleetPopulation(scenario, REGIME, KEY)
    population.advance(1_000.0)
    for first in range(0, 42, 4):
        held = {population.read(agent) for agent in range(first, min(first + 4, 42))}
        assert len(held) == 1
    own = REGIME.model_copy(update={"shared_on_node": False})
    alone = FleetPopulation(make_scenario(own, agents=42), own, KEY)
    alone.advance(7_200.0)
    population.advance(7_200.0)
    assert alone.counters().issued / population.counters().issued == pytest.approx(42 / 11, rel=0.1)
    assert alone.counters().switches == population.counters().switches


def test_what_expires_concerns_everybody_on_the_node() -> None:
    own = REGIME.model_copy(update={"shared_on_node": False})
    seconds = []
    for regime in (REGIME, own):
        scenario = make_scenario(regime, agents=400)
        population = FleetPopulation(scenario, regime, KEY)
        population.advance(1_800.0)
        population.command(Command(CommandKind.ISSUER_DOWN))
        population.advance(1_800.0 + 900.0)
        assert population.expired_now() == 400
        seconds.append(population.counters().expired_agent_s)
    # T − W each, W uniform on (T/2, T): s.d./mean is 0.58, of 100 nodes' mean 0.058; 4 s.e. of both
    assert seconds[0] == pytest.approx(seconds[1], rel=0.26)
