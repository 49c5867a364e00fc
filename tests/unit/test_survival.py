"""Competing risks against an example worked by hand."""

import numpy as np
import pytest

from analysis import survival
from analysis.survival import Curve, Times


def times(time_s: object, cause: object, cluster: object = None) -> Times:
    time = np.array(time_s, float)
    own = np.arange(len(time)) if cluster is None else np.array(cluster)
    return Times(time, np.array(cause, np.int64), own)


# Seven thefts: detected (1) at 1, 3, 5; expired (2) at 2, 6; still open at 4 and 7.
SEVEN = times([1, 2, 3, 4, 5, 6, 7], [1, 2, 1, 0, 1, 2, 0])
# S(t−)·d/n: 1·1/7 = 1/7; S = 5/7 before 3, 5/7·1/5 = 1/7; S = 4/7 before 5, 4/7·1/3 = 4/21.
DETECTED = [(1.0, 1 / 7), (3.0, 2 / 7), (5.0, 10 / 21)]
# 6/7·1/6 = 1/7 at 2; S = 8/21 before 6, 8/21·1/2 = 4/21.
EXPIRED = [(2.0, 1 / 7), (6.0, 1 / 3)]


def steps(curve: Curve) -> list[tuple[float, float]]:
    return [point[:2] for point in curve.points[1:-1]]


def test_cumulative_incidence_is_what_hand_work_gives() -> None:
    detected = survival.cumulative_incidence(SEVEN, 1, 7.0)
    expired = survival.cumulative_incidence(SEVEN, 2, 7.0)
    for curve, expected in ((detected, DETECTED), (expired, EXPIRED)):
        np.testing.assert_allclose(steps(curve), expected, rtol=1e-12)
        assert curve.points[0] == (0.0, 0.0, 0.0, 0.0)
        assert curve.points[-1] == (7.0, *curve.points[-2][1:])
        assert all(low <= value <= high for _, value, low, high in curve.points)
    assert detected.n == 7


def test_a_curve_ends_where_it_is_told_to() -> None:
    curve = survival.cumulative_incidence(SEVEN, 1, 4.0)
    np.testing.assert_allclose(steps(curve), DETECTED[:2])
    assert curve.points[-1][0] == 4.0


def test_quantiles_are_null_where_the_curve_never_gets_there() -> None:
    curve = survival.cumulative_incidence(SEVEN, 1, 7.0)
    assert survival.quantile(curve, 0.25).value == 3.0
    never = survival.quantile(curve, 0.5)
    assert (never.value, never.high) == (None, None)
    assert never.low is not None  # the band's upper end does get there


def test_tied_times_are_exact_in_whatever_order_they_stand() -> None:
    # at 2: two of six; at 5: one detected, one expired, one detected of four, one still open
    rows = [(5, 1), (5, 2), (5, 1), (5, 0), (2, 1), (2, 1)]
    curves = [
        survival.cumulative_incidence(times(*zip(*order, strict=True)), 1, 6.0)
        for order in (rows, rows[::-1], rows[2:] + rows[:2])
    ]
    assert steps(curves[0]) == [(2.0, pytest.approx(1 / 3)), (5.0, pytest.approx(2 / 3))]
    for curve in curves[1:]:
        np.testing.assert_allclose(curve.points, curves[0].points)


def test_nothing_seen_still_bounds_what_may_happen() -> None:
    curve = survival.cumulative_incidence(times(np.full(10, 8.0), np.zeros(10)), 1, 8.0)
    assert curve.points[-1][:3] == (8.0, 0.0, 0.0)
    assert curve.points[-1][3] == pytest.approx(0.2775, abs=1e-4)  # Wilson, 0 of 10
    assert survival.cumulative_incidence(times([], []), 1, 8.0).n == 0


def test_all_detected_ends_at_one_with_an_interval_below_it() -> None:
    curve = survival.cumulative_incidence(times([1, 2, 3], [1, 1, 1]), 1, 4.0)
    _, value, low, high = curve.points[-1]
    assert value == pytest.approx(1.0)
    assert high == pytest.approx(1.0)
    assert 0.3 < low < 0.6  # Wilson, 3 of 3


def test_copies_of_the_same_luck_narrow_nothing() -> None:
    once = survival.cumulative_incidence(SEVEN, 1, 7.0)
    thrice = times(
        np.repeat(SEVEN.time_s, 3), np.repeat(SEVEN.cause, 3), np.repeat(np.arange(7), 3)
    )
    again = survival.cumulative_incidence(thrice, 1, 7.0)
    np.testing.assert_allclose(again.points, once.points, rtol=1e-6)
    assert again.n == 7
    plain = survival.cumulative_incidence(times(thrice.time_s, thrice.cause), 1, 7.0)
    assert plain.points[-1][3] - plain.points[-1][2] < 0.7 * (
        once.points[-1][3] - once.points[-1][2]
    )


def test_restricted_mean_is_the_mean_of_the_cut_times_when_nothing_is_censored() -> None:
    time_s = np.array([1.0, 2, 4, 8, 16])
    found = survival.restricted_mean(times(time_s, np.ones(5)), 10.0)
    cut = np.minimum(time_s, 10)
    half = 2.776445 * cut.std(ddof=1) / np.sqrt(5)  # Student's t, as for any mean of five
    assert found.value == pytest.approx(cut.mean())
    assert found.low == pytest.approx(max(0.0, cut.mean() - half), rel=1e-6)
    assert found.high == pytest.approx(min(10.0, cut.mean() + half), rel=1e-6)
    assert found.n == 5


def test_restricted_mean_by_hand_with_one_censored() -> None:
    # S = 1 on [0, 2), 3/4 on [2, 6), 3/8 on [6, 8): 2 + 3 + 0.75
    found = survival.restricted_mean(times([2, 4, 6, 9], [1, 0, 2, 1]), 8.0)
    assert found.value == pytest.approx(5.75)


def test_restricted_mean_is_not_estimable_beyond_what_was_watched() -> None:
    found = survival.restricted_mean(times([1, 2], [1, 0]), 5.0)
    assert found.value is None
    assert found.n == 2


def test_restricted_mean_without_an_end_is_the_whole_window_and_bounded_from_below() -> None:
    found = survival.restricted_mean(times(np.full(10, 8.0), np.zeros(10)), 8.0)
    assert found.value == 8.0
    # 1 − 0.025^(1/10), Clopper and Pearson at none of ten
    assert found.low == pytest.approx(8 * (1 - 0.3085), abs=1e-3)
    assert found.high == 8.0


def test_many_clusters_are_left_out_in_groups_and_say_the_same() -> None:
    rng = np.random.default_rng(4)
    many = times(rng.exponential(1, 1000), rng.integers(0, 3, 1000))
    found = survival.restricted_mean(many, 2.0)
    survived = np.minimum(many.time_s, 2.0)
    assert found.n == 1000
    assert found.high - found.low == pytest.approx(3.92 * survived.std() / 1000**0.5, rel=0.35)


def test_a_share_of_one_but_for_rounding_has_the_interval_of_one() -> None:
    assert survival._band(1.0 - 2**-53, 3e-27, 285) == pytest.approx(survival._band(1.0, 0.0, 285))
