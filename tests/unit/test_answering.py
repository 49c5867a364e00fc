"""Time to answer a question: derived by hand, ordered as lines name, and never too sure."""

from itertools import pairwise
from math import exp, log, sqrt
from typing import Any

import msgspec
import pytest

from analysis import answering, paired
from analysis.answering import candidates, givens, looks, widened
from analysis.report.assumptions import assumptions
from analysis.summary import summarise
from scenarios.record.estimate import Estimate
from scenarios.record.record import RunRecord
from scenarios.spec.sources import sources
from tests.records import counts, manifest

TASKS = [{"name": name, "rate_hz": 0.01} for name in ("a", "b", "c")]
WORKLOADS = [{"name": "w", "count": 100, "agents_per_node": 10, "tasks": TASKS}]
REGIMES = {
    "static-key": {"attribution": "secret", "shared_by": 4},
    "own-key": {"attribution": "secret"},
    "svid": {"attribution": "workload"},
    "node-svid": {"attribution": "workload", "shared_on_node": True},
    "task-svid": {"attribution": "task"},
    "token": {"attribution": "delegation"},
}
LINES, LOOK_S = 50, 300.0
READ_S, WINDOW_S = 4e-6, 3600.0


def record(*names: str, accesses: float = 1200.0, replications: int = 4) -> RunRecord:
    regimes = [{"name": name, "ttl_s": 1e3, **REGIMES[name]} for name in names]
    base = manifest()
    scenario = base.scenario | {"regimes": regimes, "workloads": WORKLOADS}
    return RunRecord(
        manifest(scenario=scenario, regimes=list(names)),
        counts=[
            row
            for name in names
            for k in range(replications)
            for row in counts(name, k, accesses=accesses + k, horizon_s=20_000.0)
        ],
    )


@pytest.mark.parametrize("c", range(1, 9))
def test_looks_are_those_of_exclusion_one_by_one(c: int) -> None:
    # the one sought stands at place i; after c − 1 looks the last is known without one
    expected = sum(min(i, c - 1) for i in range(1, c + 1)) / c
    assert looks(c) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "c", "looks_per_line", "wrong"),
    [
        ("static-key", 12, 1 + 11 * 14 / 24, 11 / 12),
        ("own-key", 3, 1 + 5 / 3, 2 / 3),
        ("svid", 3, 5 / 3, 2 / 3),
        ("node-svid", 30, 29 * 32 / 60, 29 / 30),
        ("task-svid", 1, 0.0, 0.0),
        ("token", 1, 0.0, 0.0),
    ],
)
def test_what_a_line_leaves_open(name: str, c: int, looks_per_line: float, wrong: float) -> None:
    regime = {"name": name, **REGIMES[name]}
    assert candidates(regime, WORKLOADS[0]) == c
    found = givens({"regimes": [regime], "workloads": WORKLOADS}, name)
    assert found == pytest.approx({"looks_per_line": looks_per_line, "wrong_guess_share": wrong})


def test_classes_weigh_as_their_accesses() -> None:
    busy = {"name": "busy", "count": 10, "tasks": [{"name": "a", "rate_hz": 0.9}]}
    regime = {"name": "svid", "attribution": "workload"}
    found = givens({"regimes": [regime], "workloads": [*WORKLOADS, busy]}, "svid")
    # 3 of 12 accesses a second are of the class with three tasks
    assert found["wrong_guess_share"] == pytest.approx(0.25 * 2 / 3)
    assert found["looks_per_line"] == pytest.approx(0.25 * 5 / 3)


def test_no_more_agents_share_a_document_than_there_are() -> None:
    few: dict[str, Any] = {"name": "w", "count": 3, "tasks": TASKS[:1]}
    assert candidates({"attribution": "secret", "shared_by": 8}, few) == 3


def test_the_equation_number_by_number() -> None:
    summary = summarise(record("static-key", "svid", "task-svid"))
    found = {name: of.metrics["time_to_answer_s"] for name, of in summary.regimes.items()}
    machine_s = READ_S * WINDOW_S * 1201.5 / 20_000
    people_s = {
        name: LINES * LOOK_S * each
        for name, each in {
            "static-key": 1 + 11 * 14 / 24,
            "svid": 5 / 3,
            "task-svid": 0.0,
        }.items()
    }
    known = sources()
    assert known["audit.question_lines"].value == LINES
    assert known["audit.look"].value * 60 == LOOK_S
    machine_s *= known["audit.read_line"].value * 1e-3 / READ_S
    for name, people in people_s.items():
        assert found[name].value == pytest.approx(machine_s + people)
        assert (found[name].n, found[name].covers) == (4, "sampling+parameters")
    shares = [of.metrics["misattributed_share"].value for of in summary.regimes.values()]
    assert shares == pytest.approx([11 / 12, 2 / 3, 0.0])


def test_the_interval_is_that_of_the_assumptions_and_not_of_replications() -> None:
    (of,) = summarise(record("svid", replications=64)).regimes.values()
    found = of.metrics["time_to_answer_s"]
    rows = [sources()["audit.question_lines"], sources()["audit.look"]]
    down = exp(-sqrt(sum(log(row.value / row.low) ** 2 for row in rows)))
    assert found.value is not None
    assert found.low == pytest.approx(found.value * down, rel=0.01)
    assert found.high is not None
    assert found.high > 10 * found.value


def test_parts_of_opposite_sign_widen_both_ends() -> None:
    plain = Estimate(1.0, 0.9, 1.1, 4, "s")
    found = widened(plain, -1.0, 2.0)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.9
    assert found.high > 1.1
    nothing = Estimate(None, None, None, 0, "s")
    assert widened(nothing, 0.0, 0.0) == nothing


def test_regimes_are_ordered_by_what_their_lines_name_whatever_is_assumed() -> None:
    comparison = paired.compare(record("static-key", "own-key", "svid", "task-svid"))
    row = comparison.rows["time_to_answer_s"]
    values = [row.values[name].value for name in ("static-key", "own-key", "svid", "task-svid")]
    assert all(a is not None and b is not None and a > b for a, b in pairwise(values))
    assert set(row.verdicts.values()) == {"better"}
    for found in row.differences.values():
        assert found.covers == "sampling+parameters"
        assert found.high is not None
        assert found.high < 0


def test_sequential_stopping_looks_at_sampling_alone() -> None:
    wide = paired.compare(record("static-key", "svid")).rows["time_to_answer_s"]
    found = wide.differences["svid"]
    assert found.low is not None
    assert found.high is not None
    sampling = paired.widest(record("static-key", "svid"), None, "time_to_answer_s")
    assert sampling < (found.high - found.low) / 1000


def test_a_measured_run_is_asked_itself() -> None:
    simulated = record("svid")
    real = msgspec.structs.replace(simulated.manifest, world="measured")
    summary = summarise(RunRecord(real, counts=simulated.counts))
    assert summary.regimes["svid"].metrics["time_to_answer_s"].value is None
    assert "midas audit who" in summary.not_estimable["svid.misattributed_share"]


def test_the_report_lists_what_was_assumed() -> None:
    listed = {row.key: row for row in assumptions([manifest()])}
    assert set(answering.SOURCES) <= set(listed)
    assert listed["audit.look"].used_for == "time_to_answer_s"
    assert listed["audit.look"].confidence == "assumption"
