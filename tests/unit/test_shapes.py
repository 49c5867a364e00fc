"""Shapes of arrivals: the same demand at other instants, and recordings that are read strictly."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from loadgen.plan import ISSUE_ALLOWANCE_S, Plan, plan
from loadgen.shapes import HERD_SPREAD_S, Shape, parse_shape, read_trace, write_trace
from scenarios.demand.schedule import AUTHORIZE, ISSUE
from scenarios.errors import ScenarioError, UsageError
from scenarios.spec.resolve import load

SECONDS = 20.0


@cache
def planned(kind: str, regime: str = "x509-svid-1h") -> Plan:
    scenario = load(Path("customer-service")).scenario
    shape = parse_shape(kind)
    return plan(scenario, regime, 5, rate_hz=60.0, seconds=SECONDS, shape=shape)


@pytest.mark.parametrize("kind", ["constant", "poisson"])
def test_spread_arrivals_are_the_same_ones_in_the_same_order(kind: str) -> None:
    own, spread = planned("scenario").demand, planned(kind).demand
    assert (own.agent == spread.agent).all()
    assert (own.op == spread.op).all()
    assert (own.task == spread.task).all()
    assert (spread.t_s >= 0).all()
    assert (spread.t_s < SECONDS).all()
    assert not np.array_equal(own.t_s, spread.t_s)


def test_constant_is_evenly_spaced() -> None:
    gaps = np.diff(planned("constant").demand.t_s)
    assert np.allclose(gaps, gaps[0])


def test_poisson_gaps_vary_as_exponential_ones_do() -> None:
    gaps = np.diff(planned("poisson").demand.t_s)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("kind", ["constant", "poisson", "scenario"])
def test_a_use_waits_for_its_request_in_every_shape(kind: str) -> None:
    demand = planned(kind, "task-svid").demand
    asked = dict.fromkeys(map(tuple, demand.primed.tolist()), -1.0)
    columns = (demand.t_s, demand.agent, demand.task, demand.op)
    for t_s, agent, task, op in zip(*(column.tolist() for column in columns), strict=True):
        if op == ISSUE:
            asked.setdefault((agent, task), t_s)
        else:
            assert t_s >= asked[agent, task] + ISSUE_ALLOWANCE_S - 1e-9


def test_a_herd_asks_at_once_and_meets_again() -> None:
    one = planned("herd")
    demand = one.demand
    assert len(demand.primed) == 0
    issues = demand.op == ISSUE
    first = issues & (demand.t_s < HERD_SPREAD_S)
    assert set(demand.agent[first].tolist()) == set(demand.agent.tolist())
    later = demand.t_s[issues & ~first]
    regime = one.regime
    due_s = regime.ttl_s * regime.renewal.fraction
    assert later.min() > 0.8 * due_s
    assert one.warmup_s == 0.0


def test_a_recording_is_read_back(tmp_path: Path) -> None:
    own = planned("scenario").demand
    path = tmp_path / "trace.csv"
    write_trace(own, path)
    again = read_trace(path)
    assert np.array_equal(own.t_s, again.t_s)
    assert np.array_equal(own.op, again.op)
    assert set(again.primed[:, 0].tolist()) <= set(own.agent.tolist())


def test_a_recording_decides_the_number_of_agents_and_is_cut_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(
        "t_s,agent,task,op\n3.5,7,0,authorize\n0.25,2,0,issue\n0.5,2,1,authorize\n99,7,0,issue\n"
    )
    scenario = load(Path("customer-service")).scenario
    one = plan(
        scenario, "x509-svid-1h", 5, rate_hz=60.0, seconds=SECONDS, shape=Shape("trace", path)
    )
    assert len(one.identities) == 8
    assert one.demand.t_s.tolist() == [0.25, 0.5, 3.5]
    assert one.demand.op.tolist() == [ISSUE, AUTHORIZE, AUTHORIZE]
    assert one.demand.primed.tolist() == [[7, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be t_s,agent,task,op"),
        ("time,agent,task,op\n", "must be t_s,agent,task,op"),
        ("t_s,agent,task,op\n", "at least one"),
        ("t_s,agent,task,op\n1,2,3\n", "line 2: found 1,2,3, must have 4 columns"),
        (
            "t_s,agent,task,op\nsoon,2,0,issue\n",
            "line 2: found soon,2,0,issue, t_s must be a number",
        ),
        ("t_s,agent,task,op\nnan,2,0,issue\n", "t_s must be at least 0"),
        ("t_s,agent,task,op\n-1,2,0,issue\n", "t_s must be at least 0"),
        ("t_s,agent,task,op\n1,-2,0,issue\n", "agent in 0"),
        ("t_s,agent,task,op\n1,2,0,renew\n", "op must be authorize or issue"),
    ],
)
def test_a_recording_with_faults_is_refused_naming_the_line(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        read_trace(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_every_faulty_line_of_a_recording_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("t_s,agent,task,op\nx,1,0,issue\n1,1,0,issue\n1,1,0,eat\n")
    with pytest.raises(ScenarioError) as caught:
        read_trace(path)
    assert [problem.key for problem in caught.value.problems] == ["line 2", "line 4"]


def test_a_recording_that_is_no_text_or_not_there_is_one_line(tmp_path: Path) -> None:
    binary = tmp_path / "trace.csv"
    binary.write_bytes(b"t_s,agent,task,op\n\xff\xfe\x00")
    for path in (binary, tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(ScenarioError) as caught:
            read_trace(path)
        assert "cannot be read" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_task_that_the_agent_does_not_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("t_s,agent,task,op\n1,0,0,issue\n2,0,9,authorize\n")
    scenario = load(Path("customer-service")).scenario
    with pytest.raises(ScenarioError, match="agent 0 has tasks 0 … 1"):
        plan(scenario, "x509-svid-1h", 5, rate_hz=60.0, seconds=9.0, shape=Shape("trace", path))


@pytest.mark.parametrize("text", ["", "diurnal", "trace", "trace:", "Constant", "herd:2"])
def test_unknown_shapes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--arrivals"):
        parse_shape(text)
