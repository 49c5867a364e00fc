"""Agents and nodes that restart lose what they hold, ask anew, and hold nothing meanwhile."""

from typing import Any

import numpy as np
import pytest

from scenarios.demand.streams import seed_key
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Backoff, Issuer, Start
from simulator.control.documents import Documents
from simulator.layout import Layout
from simulator.population import Command, CommandKind, EventKind, Population
from simulator.simulate import ENGINES, engine_named
from tests.scenes import HOUR_S, WORK, make_regime, make_scenario

KEY = seed_key(1)
EXACT = {"rule": "fraction", "fraction": 0.5}
PROMPT = Issuer(servers=8, service_time_s=1e-6)
DELAYED = PROMPT.model_copy(update={"entry_reload_s": 20.0, "agent_sync_s": 30.0})
POWER_CUT = Command(CommandKind.MASS_RESTART, value=1.0, fault=0, over_s=1.0)

pytestmark = pytest.mark.parametrize("engine", ENGINES)


def build(engine: str, regime: Regime, **changes: Any) -> Population:  # noqa: ANN401
    changes = {"start": Start(ages="synchronised"), "issuer": PROMPT} | changes
    scenario = make_scenario(regime, **changes)
    return engine_named(engine)(scenario, regime, KEY, trace=True)


def rows(tested: Population, kind: EventKind) -> np.ndarray:
    trace = tested.trace()
    return trace[trace["kind"] == kind]


def test_everything_is_lost_asked_for_and_issued_anew(engine: str) -> None:
    tested = build(engine, make_regime(), agents=40, issuer=DELAYED)
    tested.advance(100.0)
    tested.command(POWER_CUT)
    tested.advance(101.0)
    assert [tested.read(agent) for agent in range(40)] == [()] * 40
    assert tested.expired_now() == 40
    tested.advance(200.0)
    lost, asked = rows(tested, EventKind.RESTART), rows(tested, EventKind.REQUEST)
    assert lost["serial"].tolist() == [0] * 40
    by_agent = [rows[np.argsort(rows["agent"])] for rows in (lost, asked)]
    waits_s = by_agent[1]["t_s"] - by_agent[0]["t_s"]
    assert (waits_s > 0.0).all()
    assert (waits_s < 50.0).all()
    assert abs(waits_s.mean() - 25.0) < 4 * np.sqrt((20**2 + 30**2) / 12 / 40)
    counters = tested.counters()
    assert counters.lost == counters.first_credentials == 40
    assert counters.first_credential_wait_s == pytest.approx(waits_s.sum(), abs=0.01)
    assert counters.expired_agent_s == pytest.approx(waits_s.sum(), abs=0.01)
    assert tested.first_waits().sum() == 40
    assert tested.expired_now() == 0
    assert [view.serial for view in tested.read(7)] == [1]


