"""The reference population does what population.py says, case by case."""

from typing import Any

import numpy as np
import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Regime, RenewalRule
from scenarios.spec.schema import Backoff, Issuer, Start, Task
from simulator.population import Command, CommandKind, EventKind
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, WORK, make_regime, make_scenario

KEY = seed_key(1)
SYNCHRONISED = Start(ages="synchronised")
EXACT = RenewalRule.model_validate({"rule": "fraction", "fraction": 0.5})


def population(regime: Regime, trace: bool = True, **changes: Any) -> ReferencePopulation:  # noqa: ANN401
    return ReferencePopulation(make_scenario(regime, **changes), regime, KEY, trace=trace)


def rows(tested: ReferencePopulation, kind: EventKind) -> np.ndarray:
    trace = tested.trace()
    return trace[trace["kind"] == kind]


def test_a_synchronised_cohort_renews_in_order_of_agents() -> None:
    tested = population(
        make_regime(renewal=EXACT),
        agents=5,
        start=SYNCHRONISED,
        issuer=Issuer(servers=1, service_time_s=1.0),
    )
    tested.advance(1800.5)
    requests = rows(tested, EventKind.REQUEST)
    assert requests["t_s"].tolist() == [1800.0] * 5
    assert requests["agent"].tolist() == [0, 1, 2, 3, 4]
    tested.advance(2000.0)
    issued = rows(tested, EventKind.ISSUED)
    assert issued["agent"].tolist() == [0, 1, 2, 3, 4]
    counters = tested.counters()
    assert counters.queue_waits == 4
    assert counters.queue_wait_s == pytest.approx(np.cumsum(issued["t_s"][:4] - 1800.0)[-1])


def test_advance_stops_before_its_instant() -> None:
    tested = population(make_regime(renewal=EXACT), agents=1, start=SYNCHRONISED)
    tested.advance(1800.0)
    assert len(rows(tested, EventKind.REQUEST)) == 0
    assert tested.now_s == 1800.0
    with pytest.raises(ValueError, match="cannot advance"):
        tested.advance(1799.0)


def test_an_outage_refuses_and_agents_back_off() -> None:
    backoff = Backoff(base_s=10.0, factor=2.0, cap_s=40.0, jitter=0.0)
    tested = population(
        make_regime(renewal=EXACT),
        agents=1,
        start=SYNCHRONISED,
        issuer=Issuer(servers=1, service_time_s=1e-6, backoff=backoff),
    )
    tested.advance(1000.0)
    tested.command(Command(CommandKind.ISSUER_DOWN))
    tested.advance(1900.0)
    tested.command(Command(CommandKind.ISSUER_UP))
    tested.advance(2000.0)
    assert rows(tested, EventKind.REQUEST)["t_s"].tolist() == [1800, 1810, 1830, 1870, 1910]
    assert rows(tested, EventKind.REFUSED)["t_s"].tolist() == [1800, 1810, 1830, 1870]
    assert rows(tested, EventKind.ISSUED)["serial"].tolist() == [1]
    assert tested.refusals_per_second().sum() == tested.counters().refusals == 4
    assert tested.issuances_per_second()[1910] == 1


def test_what_was_accepted_is_served_during_an_outage() -> None:
    tested = population(
        make_regime(renewal=EXACT),
        agents=3,
        start=SYNCHRONISED,
        issuer=Issuer(servers=1, service_time_s=10.0),
    )
    tested.advance(1800.1)
    tested.command(Command(CommandKind.ISSUER_DOWN))
    tested.advance(2400.0)
    assert tested.counters().issued == 3


def test_expired_time_counts_from_expiry_to_successor_or_now() -> None:
    tested = population(make_regime(renewal=EXACT), agents=2, start=SYNCHRONISED)
    tested.command(Command(CommandKind.ISSUER_DOWN))
    tested.advance(HOUR_S + 100.0)
    assert tested.expired_now() == 2
    assert tested.counters().expired_agent_s == 200.0
    switched = rows(tested, EventKind.SWITCH)
    assert tested.counters().auth_failures == (switched["t_s"] >= HOUR_S).sum() > 0


def test_replacement_ends_validity_and_asks_at_once() -> None:
    tested = population(make_regime(renewal=EXACT), agents=2, start=SYNCHRONISED)
    tested.advance(500.0)
    tested.command(Command(CommandKind.WATCH, 0))
    tested.command(Command(CommandKind.REPLACE, 0))
    (view,) = tested.read(0)
    assert view.expires_s == 500.0
    assert tested.counters().requests == 1
    tested.command(Command(CommandKind.REPLACE, 0))
    assert tested.counters().requests == 1, "one request in flight at most"
    tested.advance(600.0)
    (renewed,) = tested.issued(0)
    assert renewed.serial == 1
    assert renewed.expires_s == renewed.issued_s + HOUR_S
    assert tested.issued(0) == ()
    tested.advance(1900.0)
    assert [row["agent"] for row in rows(tested, EventKind.REQUEST)] == [0, 1], (
        "the old credential's timer no longer counts"
    )


