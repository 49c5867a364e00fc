"""Estimates against numbers from tables and from hand work."""

from math import inf

import numpy as np
import pytest
from scipy import stats

from analysis import estimators
from scenarios.record.estimate import Estimate


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


def test_mean_is_students() -> None:
    found = estimators.mean([1.0, 2.0, 3.0, 4.0], "s")
    reference = stats.ttest_1samp([1, 2, 3, 4], 0).confidence_interval(0.95)
    assert found.value == 2.5
    assert ends(found) == pytest.approx((reference.low, reference.high))
    assert (found.n, found.unit) == (4, "s")


def test_sums_say_the_same_as_their_observations() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    found = estimators.mean_of_sums(4, sum(values), sum(v * v for v in values), "s")
    assert ends(found) == pytest.approx(ends(estimators.mean(values, "s")))


def test_one_replication_has_no_interval_and_none_has_no_value() -> None:
    assert estimators.mean([2.0], "s") == Estimate(2.0, None, None, 1, "s")
    assert estimators.mean([], "s") == Estimate(None, None, None, 0, "s")


def test_infinite_is_said_and_not_computed_with() -> None:
    assert estimators.mean([1.0, inf], "s") == Estimate(None, None, None, 2, "s", infinite=True)


@pytest.mark.parametrize(
    ("events", "low", "high"),
    [(0, 0.0, 3.6889), (1, 0.02532, 5.5716), (10, 4.7954, 18.3904)],  # Garwood's table
)
def test_rate_is_exact(events: int, low: float, high: float) -> None:
    found = estimators.rate(events, 2.0, "1/d")
    assert found.value == events / 2
    assert ends(found) == pytest.approx((low / 2, high / 2), rel=1e-4)
    assert found.n == events


def test_share_is_wilsons() -> None:
    assert ends(estimators.share(0, 10)) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert ends(estimators.share(5, 10)) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert estimators.share(0, 0).value is None


def test_median_lies_between_order_statistics_and_says_what_few_are_worth() -> None:
    ten = estimators.median([float(v) for v in range(1, 11)], "s")
    assert (ten.value, *ends(ten)) == (5.5, 2.0, 9.0)  # 1 − 2·P(Bin(10, ½) ≤ 1) = 97.9 %
    assert ten.level == 0.95
    three = estimators.median([3.0, 1.0, 2.0], "s")
    assert (three.value, *ends(three), three.level) == (2.0, 1.0, 3.0, 0.75)
    assert estimators.median([3.0], "s").low is None


def test_share_and_rank_agree_with_scipy_s_own() -> None:
    sizes = np.arange(1, 400)
    for probability, q in [(0.025, 0.5), (0.025, 0.9), (0.975, 0.9), (0.975, 0.1)]:
        ranks = [estimators._binomial_quantile(probability, int(n), q) for n in sizes]
        assert ranks == stats.binom.ppf(probability, sizes, q).astype(int).tolist()
    for k, n in [(0, 1), (1, 1), (1, 3), (37, 370), (400, 401)]:
        wilson = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        assert ends(estimators.share(k, n)) == pytest.approx((wilson.low, wilson.high), rel=1e-12)


def test_difference_and_ratio_combine_intervals() -> None:
    a, b = Estimate(10.0, 8.0, 12.0, 5, "s"), Estimate(4.0, 3.0, 5.0, 9, "s")
    apart = estimators.difference(a, b)
    assert apart.value == 6.0
    assert ends(apart) == pytest.approx((6 - 5**0.5, 6 + 5**0.5))
    assert apart.n == 5
    times = estimators.ratio(a, b)
    assert times.value == pytest.approx(2.5)
    low, high = ends(times)
    assert 8 / 5 < low < 2.5 < high < 12 / 3
    wide = Estimate(4.0, 0.0, 5.0, 9, "s")
    assert estimators.ratio(a, wide).value is None
    assert estimators.difference(a, Estimate(1.0, None, None, 1, "s")).value is None


def test_a_comparison_covers_what_its_parts_cover() -> None:
    a = Estimate(10.0, 8.0, 12.0, 5, "s", covers="sampling+parameters")
    b = Estimate(4.0, 3.0, 5.0, 9, "s")
    assert estimators.difference(b, a).covers == "sampling+parameters"
    assert estimators.difference(b, b).covers == "sampling"


def test_a_quantile_has_the_interval_of_its_order_statistics() -> None:
    """Of 59 values the largest exceeds the 95 % quantile with probability 1 − 0.95⁵⁹ = 0.95."""
    values = [float(k) for k in range(1, 60)]
    found = estimators.quantile(values, 0.5, "s")
    assert found.value == 30.0
    assert ends(found) == ends(estimators.median(values, "s"))
    tail = estimators.quantile(values, 0.95, "s")
    assert tail.high is None  # not 97.5 %
    longer = estimators.quantile([float(k) for k in range(1, 74)], 0.95, "s")
    assert longer.high == 73.0  # 1 − 0.95⁷³ = 0.976


def test_the_median_of_a_run_spreads_as_beta_says() -> None:
    """The median of 30 uniform numbers has standard deviation 1/(2·√32) = 0.088."""
    uniform = [k / 1000.0 for k in range(1001)]
    low, high = estimators.spread_of_median(uniform, 30)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.088, 0.5 + 1.96 * 0.088), abs=0.005)
