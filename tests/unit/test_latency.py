"""Percentiles of merged histograms and the intervals that batches give."""

import numpy as np
import pytest

from analysis.latency import Latencies, decode, latencies, merge, percentile
from tests.records import histogram, operation


def batches(number: int, each: int, seed: int = 1) -> Latencies:
    rng = np.random.default_rng(seed)
    rows = [
        operation("authorize", rng.lognormal(-6, 0.5, each).tolist(), batch=batch)
        for batch in range(number)
    ]
    found = latencies(rows)
    assert found is not None
    return found


def test_merging_is_counting_all_together() -> None:
    rng = np.random.default_rng(2)
    fast, slow = rng.uniform(0.001, 0.002, 900).tolist(), rng.uniform(0.5, 1.0, 100).tolist()
    merged = merge([decode(histogram(fast)), decode(histogram(slow))])
    whole = decode(histogram(fast + slow))
    for share in (50, 89, 95, 99, 99.9):
        assert merged.get_value_at_percentile(share) == whole.get_value_at_percentile(share)


def test_the_value_is_the_merged_percentile_and_never_an_average() -> None:
    # one slow batch of ten: the mean of the batches' p95 would be 0.1 s, the truth is 1 s
    rows = [
        operation("issue", [1.0 if batch == 3 else 0.001] * 200, batch=batch) for batch in range(10)
    ]
    found = latencies(rows)
    assert found is not None
    assert percentile(found, 0.95)[0].value == pytest.approx(1.0, rel=1e-3)
    assert percentile(found, 0.5)[0].value == pytest.approx(0.001, rel=1e-3)


def test_the_warm_up_and_rows_without_latencies_are_left_out() -> None:
    rows = [operation("issue", [9.0], batch=-1), operation("issue", [0.001], batch=0)]
    found = latencies(rows)
    assert found is not None
    assert found.count == 1
    assert latencies([operation("issue", [9.0], batch=-1)]) is None


def test_every_result_code_counts() -> None:
    rows = [operation("issue", [0.001] * 50), operation("issue", [10.0] * 50, code="timeout")]
    found = latencies(rows)
    assert found is not None
    assert found.count == 100
    assert found.max_s() == pytest.approx(10, rel=1e-3)


def test_an_interval_covers_the_true_percentile_as_often_as_it_says() -> None:
    truth = float(np.exp(-6 + 0.5 * 1.6448536))
    covered = 0
    for seed in range(40):
        found, why = percentile(batches(10, 300, seed), 0.95)
        assert why == ""
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert covered >= 34  # P(Bin(40, 0.95) < 34) = 0.3 %


def test_too_few_arrivals_give_no_interval_and_the_reason() -> None:
    found, why = percentile(batches(10, 40), 0.99)
    assert found.value is not None
    assert (found.low, found.high) == (None, None)
    assert why == "400 latencies are too few for an interval of p99 (needs 2500)"
    assert percentile(batches(10, 40), 0.5)[1] == ""
