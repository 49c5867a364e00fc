"""The fleet is the reference, event for event, on the whole catalogue.

200 agents for two hours (fewer and less where tasks switch so often that the reference would take
minutes), under the control plane with hazards raised so that every kind of event happens.
"""

from functools import cache

import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec import resolve
from scenarios.spec.fault_kinds import IssuerOutage, Partition
from scenarios.spec.regime import Regime
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import (
    Backoff,
    Datastore,
    Foothold,
    Issuer,
    Leak,
    Quota,
    RateLimit,
    Scenario,
    Start,
    Tenant,
)
from simulator.control.run import run
from simulator.fleet.population import FleetPopulation
from simulator.population import EventKind
from simulator.reference import ReferencePopulation
from tests.histories import first_difference, kinds, roam, same_counters
from tests.scenes import make_regime, make_scenario

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


BUSY = Issuer(servers=2, service_time_s=2.0, backoff=Backoff(base_s=10.0))
NODE = Backoff(base_s=30.0, factor=1.5, cap_s=100.0, jitter=0.1)
ISSUERS = {
    "bound": {"queue_limit": 3},
    "loss": {"queue_limit": 0},
    "deadline": {"deadline_s": 8.0},
    "datastore": {"datastore": Datastore(servers=1, service_time_s=2.0)},
    "syncs": {"agent_sync_s": 20.0, "renew_at_sync": True, "batch_overhead_s": 1.0},
    "jittered-syncs": {"agent_sync_s": 20.0, "agent_sync_jitter": 0.3, "renew_at_sync": True},
    "nodes": {"agent_sync_s": 20.0, "renew_at_sync": True, "sync_backoff": NODE, "queue_limit": 3},
    "batches": {"agent_sync_s": 60.0, "renew_at_sync": True, "batch_limit": 1, "batch_gap_s": 3.0},
    "limit": {"rate_limit": RateLimit(rate_hz=0.05, burst=2, nodes_per_address=3)},
    "all": {
        "queue_limit": 6,
        "deadline_s": 40.0,
        "agent_sync_s": 20.0,
        "agent_sync_jitter": 0.1,
        "renew_at_sync": True,
        "sync_backoff": NODE,
        "batch_overhead_s": 1.0,
        "batch_limit": 2,
        "datastore": Datastore(servers=2, service_time_s=3.0),
        "rate_limit": RateLimit(rate_hz=0.1, burst=3, nodes_per_address=4),
    },
}
RENEWED = {
    "polled": make_regime("fraction-polled", ttl_s=600.0),
    "before-expiry": make_regime("before-expiry", ttl_s=900.0),
    "one-task": make_regime("at-use", ttl_s=100.0, scope="one-task"),
}


QUOTAS = {
    "with an address limit": {"rate_limit": RateLimit(rate_hz=0.02, burst=2, nodes_per_address=3)},
    "alone": {"deadline_s": 40.0},
}


@pytest.mark.parametrize("rule", RENEWED)
@pytest.mark.parametrize("name", QUOTAS)
def test_equal_where_a_tenant_has_a_quota_and_orders_of_its_own(name: str, rule: str) -> None:
    fault = Partition(kind="partition", start_s=1.0, duration_s=1.0, share=0.5)
    scenario = make_scenario(RENEWED[rule], agents=50, horizon_s=4_000.0, faults=(fault,))
    (clerk,) = scenario.workloads
    shop = clerk.model_copy(update={"name": "shop", "count": 30})
    tenants = (
        Tenant(name="bank", workloads=("clerk",)),
        Tenant(name="shop", workloads=("shop",), quota=Quota(rate_hz=0.05, burst=2)),
    )
    changes = {
        "workloads": (clerk, shop),
        "tenants": tenants,
        "issuer": BUSY.model_copy(update=QUOTAS[name]),
    }
    scenario = scenario.model_copy(update=changes)
    reference = ReferencePopulation(scenario, RENEWED[rule], KEY, trace=True)
    fleet = FleetPopulation(scenario, RENEWED[rule], KEY, trace=True)
    expected = roam(reference, 80, 4_000.0, 150, seed=4, tenants=2)
    assert roam(fleet, 80, 4_000.0, 150, seed=4, tenants=2) == expected
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert same_counters(fleet.counters(), reference.counters())
    assert reference.counters().limited > 0
    seen.update(kinds(reference.trace()))


@pytest.mark.parametrize("ages", ["stationary", "cold"])
@pytest.mark.parametrize("rule", RENEWED)
@pytest.mark.parametrize("name", ISSUERS)
def test_equal_whatever_the_issuer_has(name: str, rule: str, ages: str) -> None:
    regime, horizon_s = RENEWED[rule], 4_000.0
    fault = Partition(kind="partition", start_s=1.0, duration_s=1.0, share=0.5)
    scenario = make_scenario(
        regime,
        agents=50,
        horizon_s=horizon_s,
        issuer=BUSY.model_copy(update=ISSUERS[name]),
        start=Start.model_validate({"ages": ages}),
        faults=(fault,),
    )
    reference = ReferencePopulation(scenario, regime, KEY, trace=True)
    fleet = FleetPopulation(scenario, regime, KEY, trace=True)
    expected = roam(reference, 50, horizon_s, 60, seed=4)
    found = roam(fleet, 50, horizon_s, 60, seed=4)
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert found == expected
    assert same_counters(fleet.counters(), reference.counters())
    assert fleet.backlog() == reference.backlog()
    seen.update(kinds(reference.trace()))


def test_every_kind_of_event_was_compared() -> None:
    if not seen:
        pytest.skip("runs after the comparisons")
    assert seen == set(EventKind)
