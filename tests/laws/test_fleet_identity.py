"""Threads, batches and stops change no bit of what the fleet gives."""

from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.demand.streams import seed_key
from scenarios.errors import UsageError
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Backoff, Datastore, Engine, Issuer, RateLimit, Start
from simulator.fleet import population as fleet
from simulator.fleet.population import FleetPopulation
from simulator.population import Command, CommandKind
from tests.scenes import WORK, make_regime, make_scenario

END_S = 3000.0
COMMANDS = {
    700.0: Command(CommandKind.ISSUER_DOWN),
    900.0: Command(CommandKind.REPLACE, 5),
    1600.0: Command(CommandKind.ISSUER_UP),
    1700.0: Command(CommandKind.REPLACE, 3),
    1000.0: Command(CommandKind.SET_TTL, value=0.5),
    2100.0: Command(CommandKind.RENEW_ALL, value=100.0),
}
REGIMES = [
    make_regime("fraction", ttl_s=600.0),
    make_regime("fraction-polled", ttl_s=600.0),
    make_regime("before-expiry", ttl_s=900.0),
    make_regime("at-use", ttl_s=300.0),
    make_regime("at-use", ttl_s=300.0, scope="one-task"),
    make_regime("never"),
    make_regime("per-request", ttl_s=20.0),
]
IDS = [f"{r.renewal.rule.keyword}-{r.scope.keyword}" for r in REGIMES]

BUSY = Issuer(
    servers=2,
    service_time_s=2.0,
    datastore=Datastore(servers=2, service_time_s=2.0),
    queue_limit=20,
    deadline_s=30.0,
    agent_sync_s=20.0,
    renew_at_sync=True,
    batch_overhead_s=0.5,
    rate_limit=RateLimit(rate_hz=0.1, burst=2, nodes_per_address=5),
    backoff=Backoff(base_s=10.0),
)
"""all that an issuer may have, and some of it overloaded"""
NODES = BUSY.model_copy(
    update={
        "agent_sync_jitter": 0.1,
        "sync_backoff": Backoff(base_s=30.0, factor=1.5, cap_s=200.0, jitter=0.1),
        "batch_limit": 2,
    }
)
"""and the nodes' agents back off"""


RESTARTS = {2300.0: Command(CommandKind.MASS_RESTART, value=0.4, fault=0, over_s=60.0)}


def record(
    regime: Regime,
    stops: list[float],
    threads: int,
    batch: int,
    plain: bool,
    issuer: Issuer | None = None,
    restarts_per_agent_day: float = 0.0,
) -> tuple[object, ...]:
    """Return everything that can be known of a run; ``plain`` takes the path of one task."""
    changes: dict[str, Any] = {"tasks": (WORK,)} if plain else {}
    if issuer is not None:
        changes |= {"issuer": issuer, "start": Start(ages="cold")}
    scenario = make_scenario(regime, agents=300, **changes)
    commands = COMMANDS
    if restarts_per_agent_day:
        commands = COMMANDS | RESTARTS
        (workload,) = scenario.workloads
        churning = workload.model_copy(update={"restarts_per_agent_day": restarts_per_agent_day})
        scenario = scenario.model_copy(update={"workloads": (churning,)})
    population = FleetPopulation(scenario, regime, seed_key(7), threads=threads, batch=batch)
    looks: list[object] = []
    for stop_s in sorted({*stops, *commands, END_S}):
        population.advance(stop_s)
        if stop_s in commands:
            population.command(commands[stop_s])
            looks.append(population.read(5))
    looks += [(population.read(a), population.current_task(a)) for a in range(0, 300, 7)]
    return (
        looks,
        population.counters(),
        population.expired_now(),
        population.first_waits().tolist(),
        population.backlog(),
        population.issuances_per_second().tolist(),
        population.refusals_per_second().tolist(),
    )