def test_a_shorter_life_holds_for_what_is_issued_from_then_on() -> None:
    tested = population(make_regime(renewal=EXACT), agents=1, start=SYNCHRONISED)
    tested.command(Command(CommandKind.SET_TTL, value=0.25))
    assert tested.read(0)[0].expires_s == HOUR_S, "what is held keeps its life"
    tested.advance(2000.0)
    (view,) = tested.read(0)
    assert view.expires_s == view.issued_s + 0.25 * HOUR_S
    tested.advance(HOUR_S)
    issued = rows(tested, EventKind.ISSUED)["t_s"]
    requests = rows(tested, EventKind.REQUEST)["t_s"]
    assert requests[0] == 1800.0, "due as it was when it was issued"
    assert requests[1:].tolist() == (issued[: len(requests) - 1] + 450.0).tolist()


def test_everything_held_is_renewed_within_the_window_and_once() -> None:
    tested = population(make_regime(renewal=EXACT), agents=200, start=SYNCHRONISED)
    tested.advance(1750.0)
    tested.command(Command(CommandKind.RENEW_ALL, value=100.0))
    tested.advance(1900.0)
    asked = rows(tested, EventKind.REQUEST)
    assert np.bincount(asked["agent"]).tolist() == [1] * 200
    assert asked["t_s"].min() > 1750.0
    on_time = (asked["t_s"] == 1800.0).sum()
    assert 60 <= on_time <= 140, "Binomial(200, 1/2) were due before their turn came"
    assert asked["t_s"].max() == 1800.0


def test_nobody_directs_the_renewal_of_a_manual_secret() -> None:
    tested = population(make_regime("never"), agents=3)
    tested.command(Command(CommandKind.RENEW_ALL, value=1.0))
    tested.advance(HOUR_S)
    assert tested.counters().issued == 0


def test_a_manual_credential_is_replaced_at_once() -> None:
    tested = population(make_regime("never"), agents=1)
    tested.command(Command(CommandKind.ISSUER_DOWN))
    tested.advance(100.0)
    tested.command(Command(CommandKind.REPLACE, 0))
    assert [(view.serial, view.issued_s) for view in tested.read(0)] == [(1, 100.0)]
    assert tested.counters().expired_agent_s == 0.0


def test_renewal_at_use_is_private_while_fresh() -> None:
    regime = make_regime(
        "at-use",
        ttl_s=300.0,
        renewal=RenewalRule.model_validate({"rule": "at-use", "fraction": 0.5}),
    )
    tested = population(regime, agents=1, tasks=(WORK,), start=SYNCHRONISED)
    tested.advance(2 * HOUR_S)
    used = rows(tested, EventKind.SWITCH)["t_s"]
    due_s = 150.0
    for request in rows(tested, EventKind.REQUEST):
        assert request["t_s"] == used[used >= due_s][0], "the first use when due, and no other"
        issued = rows(tested, EventKind.ISSUED)["t_s"]
        due_s = issued[issued > request["t_s"]][0] + 150.0


def test_one_task_slots_fill_at_their_first_use() -> None:
    regime = make_regime("at-use", ttl_s=300.0, scope="one-task")
    idle = Task(name="idle", rate_hz=0.0, permissions=("x:y",))
    tested = population(regime, agents=1, tasks=(WORK, idle))
    assert {view.slot for view in tested.read(0)} <= {0}, "a task without uses holds nothing"
    tested.advance(HOUR_S)
    assert {view.slot for view in tested.read(0)} == {0}


def test_at_use_a_switch_waits_for_the_issuer_and_fails_in_an_outage() -> None:
    regime = make_regime("at-use", ttl_s=10.0)
    calm = population(regime, agents=5)
    calm.advance(HOUR_S)
    assert calm.counters().waits > 0
    assert calm.counters().auth_failures == 0
    down = population(regime, agents=5)
    down.command(Command(CommandKind.ISSUER_DOWN))
    down.advance(HOUR_S)
    assert down.counters().auth_failures > 0
    assert down.counters().waits == 0
    assert down.counters().issued == 0


def test_switches_are_the_same_under_every_regime() -> None:
    seen = []
    for rule in ("fraction", "fraction-polled", "before-expiry", "at-use", "never"):
        tested = population(make_regime(rule), agents=5)
        tested.advance(HOUR_S)
        switched = rows(tested, EventKind.SWITCH)
        seen.append(switched[["t_s", "agent", "slot"]].tolist())
        assert tested.current_task(0) == switched[switched["agent"] == 0]["slot"][-1]
    assert all(switched == seen[0] for switched in seen)


def test_a_trace_must_be_asked_for() -> None:
    tested = population(make_regime(), trace=False)
    with pytest.raises(ValueError, match="without a trace"):
        tested.trace()
