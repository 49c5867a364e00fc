"""The fleet is the reference, event for event, with everything on that agents can do."""

import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec.fault_kinds import Partition
from scenarios.spec.regime import Issuance, Regime, Renewal, RenewalRule
from scenarios.spec.schema import Backoff, Datastore, Issuer, RateLimit, Scenario, Start, Workload
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.histories import first_difference, roam, same_counters
from tests.scenes import NIGHT, WORK, make_regime

KEY = seed_key(21)
HORIZON_S = 6000.0
PROFILE = tuple(0.3 if hour % 2 else 0.8 for hour in range(24))
REGIMES = [
    make_regime("fraction", ttl_s=600.0),
    make_regime("fraction-polled", ttl_s=900.0),
    make_regime("before-expiry", ttl_s=900.0),
    make_regime("at-use", ttl_s=300.0),
    make_regime("at-use", ttl_s=300.0, scope="one-task"),
    make_regime("never"),
    make_regime(
        "availability-target",
        ttl_s=900.0,
        renewal=RenewalRule(
            rule=Renewal.AVAILABILITY_TARGET,
            jitter=0.1,
            target_s=500.0,
            target_jitter_s=30.0,
            grace_s=200.0,
        ),
    ),
    make_regime("server-directed", ttl_s=900.0),
    make_regime("per-request", ttl_s=300.0),
    make_regime("per-request", ttl_s=20.0, scope="one-task"),
]
IDS = [f"{r.renewal.rule.keyword}-{r.scope.keyword}" for r in REGIMES]


BUSY = Issuer(
    servers=1,
    service_time_s=2.0,
    datastore=Datastore(service_time_s=1.0),
    queue_limit=5,
    deadline_s=20.0,
    rate_limit=RateLimit(rate_hz=0.1, burst=2, nodes_per_address=5),
    backoff=Backoff(base_s=5.0, cap_s=40.0),
    entry_reload_s=20.0,
    agent_sync_s=10.0,
)
NODES = BUSY.model_copy(
    update={
        "renew_at_sync": True,
        "agent_sync_jitter": 0.2,
        "sync_backoff": Backoff(base_s=15.0, factor=1.5, cap_s=100.0, jitter=0.1),
        "batch_overhead_s": 1.0,
        "batch_limit": 2,
        "batch_gap_s": 2.0,
        "rate_limit": None,
    }
)


def scene(regime: Regime, ages: str) -> Scenario:
    """Return a weekday evening: two classes, one with a profile, a narrow issuer."""
    return Scenario(
        name="test",
        title="",
        question="",
        expected="",
        source="",
        horizon_s=HORIZON_S,
        regimes=(regime,),
        workloads=(
            Workload(
                name="clerk",
                count=25,
                agents_per_node=4,
                tasks=(WORK, NIGHT),
                diurnal=PROFILE,
                restarts_per_agent_day=100.0,
            ),
            Workload(
                name="bot",
                count=15,
                agents_per_node=4,
                tasks=(WORK,),
                diurnal=PROFILE,
                restarts_per_agent_day=400.0,
            ),
            Workload(name="cron", count=10, tasks=(WORK,)),
        ),
        start=Start(ages=ages, hour_of_day=19.2),  # type: ignore[arg-type]
        faults=(Partition(kind="partition", start_s=0.0, duration_s=1.0, share=0.4),),
        issuer=Issuer(
            servers=1,
            service_time_s=2.0,
            backoff=Backoff(base_s=5.0, cap_s=40.0),
            entry_reload_s=20.0,
            agent_sync_s=10.0,
        ),
    )


@pytest.mark.parametrize("ages", ["stationary", "synchronised", "busy", "nodes"])
@pytest.mark.parametrize("regime", REGIMES, ids=IDS)
def test_equal_under_random_commands(regime: Regime, ages: str) -> None:
    busy = {"busy": BUSY, "nodes": NODES}
    scenario = scene(regime, "cold" if ages in busy else ages)
    scenario = scenario.model_copy(update={"issuer": busy.get(ages, scenario.issuer)})
    reference = ReferencePopulation(scenario, regime, KEY, trace=True)
    fleet = FleetPopulation(scenario, regime, KEY, trace=True)
    expected = roam(reference, scenario.agents, HORIZON_S, 150, seed=4)
    found = roam(fleet, scenario.agents, HORIZON_S, 150, seed=4)
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert found == expected
    counters = reference.counters()
    assert same_counters(fleet.counters(), counters)
    by_hand = regime.issuance is Issuance.MANUAL
    assert (counters.lost == 0) is by_hand
    assert (counters.first_credentials == 0) is by_hand
