"""Competing risks against an example worked by hand."""

import numpy as np
import pytest

from analysis import survival
from analysis.survival import Curve

# Seven thefts: detected (1) at 1, 3, 5; expired (2) at 2, 6; still open at 4 and 7.
TIME_S = np.array([1.0, 2, 3, 4, 5, 6, 7])
CAUSE = np.array([1, 2, 1, 0, 1, 2, 0])
# S(t−)·d/n: 1·1/7 = 1/7; S = 5/7 before 3, 5/7·1/5 = 1/7; S = 4/7 before 5, 4/7·1/3 = 4/21.
DETECTED = [(1.0, 1 / 7), (3.0, 2 / 7), (5.0, 10 / 21)]
# 6/7·1/6 = 1/7 at 2; S = 8/21 before 6, 8/21·1/2 = 4/21.
EXPIRED = [(2.0, 1 / 7), (6.0, 1 / 3)]


def steps(curve: Curve) -> list[tuple[float, float]]:
    return [point[:2] for point in curve.points[1:-1]]


def test_cumulative_incidence_is_what_hand_work_gives() -> None:
    detected = survival.cumulative_incidence(TIME_S, CAUSE, 1, 7.0)
    expired = survival.cumulative_incidence(TIME_S, CAUSE, 2, 7.0)
    for curve, expected in ((detected, DETECTED), (expired, EXPIRED)):
        np.testing.assert_allclose(steps(curve), expected, rtol=1e-12)
        assert curve.points[0] == (0.0, 0.0, 0.0, 0.0)
        assert curve.points[-1] == (7.0, *curve.points[-2][1:])
        assert all(low <= value <= high for _, value, low, high in curve.points)
    assert detected.n == 7


def test_a_curve_ends_where_it_is_told_to() -> None:
    curve = survival.cumulative_incidence(TIME_S, CAUSE, 1, 4.0)
    np.testing.assert_allclose(steps(curve), DETECTED[:2])
    assert curve.points[-1][0] == 4.0


def test_quantiles_are_null_where_the_curve_never_gets_there() -> None:
    curve = survival.cumulative_incidence(TIME_S, CAUSE, 1, 7.0)
    assert survival.quantile(curve, 0.25).value == 3.0
    never = survival.quantile(curve, 0.5)
    assert (never.value, never.high) == (None, None)
    assert never.low is not None  # the band's upper end does get there


def test_ties_change_nothing_but_less_than_a_microsecond() -> None:
    time_s = np.array([5.0, 5, 5, 5, 2, 2])
    cause = np.array([1, 2, 1, 0, 1, 1])
    moved = survival.untied(time_s)
    assert len(set(moved.tolist())) == 6
    assert np.abs(moved - time_s).max() < 1e-6
    first = survival.cumulative_incidence(time_s, cause, 1, 6.0)
    assert first == survival.cumulative_incidence(time_s, cause, 1, 6.0)
    assert first.points[-1][1] == pytest.approx(2 / 3)


def test_nothing_seen_still_bounds_what_may_happen() -> None:
    curve = survival.cumulative_incidence(np.full(10, 8.0), np.zeros(10, int), 1, 8.0)
    assert curve.points[-1][:3] == (8.0, 0.0, 0.0)
    assert curve.points[-1][3] == pytest.approx(0.3085, abs=1e-4)  # Clopper and Pearson, 0 of 10
    assert survival.cumulative_incidence(np.array([]), np.array([]), 1, 8.0).n == 0


def test_all_detected_ends_at_one_with_an_interval_below_it() -> None:
    curve = survival.cumulative_incidence(np.array([1.0, 2, 3]), np.array([1, 1, 1]), 1, 4.0)
    _, value, low, high = curve.points[-1]
    assert value == pytest.approx(1.0)
    assert high == pytest.approx(1.0)
    assert 0.3 < low < 0.6  # Wilson, 3 of 3


def test_restricted_mean_is_the_mean_of_the_cut_times_when_nothing_is_censored() -> None:
    time_s = np.array([1.0, 2, 4, 8, 16])
    found = survival.restricted_mean(time_s, np.ones(5, bool), 10.0)
    assert found.value == pytest.approx(np.mean(np.minimum(time_s, 10)))
    assert found.low is not None
    assert found.high is not None
    cut = np.minimum(time_s, 10)
    half = 1.959964 * np.sqrt(np.sum((cut - cut.mean()) ** 2) / 25 * 4 / 3)
    assert found.high - found.low == pytest.approx(2 * half, rel=1e-6)


def test_restricted_mean_by_hand_with_one_censored() -> None:
    # S = 1 on [0, 2), 3/4 on [2, 6), 3/8 on [6, 8): 2 + 3 + 0.75
    found = survival.restricted_mean(
        np.array([2.0, 4, 6, 9]), np.array([True, False, True, True]), 8.0
    )
    assert found.value == pytest.approx(5.75)


def test_restricted_mean_is_not_estimable_beyond_what_was_watched() -> None:
    found = survival.restricted_mean(np.array([1.0, 2]), np.array([True, False]), 5.0)
    assert found.value is None
    assert found.n == 2


def test_restricted_mean_without_an_end_is_the_whole_window_and_bounded_from_below() -> None:
    found = survival.restricted_mean(np.full(10, 8.0), np.zeros(10, bool), 8.0)
    assert found.value == 8.0
    assert found.low == pytest.approx(8 * (1 - 0.3085), abs=1e-3)
    assert found.high == 8.0
