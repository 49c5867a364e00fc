"""Whoever looks at a population, and when, changes nothing in it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Datastore, Issuer, RateLimit
from simulator.population import Command, CommandKind
from simulator.reference import ReferencePopulation
from tests.scenes import make_regime, make_scenario

END_S = 3000.0
DOWN_S, UP_S, REPLACE_S, SHORT_S = 700.0, 1600.0, 2000.0, 1000.0
RENEW_S, RESTART_S = 2100.0, 2300.0
REGIMES = [
    make_regime("fraction", ttl_s=600.0),
    make_regime("fraction-polled", ttl_s=600.0),
    make_regime("before-expiry", ttl_s=900.0),
    make_regime("at-use", ttl_s=300.0),
    make_regime("at-use", ttl_s=300.0, scope="one-task"),
    make_regime("never"),
    make_regime("server-directed", ttl_s=600.0),
    make_regime("per-request", ttl_s=20.0),
]


BUSY = Issuer(
    servers=1,
    service_time_s=20.0,
    datastore=Datastore(service_time_s=20.0),
    queue_limit=2,
    deadline_s=50.0,
    rate_limit=RateLimit(rate_hz=0.1),
)


def trace(
    regime: Regime, stops: list[float], seed: int, issuer: Issuer | None = None
) -> list[tuple[object, ...]]:
    (workload,) = make_scenario(regime, agents=6).workloads
    churning = workload.model_copy(update={"restarts_per_agent_day": 50.0})
    scenario = make_scenario(regime, workloads=(churning,), issuer=issuer or Issuer())
    population = ReferencePopulation(scenario, regime, seed_key(seed), trace=True)
    commands = {
        DOWN_S: Command(CommandKind.ISSUER_DOWN),
        UP_S: Command(CommandKind.ISSUER_UP),
        REPLACE_S: Command(CommandKind.REPLACE, 3),
        SHORT_S: Command(CommandKind.SET_TTL, value=0.5),
        RENEW_S: Command(CommandKind.RENEW_ALL, value=100.0),
        RESTART_S: Command(CommandKind.MASS_RESTART, value=0.5, fault=0, over_s=60.0),
    }
    for stop_s in sorted({*stops, *commands, END_S}):
        population.advance(stop_s)
        if stop_s in commands:
            population.command(commands[stop_s])
        population.read(0)
        population.counters()
        population.expired_now()
    return [tuple(row) for row in population.trace().tolist()]


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.renewal.rule.keyword)
@settings(max_examples=8, deadline=None)
@given(
    stops=st.lists(st.floats(0.0, END_S, allow_nan=False), max_size=12),
    seed=st.integers(-5, 2**64),
    issuer=st.sampled_from([Issuer(), BUSY]),
)
def test_any_stops_give_the_same_trace(
    regime: Regime, stops: list[float], seed: int, issuer: Issuer
) -> None:
    assert trace(regime, stops, seed, issuer) == trace(regime, [], seed, issuer)


def test_stopping_at_an_event_leaves_it_for_later() -> None:
    regime = REGIMES[0]
    whole = trace(regime, [], 1)
    instants = [float(row[0]) for row in whole[:40]]  # type: ignore[arg-type]
    assert trace(regime, instants, 1) == whole
    assert np.all(np.diff([row[0] for row in whole]) >= 0)
