"""The fleet is the reference, event for event and bit for bit, whatever limits a life."""

from math import sqrt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.demand.streams import seed_key
from scenarios.spec.authority import CertificateAuthority, ClockSkew, Federation
from scenarios.spec.fault_kinds import Partition
from scenarios.spec.regime import Regime, Renewal, RenewalRule
from scenarios.spec.schema import Engine, Issuer, Scenario, Start, Workload
from simulator import theory
from simulator.fleet.population import FleetPopulation
from simulator.reference import ReferencePopulation
from tests.histories import first_difference, kinds, roam, same_counters
from tests.scenes import HOUR_S, NIGHT, WORK, make_regime, make_scenario

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
    make_regime("per-request", ttl_s=600.0),
    make_regime("server-directed", ttl_s=900.0),
    make_regime("fraction-polled", ttl_s=1000.0, shared_on_node=True),
    make_regime("fraction", ttl_s=700.0, shared_on_node=True),
    make_regime("never"),
]
IDS = [
    f"{r.renewal.rule.keyword}-{'node' if r.shared_on_node else r.scope.keyword}" for r in REGIMES
]


CLERK = Workload(name="clerk", count=25, agents_per_node=4, tasks=(WORK, NIGHT))
BOT = Workload(name="bot", count=20, agents_per_node=5, ttl_s=2000.0, tasks=(WORK,))
PARTNER = Federation(
    trust_domain="partner.example", workloads=("bot",), bundle_refresh_s=1300.0, ca=CA
)
SCENES: dict[str, dict[str, Any]] = {
    "ca": {"issuer": Issuer(servers=1, service_time_s=2.0, ca=CA)},
    "federated, behind": {
        "workloads": (
            CLERK.model_copy(update={"clock_skew": ClockSkew(share=0.6, offset_s=-800.0)}),
            BOT.model_copy(update={"clock_skew": ClockSkew(share=0.5, offset_s=-30.0)}),
        ),
        "federation": (PARTNER,),
    },
    "ahead": {
        "workloads": (
            CLERK.model_copy(update={"clock_skew": ClockSkew(share=0.6, offset_s=90.0)}),
            BOT,
        ),
    },
}


def scene(regime: Regime, name: str, **changes: Any) -> Scenario:  # noqa: ANN401
    """Return two classes, one with a life of its own, each under what limits its documents."""
    values: dict[str, Any] = {
        "workloads": (CLERK, BOT),
        "issuer": Issuer(servers=1, service_time_s=2.0),
        "faults": (Partition(kind="partition", start_s=0.0, duration_s=1.0, share=0.4),),
    }
    return make_scenario(regime, **(values | SCENES[name] | changes))


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("ages", ["stationary", "synchronised", "cold"])
@pytest.mark.parametrize("regime", REGIMES, ids=IDS)
def test_the_fleet_is_the_reference(regime: Regime, ages: str, name: str) -> None:
    scenario = scene(regime, name, start=Start.model_validate({"ages": ages}))
    reference = ReferencePopulation(scenario, regime, KEY, trace=True)
    fleet = FleetPopulation(scenario, regime, KEY, trace=True)
    expected = roam(reference, scenario.agents, scenario.horizon_s, 80, seed=4)
    found = roam(fleet, scenario.agents, scenario.horizon_s, 80, seed=4)
    assert not first_difference(("reference", "fleet"), (reference.trace(), fleet.trace()))
    assert found == expected
    assert same_counters(fleet.counters(), reference.counters())
    assert len(kinds(reference.trace())) >= (2 if regime.renewal.rule.keyword == "never" else 4)


def bits(
    regime: Regime, name: str, stops: list[float], threads: int, batch: int
) -> tuple[object, ...]:
    scenario = scene(regime, name)
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
    name=st.sampled_from(sorted(SCENES)),
)
def test_threads_batches_and_stops_change_no_bit(
    regime: Regime, name: str, stops: list[float], threads: int, batch: int
) -> None:
    assert bits(regime, name, stops, threads, batch) == bits(regime, name, [], 1, 1 << 16)


@pytest.mark.parametrize("path", ["exact", "poisson"])
def test_either_way_of_counting_finds_what_a_clock_behind_has_refused(path: str) -> None:
    """Failures of all agents against the share of time that ``theory`` says, within 4 s.e.

    A cycle without jitter lasts 1800 + 2000 s, so a run of ten cycles sees every phase alike.
    """
    regime = make_regime(renewal=RenewalRule(rule=Renewal.FRACTION))
    behind_s, cycles, agents = 2000.0, 10, 60
    horizon_s = cycles * (0.5 * HOUR_S + behind_s)
    off = BOT.model_copy(
        update={
            "count": agents,
            "ttl_s": None,
            "clock_skew": ClockSkew(share=1.0, offset_s=-behind_s),
        }
    )
    issuer = Issuer(servers=64, service_time_s=1e-6)
    engine = Engine.model_validate({"switches": path})
    scenario = make_scenario(
        regime, workloads=(off,), issuer=issuer, engine=engine, horizon_s=horizon_s
    )
    population = FleetPopulation(scenario, regime, KEY)
    assert population.switch_path == path
    for stop_s in (0.3 * horizon_s, horizon_s):
        population.advance(stop_s)
        found = population.counters().auth_failures
    share = theory.refused_by_clock(HOUR_S, 0.5 * HOUR_S, behind_s, 10.0)
    expected = share * agents * horizon_s * WORK.rate_hz
    assert abs(found - expected) < 4.0 * sqrt(expected)