@pytest.mark.parametrize("plain", [True, False], ids=["one-task", "two-tasks"])
@pytest.mark.parametrize("regime", REGIMES, ids=IDS)
@settings(max_examples=6, deadline=None)
@given(
    stops=st.lists(st.floats(0.0, END_S, allow_nan=False), max_size=12),
    threads=st.integers(1, 4),
    batch=st.sampled_from([1, 2, 3, 64, 1000, 1 << 16]),
)
def test_same_bits(
    regime: Regime, stops: list[float], threads: int, batch: int, plain: bool
) -> None:
    assert record(regime, stops, threads, batch, plain) == record(regime, [], 1, 1 << 16, plain)


@pytest.mark.parametrize("regime", REGIMES, ids=IDS)
@settings(max_examples=3, deadline=None)
@given(
    stops=st.lists(st.floats(0.0, END_S, allow_nan=False), max_size=12),
    threads=st.integers(1, 4),
    batch=st.sampled_from([1, 64, 1 << 13]),
)
def test_same_bits_where_agents_restart(
    regime: Regime, stops: list[float], threads: int, batch: int
) -> None:
    for issuer in (None, BUSY, NODES):
        alone = record(regime, [], 1, 1 << 16, False, issuer, 200.0)
        assert record(regime, stops, threads, batch, False, issuer, 200.0) == alone


@pytest.mark.parametrize("issuer", [BUSY, NODES], ids=["busy", "nodes"])
@pytest.mark.parametrize("regime", REGIMES, ids=IDS)
@settings(max_examples=6, deadline=None)
@given(
    stops=st.lists(st.floats(0.0, END_S, allow_nan=False), max_size=12),
    threads=st.integers(1, 4),
    batch=st.sampled_from([1, 2, 3, 64, 1 << 16]),
)
def test_same_bits_with_a_busy_issuer(
    regime: Regime, issuer: Issuer, stops: list[float], threads: int, batch: int
) -> None:
    many = record(regime, stops, threads, batch, False, issuer)
    assert many == record(regime, [], 1, 1 << 16, False, issuer)


def test_same_bits_when_threads_share_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = record(REGIMES[0], [], 1, 1 << 16, True)
    monkeypatch.setattr(fleet, "WORTHWHILE", 1)
    for threads in (2, 3, 5):
        assert record(REGIMES[0], [], threads, 1 << 16, True) == alone


@pytest.mark.parametrize("regime", REGIMES, ids=IDS)
def test_looking_changes_nothing(regime: Regime) -> None:
    scenario = make_scenario(regime, agents=60)
    looked = FleetPopulation(scenario, regime, seed_key(2))
    left = FleetPopulation(scenario, regime, seed_key(2))
    for stop_s in np.linspace(0.0, END_S, 61)[1:]:
        looked.advance(float(stop_s))
        looked.counters()
        looked.expired_now()
        looked.current_task(17)
    left.advance(END_S)
    assert looked.counters() == left.counters()
    assert len(left.issuances_per_second()) == ceil(END_S)


def test_a_cohort_due_at_one_instant_is_served_in_order() -> None:
    regime = make_regime("before-expiry", ttl_s=900.0)
    scenario = make_scenario(regime, agents=5000, tasks=(WORK,))
    scenario = scenario.model_copy(
        update={"start": scenario.start.model_copy(update={"ages": "synchronised"})}
    )
    population = FleetPopulation(scenario, regime, seed_key(2))
    population.advance(900.0 - 600.0 + 1e-9)
    counters = population.counters()
    assert counters.requests == 5000
    assert counters.queue_waits == 5000 - scenario.issuer.servers
    population.advance(600.0)
    assert population.counters().issued == 5000
    assert population.counters().auth_failures == 0


def test_more_switches_than_a_record_can_number_are_refused() -> None:
    busy = WORK.model_copy(update={"rate_hz": 1000.0})
    scenario = make_scenario(REGIMES[0], agents=1, tasks=(busy,), horizon_s=1e7)
    exact = scenario.model_copy(update={"engine": Engine(switches="exact")})
    with pytest.raises(UsageError, match="task switches"):
        FleetPopulation(exact, REGIMES[0], seed_key(1))
