"""The plan of a measured run: who asks, when, and what the generator is told."""

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from loadgen.generator.protocol import DEMAND_FILE, PLAN_FILE, GeneratorPlan, WirePlan
from loadgen.plan import (
    ISSUE_ALLOWANCE_S,
    OPS,
    GeneratorOptions,
    Plan,
    foreign_permission,
    needed_capabilities,
    plan,
    write,
)
from loadgen.prologue import MAX_HZ, SHARE, SLACK_S
from loadgen.targets.port import Capability, Endpoint, Op
from scenarios.demand.schedule import AUTHORIZE, ISSUE, arrivals
from scenarios.errors import UsageError
from scenarios.spec.resolve import load

REGIMES = ("static-key", "x509-svid-1h", "jwt-svid-5m", "task-svid")


@cache
def planned(regime: str, seed: int = 3) -> Plan:
    scenario = load(Path("customer-service")).scenario
    return plan(scenario, regime, seed, rate_hz=100.0, seconds=20.0)


def written(one: Plan, tmp_path: Path) -> tuple[GeneratorPlan, dict[str, np.ndarray]]:
    count = write(one, tmp_path, Endpoint("127.0.0.1", 1), WirePlan("m"), GeneratorOptions())
    with np.load(tmp_path / DEMAND_FILE) as arrays:
        demand = {name: arrays[name] for name in arrays.files}
    assert len(demand["t_s"]) == count
    return msgspec.json.decode((tmp_path / PLAN_FILE).read_bytes(), type=GeneratorPlan), demand


@pytest.mark.parametrize("regime", REGIMES)
def test_the_window_offers_the_rate_that_was_asked_for(regime: str) -> None:
    expected = 100.0 * 20.0
    assert abs(len(planned(regime).demand) - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("regime", REGIMES)
def test_the_generators_demand_is_prologue_then_window(regime: str, tmp_path: Path) -> None:
    one = planned(regime)
    told, demand = written(one, tmp_path)
    assert (np.diff(demand["t_s"]) >= 0).all()
    assert demand["t_s"][0] >= 0
    primed = len(one.prologue.slots)
    assert (demand["t_s"][:primed] < one.prologue.seconds).all()
    assert (demand["t_s"][primed:] >= one.prologue.seconds).all()
    assert AUTHORIZE not in {told.ops[op] for op in demand["op"][:primed]}
    assert told.warmup_s == pytest.approx(one.prologue.seconds + one.warmup_s)
    assert told.seconds == pytest.approx(one.prologue.seconds + one.seconds)
    issue_ops = {told.ops[op] for op in np.unique(demand["op"])} - {Op.AUTHORIZE}
    assert len(issue_ops) == 1


@pytest.mark.parametrize("regime", ["jwt-svid-5m", "task-svid"])
def test_a_use_that_needs_a_new_document_follows_its_request(regime: str) -> None:
    one = planned(regime)
    before = arrivals(one.scenario, one.seed)
    assert len(before) == len(one.demand)
    moved = ~np.isin(one.demand.t_s, before.t_s)
    assert moved.any()
    assert (one.demand.op[moved] == AUTHORIZE).all()
    asked = set(
        zip(
            before.t_s[before.op == ISSUE].tolist(),
            before.agent[before.op == ISSUE].tolist(),
            strict=True,
        )
    )
    for t_s, agent in zip(
        one.demand.t_s[moved].tolist(), one.demand.agent[moved].tolist(), strict=True
    ):
        assert any(abs(t_s - ISSUE_ALLOWANCE_S - t) < 1e-9 and agent == a for t, a in asked)


def test_the_prologue_issues_what_the_simulator_says_was_held() -> None:
    scenario = load(Path("customer-service")).scenario
    one = plan(scenario, "x509-svid-1h", 3, rate_hz=100.0, seconds=60.0)
    assert one.prologue.squeeze == 1.0
    held = {
        tuple(slot): t
        for slot, t in zip(one.demand.primed.tolist(), one.demand.primed_s, strict=True)
    }
    for slot, t_s in one.primed_s.items():
        assert t_s == pytest.approx(held[slot] - SLACK_S)
        assert t_s + one.regime.ttl_s > 0.0


def test_a_short_window_squeezes_its_prologue() -> None:
    one = planned("x509-svid-1h")
    assert one.prologue.squeeze < 1.0
    assert one.prologue.seconds == pytest.approx(SHARE * one.seconds + SLACK_S)
    assert (np.diff(one.prologue.t_s) >= 0).all()
    assert one.prologue.t_s[-1] <= -SLACK_S


def test_keys_without_end_are_issued_evenly_before_the_window() -> None:
    one = planned("static-key")
    gaps = np.diff(one.prologue.t_s)
    assert np.allclose(gaps, gaps[0])
    assert 1.0 / gaps[0] <= MAX_HZ * 1.001


@pytest.mark.parametrize("regime", REGIMES)
def test_only_agents_that_do_something_get_a_credential_before(regime: str) -> None:
    one = planned(regime)
    assert set(one.prologue.slots[:, 0].tolist()) <= set(one.demand.agent.tolist())


def test_shared_secrets_have_one_name_and_svids_one_each() -> None:
    shared = planned("static-key")
    assert {len(holders) for holders in shared.holders.values()} <= {1, 2, 3, 4}
    assert shared.identities[0].name == "key://assistant/0"
    alone = planned("x509-svid-1h")
    assert len(alone.holders) == len(alone.identities)
    assert alone.identities[0].name == "spiffe://support.example/assistant/0"
    assert [identity.agent for identity in alone.identities] == list(range(len(alone.identities)))


def test_seeds_decide() -> None:
    same = plan(planned("x509-svid-1h").scenario, "x509-svid-1h", 3, rate_hz=100.0, seconds=20.0)
    assert (same.demand.t_s == planned("x509-svid-1h").demand.t_s).all()
    other = planned("x509-svid-1h", seed=4)
    assert not np.array_equal(other.demand.t_s, planned("x509-svid-1h").demand.t_s)


def test_capabilities_follow_the_regime() -> None:
    assert needed_capabilities(planned("static-key").scenario) == {Capability.STATIC_KEY}
    assert Capability.TASK_SCOPE in needed_capabilities(planned("task-svid").scenario)


def test_a_foreign_permission_is_another_tasks_or_made_up() -> None:
    scenario = planned("task-svid").scenario
    every = frozenset(p for w in scenario.workloads for t in w.tasks for p in t.permissions)
    assert foreign_permission(scenario, frozenset({"tickets:read"})) in every
    assert foreign_permission(scenario, every) not in every


def test_a_window_without_arrivals_is_refused() -> None:
    with pytest.raises(UsageError, match="no arrival"):
        plan(planned("static-key").scenario, "static-key", 3, rate_hz=0.01, seconds=0.001)


def test_every_op_has_its_index() -> None:
    assert OPS.index(Op.AUTHORIZE) == 0
    assert len(set(OPS)) == len(OPS)


def test_a_warm_up_is_what_was_asked_for_and_never_the_whole_window() -> None:
    scenario = load(Path("customer-service")).scenario
    one = plan(scenario, "static-key", 3, rate_hz=50.0, seconds=20.0, warmup_s=7.5)
    assert one.warmup_s == 7.5
    with pytest.raises(UsageError, match="found 20 s, must be shorter than 20 s"):
        plan(scenario, "static-key", 3, rate_hz=50.0, seconds=20.0, warmup_s=20.0)
