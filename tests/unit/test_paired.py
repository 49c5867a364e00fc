"""Paired differences: luck that two regimes share cancels, and stopping waits for the interval."""

from math import inf

import pytest

from analysis import paired
from analysis.figures.differences import differences
from scenarios.errors import UsageError
from scenarios.record.record import RunRecord
from scenarios.record.tables import Count
from tests.records import manifest

HORIZON_S = 3600.0


def record(issued: dict[str, list[float]], probes: dict[str, float] | None = None) -> RunRecord:
    replications = len(next(iter(issued.values())))
    found = RunRecord(manifest(regimes=list(issued), replications=replications))
    for regime, values in issued.items():
        for k, value in enumerate(values):
            named = {"issued": value, "horizon_s": HORIZON_S, "agents": 10.0, "switches": 7.0}
            if probes is not None:
                named |= {"probes": 2.0, "residual_validity_sum_s": 2 * probes[regime]}
            found.counts += [Count("", regime, k, name, v) for name, v in named.items()]
    return found


def test_shared_luck_cancels() -> None:
    luck = [1000.0, 5000.0, 200.0, 9000.0]
    comparison = paired.compare(record({"a": luck, "b": [x + 36.0 for x in luck]}))
    row = comparison.rows["issuances_per_s"]
    assert row.differences["b"].value == pytest.approx(0.01)
    assert row.differences["b"].high == pytest.approx(0.01)
    assert row.values["a"].high is not None
    assert row.values["a"].high > 2 * row.values["b"].value  # the unpaired intervals are hopeless
    assert row.verdicts["b"] == "higher"


def test_no_difference_is_not_resolved_or_equal() -> None:
    comparison = paired.compare(record({"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 3.0]}))
    assert comparison.rows["issuances_per_s"].verdicts["b"] == "not resolved"
    assert comparison.rows["switches_per_s"].verdicts["b"] == "equal"


def test_without_end_against_an_end() -> None:
    comparison = paired.compare(record({"a": [1.0, 1.0], "b": [1.0, 1.0]}, {"a": inf, "b": 5.0}))
    row = comparison.rows["residual_validity_s"]
    assert row.differences["b"].infinite
    assert row.verdicts["b"] == "better"
    assert (
        paired.compare(record({"a": [1.0, 1.0], "b": [1.0, 1.0]}, {"a": inf, "b": inf}))
        .rows["residual_validity_s"]
        .verdicts["b"]
        == "equal"
    )


def test_the_baseline_can_be_chosen_and_must_exist() -> None:
    of = record({"a": [1.0, 2.0], "b": [2.0, 4.0]})
    assert paired.compare(of, "b").regimes == ("b", "a")
    with pytest.raises(UsageError, match="must be one of a, b"):
        paired.compare(of, "c")
    with pytest.raises(UsageError, match="at least two"):
        paired.compare(record({"a": [1.0, 2.0]}))


def test_a_sequential_run_waits_for_replications_and_for_the_width() -> None:
    narrow = {"a": [1.0] * 4, "b": [36.0, 36.1, 36.0, 36.1]}
    wanted = ("issuances_per_s", 0.001)
    assert paired.enough(record(narrow), None, wanted)
    assert not paired.enough(record({k: v[:3] for k, v in narrow.items()}), None, wanted)
    assert not paired.enough(record(narrow), None, ("issuances_per_s", 1e-7))
    with pytest.raises(UsageError, match="half-width"):
        paired.enough(record(narrow), None, ("nonsense", 1.0))


def test_the_figure_says_how_many_replications_and_against_what() -> None:
    drawn = differences(paired.compare(record({"a": [1.0, 2.0], "b": [2.0, 4.0]})))
    assert "2 replications" in drawn.caption
    assert drawn.svg.startswith("<svg")
    assert "Differences to a" in drawn.svg


def test_what_cannot_be_compared_is_refused_before_anything_runs() -> None:
    paired.refuse(["a", "b"], "b", "exposure_within_s")
    with pytest.raises(UsageError, match="at least two"):
        paired.refuse(["a"], None, None)
    with pytest.raises(UsageError, match="must be one of a, b"):
        paired.refuse(["a", "b"], "c", None)
    with pytest.raises(UsageError, match="half-width: found 'nonsense'"):
        paired.refuse(["a", "b"], None, "nonsense")