def test_a_share_of_nodes_restarts_whole_and_within_the_window(engine: str) -> None:
    tested = build(engine, make_regime(), agents=200)
    tested.advance(100.0)
    tested.command(Command(CommandKind.MASS_RESTART, value=0.3, fault=2, over_s=60.0))
    tested.advance(HOUR_S / 4)
    lost = rows(tested, EventKind.RESTART)
    layout = Layout(make_scenario(make_regime(), agents=200), make_regime())
    nodes = {layout.node_number(int(agent)) for agent in lost["agent"]}
    assert sorted(lost["agent"].tolist()) == [a for n in sorted(nodes) for a in layout.on_node(n)]
    assert 5 <= len(nodes) <= 27, "Binomial(50, 0.3) lies outside once in 3,400 seeds"
    instants = [{float(row["t_s"]) for row in lost if row["agent"] // 4 == node} for node in nodes]
    assert all(len(of_node) == 1 for of_node in instants)
    assert 100.0 < lost["t_s"].min() < lost["t_s"].max() < 160.0


def test_a_copy_stays_valid_while_the_owner_holds_nothing(engine: str) -> None:
    tested = build(engine, make_regime(), agents=4, issuer=DELAYED)
    documents = Documents(tested, 0)
    (copy,) = tested.read(0)
    tested.advance(100.0)
    tested.command(POWER_CUT)
    tested.advance(200.0)
    documents.update(tested)
    successor = tested.read(0)[0]
    assert documents.valid_until_s(copy) == copy.expires_s == HOUR_S
    assert documents.at(0, 99.0) == copy
    assert documents.at(0, successor.issued_s - 0.001) is None
    assert documents.at(0, successor.issued_s) == successor
    used = list(documents.tenures(0.0, HOUR_S))
    assert [(view.serial, begin) for view, begin, _ in used] == [(0, 0.0), (1, successor.issued_s)]
    assert 100.0 < used[0][2] < 101.0


def test_at_use_a_task_before_the_entry_is_known_fails(engine: str) -> None:
    late = PROMPT.model_copy(update={"entry_reload_s": 900.0})
    regime = make_regime("at-use", ttl_s=HOUR_S)
    tested = build(engine, regime, agents=60, tasks=(WORK,), issuer=late)
    tested.advance(100.0)
    tested.command(POWER_CUT)
    tested.advance(HOUR_S / 2)
    trace = tested.trace()
    failed = 0
    for agent in range(60):
        own = trace[trace["agent"] == agent]
        (lost_s,) = own["t_s"][own["kind"] == EventKind.RESTART]
        (asked_s, *_) = own["t_s"][own["kind"] == EventKind.REQUEST]
        used_s = own["t_s"][own["kind"] == EventKind.SWITCH]
        assert asked_s in used_s
        failed += ((used_s >= lost_s) & (used_s < asked_s)).sum()
    counters = tested.counters()
    assert counters.auth_failures == failed > 0
    assert counters.waits == 60, "the use that fetched it"
    mean_s = counters.first_credential_wait_s / counters.first_credentials
    assert abs(mean_s - 450.0) < 4 * 900 / np.sqrt(12 * 60), "not the wait for a use"


def test_a_request_in_flight_serves_the_new_process(engine: str) -> None:
    stubborn = Backoff(base_s=500.0, factor=1.0, cap_s=500.0, jitter=0.0)
    issuer = DELAYED.model_copy(update={"backoff": stubborn})
    regime = make_regime(renewal=EXACT)
    tested = build(engine, regime, agents=3, issuer=issuer)
    tested.command(Command(CommandKind.ISSUER_DOWN))
    tested.advance(1900.0)
    tested.command(POWER_CUT)
    tested.command(Command(CommandKind.ISSUER_UP))
    tested.advance(2400.0)
    assert rows(tested, EventKind.REQUEST)["t_s"].tolist() == [1800.0] * 3 + [2300.0] * 3
    assert tested.counters().first_credentials == 3
    assert tested.counters().first_credential_wait_s == pytest.approx(3 * 400.0, abs=3.1)


def test_a_secret_by_hand_survives(engine: str) -> None:
    tested = build(engine, make_regime("never"), agents=8)
    tested.command(POWER_CUT)
    tested.advance(HOUR_S)
    assert len(tested.read(3)) == 1
    assert tested.counters().lost == tested.counters().auth_failures == 0


def test_a_second_restart_finds_nothing_to_lose(engine: str) -> None:
    tested = build(engine, make_regime(), agents=8, issuer=DELAYED)
    tested.command(POWER_CUT)
    tested.advance(1.0)
    tested.command(POWER_CUT)
    tested.advance(2.0)
    assert tested.counters().lost == 8
    tested.advance(200.0)
    assert tested.counters().issued == 8


def test_a_process_that_restarts_is_poisson(engine: str) -> None:
    regime = make_regime(ttl_s=1e6)
    (workload,) = make_scenario(regime, agents=300).workloads
    churning = workload.model_copy(update={"restarts_per_agent_day": 240.0})
    tested = build(engine, regime, workloads=(churning,))
    tested.advance(2 * HOUR_S)
    counts = np.bincount(rows(tested, EventKind.RESTART)["agent"], minlength=300)
    expected = 20.0
    assert abs(counts.mean() - expected) < 4 * np.sqrt(expected / 300)
    assert abs(counts.var(ddof=1) / expected - 1.0) < 4 * np.sqrt(2 / 300)


def test_a_cold_start_is_a_restart_of_everybody(engine: str) -> None:
    cold = Start(ages="cold")
    tested = build(engine, make_regime(), agents=60, issuer=DELAYED, start=cold)
    tested.advance(100.0)
    asked_s = rows(tested, EventKind.REQUEST)["t_s"]
    assert len(asked_s) == 60
    assert abs(asked_s.mean() - 25.0) < 4 * np.sqrt((20**2 + 30**2) / 12 / 60)
    counters = tested.counters()
    assert counters.first_credentials == 60
    assert counters.first_credential_wait_s == pytest.approx(asked_s.sum(), abs=0.01)
    assert counters.lost == 0


def test_a_cold_start_at_use_waits_for_nobody_s_need(engine: str) -> None:
    regime = make_regime("at-use", ttl_s=HOUR_S)
    slow = Issuer(servers=60, service_time_s=0.5)
    cold = Start(ages="cold")
    tested = build(engine, regime, agents=60, tasks=(WORK,), issuer=slow, start=cold)
    tested.advance(HOUR_S)
    counters = tested.counters()
    assert counters.first_credentials == 60
    mean_s = counters.first_credential_wait_s / 60
    assert abs(mean_s - 0.5) < 4 * 0.5 / np.sqrt(60), "service alone, not the wait for a use"
