"""The fleet is the reference, event for event and bit for bit, whatever limits a life."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.demand.streams import seed_key
from scenarios.spec.authority import CertificateAuthority
from scenarios.spec.fault_kinds import Partition
from scenarios.spec.regime import Regime, Renewal, RenewalRule
from scenarios.spec.schema import Issuer, Scenario, Start, Workload
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.histories import first_difference, kinds, roam, same_counters
from tests.scenes import NIGHT, WORK, make_regime, make_scenario

KEY = seed_key(31)
CA = CertificateAuthority(ttl_s=1800.0)
"""leaves under it live 300 to 1200 s"""
REGIMES = [
    make_regime("fraction", ttl_s=1000.0),
    make_regime("fraction-polled", ttl_s=1000.0),
    make_regime(
        "before-expiry",
        ttl_s=900.0,
        renewal=RenewalRule(rule=Renewal.BEFORE_EXPIRY, before_expiry_s=200.0),
    ),
    make_regime("at-use", ttl_s=600.0),
    make_regime("at-use", ttl_s=600.0, scope="one-task"),
    make_regime("never"),
]
IDS = [f"{r.renewal.rule.keyword}-{r.scope.keyword}" for r in REGIMES]


def scene(regime: Regime, **changes: Any) -> Scenario:  # noqa: ANN401
    """Return two classes, one with a life of its own, under a CA that shortens most lives."""
    workloads = (
        Workload(name="clerk", count=25, agents_per_node=4, tasks=(WORK, NIGHT)),
        Workload(name="bot", count=20, agents_per_node=5, ttl_s=2000.0, tasks=(WORK,)),
    )
    issuer = Issuer(servers=1, service_time_s=2.0, ca=CA)
    faults = (Partition(kind="partition", start_s=0.0, duration_s=1.0, share=0.4),)
    values = {"workloads": workloads, "issuer": issuer, "faults": faults} | changes
    return make_scenario(regime, **values)


@pytest.mark.parametrize("ages", ["stationary", "synchronised"])
@pytest.mark.parametrize("regime", REGIMES, ids=IDS)
def test_the_fleet_is_the_reference(regime: Regime, ages: str) -> None:
    scenario = scene(regime, start=Start.model_validate({"ages": ages}))
    populations = [
        P(scenario, regime, KEY, trace=True) for P in (ReferencePopulation, FleetPopulation)
    ]
    one, other = (roam(p, scenario.agents, scenario.horizon_s, 80, seed=4) for p in populations)
    reference, fleet = populations
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert other == one
    assert same_counters(fleet.counters(), reference.counters())
    assert len(kinds(reference.trace())) >= (2 if regime.renewal.rule.keyword == "never" else 4)


def bits(regime: Regime, stops: list[float], threads: int, batch: int) -> tuple[object, ...]:
    scenario = scene(regime)
    population = FleetPopulation(scenario, regime, KEY, threads=threads, batch=batch)
    for stop_s in sorted(stops):
        population.advance(stop_s)
        population.read(3)
    population.advance(3000.0)
    held = [population.read(agent) for agent in range(scenario.agents)]
    return held, population.counters(), population.expired_now()


@pytest.mark.parametrize("regime", REGIMES, ids=IDS)
@settings(max_examples=4, deadline=None)
@given(
    stops=st.lists(st.floats(0.0, 3000.0, allow_nan=False), max_size=8),
    threads=st.integers(1, 3),
    batch=st.sampled_from([1, 3, 64, 1 << 16]),
)
def test_threads_batches_and_stops_change_no_bit(
    regime: Regime, stops: list[float], threads: int, batch: int
) -> None:
    assert bits(regime, stops, threads, batch) == bits(regime, [], 1, 1 << 16)
