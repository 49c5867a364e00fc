"""The fleet is the reference, event for event, on the whole catalogue.

200 agents for two hours (fewer and less where tasks switch so often that the reference would take
minutes), under the control plane with hazards raised so that every kind of event happens.
"""

from functools import cache

import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec import resolve
from scenarios.spec.fault_kinds import IssuerOutage
from scenarios.spec.regime import Regime
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Foothold, Leak, Scenario
from simulator.control.run import run
from simulator.fleet.population import FleetPopulation
from simulator.population import EventKind
from simulator.reference import ReferencePopulation
from tests.histories import first_difference, kinds, roam, same_counters

AGENTS, FEWEST, HORIZON_S, SWITCHES = 200, 4, 7200.0, 60_000.0
KEY = seed_key(20)


def mean_rate_hz(scenario: Scenario) -> float:
    """Return the rate of switch candidates of one agent."""
    rates = (w.count * sum(task.rate_hz for task in w.tasks) for w in scenario.workloads)
    return sum(rates) / scenario.agents


@cache
def scene(name: str) -> Scenario:
    """Return a catalogue scenario in small, with thefts by the dozen and two outages."""
    scenario = resolve.load(resolve.catalog()[name]).scenario
    rate_hz = mean_rate_hz(scenario)
    horizon_s = min(HORIZON_S, SWITCHES / rate_hz / FEWEST)
    agents = min(AGENTS, round(SWITCHES / rate_hz / horizon_s))
    scenario = resolve.scale(scenario, agents)
    once_a_run = min(1e6, SECONDS_PER_YEAR / horizon_s)
    threats = scenario.threats.model_copy(
        update={
            "leak": Leak(rate_per_secret_year=0.1 * once_a_run),
            "foothold": Foothold(rate_per_agent_year=0.05 * once_a_run, eviction_mean_s=1e3),
            "injected_thefts": 5,
            "injected_footholds": 5,
        }
    )
    outage = IssuerOutage(
        kind="issuer-outage",
        start_s=0.2 * horizon_s,
        duration_s=0.2 * horizon_s,
        every_s=0.5 * horizon_s,
    )
    changes = {"horizon_s": horizon_s, "threats": threats, "faults": (outage,), "probes": 20}
    return scenario.model_copy(update=changes)


CASES = [
    (name, regime)
    for name in resolve.catalog()
    for regime in resolve.load(resolve.catalog()[name]).scenario.regimes
]
seen: set[EventKind] = set()


@pytest.mark.parametrize(
    ("name", "regime"), CASES, ids=[f"{name}:{regime.name}" for name, regime in CASES]
)
def test_the_fleet_gives_the_reference_s_trace(name: str, regime: Regime) -> None:
    scenario = scene(name)
    reference = ReferencePopulation(scenario, regime, KEY, trace=True)
    fleet = FleetPopulation(scenario, regime, KEY, trace=True)
    expected = run(scenario, regime, KEY, reference)
    found = run(scenario, regime, KEY, fleet)
    trace = reference.trace()
    assert not first_difference(("reference", "fleet"), (trace, fleet.trace()))
    assert found[1:] == expected[1:]
    assert same_counters(fleet.counters(), reference.counters())
    seen.update(kinds(trace))


def test_every_kind_of_event_was_compared() -> None:
    if not seen:
        pytest.skip("runs after the comparisons")
    assert seen == set(EventKind)


@pytest.mark.parametrize("ages", ["stationary", "synchronised"])
@pytest.mark.parametrize("name", resolve.regime_names())
def test_equal_under_random_commands(name: str, ages: str) -> None:
    base = scene("customer-service")
    start = base.start.model_copy(update={"ages": ages})
    scenario = resolve.scale(base.model_copy(update={"start": start}), 40)
    regime = resolve.load_regime(name)
    reference = ReferencePopulation(scenario, regime, KEY, trace=True)
    fleet = FleetPopulation(scenario, regime, KEY, trace=True)
    expected = roam(reference, 40, scenario.horizon_s, 150, seed=4)
    found = roam(fleet, 40, scenario.horizon_s, 150, seed=4)
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert found == expected
    assert same_counters(fleet.counters(), reference.counters())
    assert (fleet.issuances_per_second() == reference.issuances_per_second()).all()
    assert (fleet.refusals_per_second() == reference.refusals_per_second()).all()
