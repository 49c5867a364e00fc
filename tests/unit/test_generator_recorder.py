"""Histograms agree with the library's, percentiles with the values, counts with the arrivals."""

import numpy as np
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadgen.generator.protocol import GeneratorPlan, WirePlan
from loadgen.generator.recorder import (
    MAX_US,
    SLOTS,
    Digest,
    Recorder,
    add_sparse,
    encode_counts,
    percentile_s,
    slot_of,
    sparse,
)
from loadgen.generator.rounding import round_ms
from loadgen.generator.schedule import Schedule
from loadgen.histogram import decode
from loadgen.targets.port import Endpoint, Op

MICROSECONDS = st.lists(st.integers(0, MAX_US), min_size=1, max_size=100)


@given(MICROSECONDS)
def test_slots_and_encoding_are_those_of_the_library(values: list[int]) -> None:
    library = HdrHistogram(1, MAX_US, 3)
    for value in values:
        library.record_value(value)
    counts = np.zeros(SLOTS, np.int64)
    np.add.at(counts, slot_of(np.array(values, np.int64)), 1)
    ours = decode(encode_counts(counts))
    assert ours.get_total_count() == len(values)
    assert [ours.get_count_at_index(i) for i in np.flatnonzero(counts)] == [
        library.get_count_at_index(i) for i in np.flatnonzero(counts)
    ]


@given(MICROSECONDS, st.floats(0.1, 100))
def test_percentiles_are_within_the_resolution(values: list[int], percent: float) -> None:
    digest = Digest.of(np.array(values) / 1e6)
    counts = np.zeros(SLOTS, np.int64)
    np.add.at(counts, digest.slots, 1)
    exact = sorted(values)[max(0, int(np.ceil(percent / 100 * len(values))) - 1)]
    found = percentile_s(counts, percent)
    assert found is not None
    assert exact - 1 <= found * 1e6 <= exact * 1.001 + 1


@given(MICROSECONDS, MICROSECONDS)
def test_sparse_counts_add_up(first: list[int], second: list[int]) -> None:
    total = np.zeros(SLOTS, np.int64)
    expected = np.zeros(SLOTS, np.int64)
    for values in (first, second):
        counts = np.zeros(SLOTS, np.int64)
        np.add.at(counts, slot_of(np.array(values, np.int64)), 1)
        add_sparse(total, sparse(counts))
        expected += counts
    assert (total == expected).all()


def test_empty_histogram_has_no_percentile_and_no_bytes() -> None:
    assert percentile_s(np.zeros(SLOTS, np.int64), 99) is None
    assert encode_counts(np.zeros(SLOTS, np.int64)) == b""


def _recorder(n: int) -> Recorder:
    schedule = Schedule(
        np.arange(n, dtype=np.float64),
        np.arange(n, dtype=np.int64),
        np.zeros(n, np.int32),
        (np.arange(n) % 2).astype(np.uint8),
    )
    plan = GeneratorPlan(
        endpoint=Endpoint("127.0.0.1", 1),
        wire=WirePlan("none"),
        ops=[Op.ISSUE_JWT, Op.AUTHORIZE],
        seconds=float(n),
        batches=2,
        warmup_s=2.0,
        thresholds_s={Op.AUTHORIZE: 0.05},
    )
    return Recorder(plan, schedule)


def test_rows_hold_every_arrival_once() -> None:
    recorder = _recorder(10)
    for arrival in range(8):
        recorder.lag_s.append(0.001)
        if arrival == 5:
            recorder.failed.append((arrival, arrival + 0.3, "503"))
        else:
            recorder.ok_arrival.append(arrival)
            recorder.ok_done_s.append(arrival + 0.01 * (arrival + 1))
            recorder.ok_bytes.append(3)
        if arrival in {2, 6}:
            recorder.merge()
    recorder.merge()
    recorder.unsent(np.array([8, 9]))
    found = {(row.op, row.code, row.batch): row.count for row in recorder.rows() if row.op != "lag"}
    assert found == {
        ("issue-jwt", "ok", -1): 1,
        ("authorize", "ok", -1): 1,
        ("issue-jwt", "ok", 0): 2,
        ("authorize", "ok", 0): 1,
        ("authorize", "503", 0): 1,
        ("issue-jwt", "ok", 1): 1,
        ("authorize", "ok", 1): 1,
        ("issue-jwt", "unsent", 1): 1,
        ("authorize", "unsent", 1): 1,
    }
    assert recorder.ok == 7
    assert recorder.errors == {"503": 1, "unsent": 2}
    assert recorder.over_threshold == {"authorize": 1}  # arrival 7: 80 ms
    latency = percentile_s(recorder.ok_counts, 100)
    assert latency is not None
    assert abs(latency - 0.08) < 0.0001
    assert recorder.lag_counts.sum() == 8
    assert recorder.lag_counts_kept.sum() == 6


def test_three_digits_for_locust() -> None:
    assert [round_ms(ms) for ms in (0.0, 0.12345, 1.2345, 906.4, 12345.6)] == [
        0.0,
        0.123,
        1.23,
        906.0,
        12300.0,
    ]
