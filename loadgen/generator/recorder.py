"""What is known about the arrivals of one worker: latency histograms by op, code and batch.

The hot path only appends to lists; ``merge`` turns them into counts with numpy a few times a
second. The histograms have the bucket layout of HdrHistogram (1 µs to 1 h, 3 significant digits),
so they are encoded without loss and merged by adding.
"""

from base64 import b64decode
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from loadgen.generator.protocol import UNSENT, GeneratorPlan
from loadgen.generator.schedule import Schedule, batch_of
from scenarios.record.tables import OperationRow

MIN_US, MAX_US, DIGITS = 1, 3_600_000_000, 3
_SHAPE = HdrHistogram(MIN_US, MAX_US, DIGITS)
SLOTS: int = _SHAPE.counts_len
_HALF_BITS: int = _SHAPE.sub_bucket_half_count_magnitude
_MASK: int = _SHAPE.sub_bucket_mask

Counts = NDArray[np.int64]


def slot_of(us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the HdrHistogram slot of each value in microseconds, clipped to the range."""
    value = np.clip(us, 0, MAX_US)
    _, exponent = np.frexp((value | _MASK).astype(np.float64))
    bucket = exponent.astype(np.int64) - (_HALF_BITS + 1)
    return (bucket << _HALF_BITS) + (value >> bucket)


def slot_top_s(slot: int) -> float:
    """Return the largest value of a slot, in seconds."""
    return float(_SHAPE.get_highest_equivalent_value(_SHAPE.get_value_from_index(slot))) / 1e6


def percentile_s(counts: Counts, percent: float) -> float | None:
    """Return a percentile of a histogram in seconds, None when it is empty."""
    total = int(counts.sum())
    if total == 0:
        return None
    rank = max(1, int(np.ceil(percent / 100 * total)))
    return slot_top_s(int(np.searchsorted(np.cumsum(counts), rank)))


def add_values(counts: Counts, us: NDArray[np.int64]) -> None:
    """Count values into a histogram."""
    slots, n = np.unique(slot_of(us), return_counts=True)
    counts[slots] += n


def encode_counts(counts: Counts) -> bytes:
    """Return a histogram in HdrHistogram's compressed V2 form, empty bytes if it has no values."""
    used = np.flatnonzero(counts)
    if not len(used):
        return b""
    histogram = HdrHistogram(MIN_US, MAX_US, DIGITS)
    np.frombuffer(histogram.counts, dtype=np.uint64)[:] = counts
    histogram.set_internal_tacking_values(int(used[0]), int(used[-1]), int(counts.sum()))
    return b64decode(histogram.encode())


@dataclass(frozen=True, slots=True)
class Finished:
    """Arrivals of one op and one code that ended since the last merge."""

    op: str
    code: str
    latency_s: NDArray[np.float64]
    body_bytes: int


class Sink(Protocol):
    """Where merged batches go besides the histograms (Locust's statistics)."""

    def finished(self, batch: Finished) -> None:
        """Take arrivals of one op and code."""
        ...

    def lag(self, lag_s: NDArray[np.float64]) -> None:
        """Take the generator's own lateness."""
        ...


class Recorder:
    """Counts of one worker.

    The lists are public because the engine's hot path appends to them directly; a method call
    would cost as much as the append.
    """

    def __init__(self, plan: GeneratorPlan, schedule: Schedule, sink: Sink | None = None) -> None:
        self.plan = plan
        self.schedule = schedule
        self.sink = sink
        self.ok_arrival: list[int] = []
        self.ok_done_s: list[float] = []
        self.ok_bytes: list[int] = []
        self.lag_arrival: list[int] = []
        self.lag_s: list[float] = []
        self.waited: list[tuple[int, float]] = []
        self.failed: list[tuple[int, float, str]] = []
        self.handshakes: list[tuple[str, str, float, float]] = []
        """op, code, run time when it ended, seconds that it took"""
        self.ok = 0
        self.errors: Counter[str] = Counter()
        self.over_threshold: Counter[str] = Counter()
        self.waited_total = 0
        self.ok_counts: Counts = np.zeros(SLOTS, np.int64)
        self.lag_counts: Counts = np.zeros(SLOTS, np.int64)
        self.lag_counts_kept: Counts = np.zeros(SLOTS, np.int64)
        """lag without the warm-up"""
        self._batch = batch_of(schedule.t_s, plan.warmup_s, plan.seconds, plan.batches)
        self._names = [op.value for op in plan.ops]
        self._thresholds = {op.value: limit for op, limit in plan.thresholds_s.items()}
        self._histograms: dict[tuple[str, str, int], Counts] = {}
        self._unsent: Counter[tuple[str, int]] = Counter()

    def merge(self) -> None:
        """Turn what has been appended since the last call into counts."""
        if self.ok_arrival:
            arrival = np.array(self.ok_arrival, np.int64)
            done = np.array(self.ok_done_s)
            sizes = np.array(self.ok_bytes, np.int64)
            self.ok_arrival.clear()
            self.ok_done_s.clear()
            self.ok_bytes.clear()
            self._merge_ok(arrival, done, sizes)
        if self.lag_arrival:
            self._merge_lag()
        if self.waited:
            self._merge_waited()
        if self.failed:
            self._merge_failed()
        if self.handshakes:
            self._merge_handshakes()

    def unsent(self, arrivals: NDArray[np.int64]) -> None:
        """Count arrivals that were never sent; they have no latency."""
        ops = self.schedule.op[arrivals]
        batches = self._batch[arrivals]
        for op, batch in zip(ops.tolist(), batches.tolist(), strict=True):
            self._unsent[self._names[op], batch] += 1
        self.errors[UNSENT] += len(arrivals)

    def _merge_ok(
        self, arrival: NDArray[np.int64], done: NDArray[np.float64], sizes: NDArray[np.int64]
    ) -> None:
        latency = done - self.schedule.t_s[arrival]
        self.ok += len(arrival)
        add_values(self.ok_counts, _us(latency))
        op = self.schedule.op[arrival]
        for number in np.unique(op).tolist():
            chosen = op == number
            name = self._names[number]
            part = latency[chosen]
            self._add(name, "ok", arrival[chosen], part)
            if name in self._thresholds:
                over = int((part > self._thresholds[name]).sum())
                if over:
                    self.over_threshold[name] += over
            if self.sink is not None:
                self.sink.finished(Finished(name, "ok", part, int(sizes[chosen].sum())))

    def _merge_failed(self) -> None:
        groups: dict[tuple[int, str], list[tuple[int, float]]] = {}
        for arrival, done_s, code in self.failed:
            self.errors[code] += 1
            key = (int(self.schedule.op[arrival]), code)
            groups.setdefault(key, []).append((arrival, done_s))
        self.failed.clear()
        for (op, code), pairs in groups.items():
            arrivals = np.array([pair[0] for pair in pairs], np.int64)
            latency = np.array([pair[1] for pair in pairs]) - self.schedule.t_s[arrivals]
            self._add(self._names[op], code, arrivals, latency)
            if self.sink is not None:
                self.sink.finished(Finished(self._names[op], code, latency, 0))

    def _merge_lag(self) -> None:
        arrival = np.array(self.lag_arrival, np.int64)
        lag = np.array(self.lag_s)
        self.lag_arrival.clear()
        self.lag_s.clear()
        us = _us(lag)
        add_values(self.lag_counts, us)
        add_values(self.lag_counts_kept, us[self._batch[arrival] >= 0])
        self._add("lag", "ok", arrival, lag)
        if self.sink is not None:
            self.sink.lag(lag)

    def _merge_waited(self) -> None:
        arrival = np.array([pair[0] for pair in self.waited], np.int64)
        sent = np.array([pair[1] for pair in self.waited])
        self.waited.clear()
        self.waited_total += len(arrival)
        self._add("pool-wait", "ok", arrival, sent - self.schedule.t_s[arrival])

    def _merge_handshakes(self) -> None:
        plan = self.plan
        for op, code, ended_s, took_s in self.handshakes:
            when = np.array([ended_s])
            batch = int(batch_of(when, plan.warmup_s, plan.seconds, plan.batches)[0])
            add_values(self._histogram(op, code, batch), _us(np.array([took_s])))
        self.handshakes.clear()

    def _add(
        self, op: str, code: str, arrivals: NDArray[np.int64], latency_s: NDArray[np.float64]
    ) -> None:
        batch = self._batch[arrivals]
        us = _us(latency_s)
        first = int(batch[0])
        if (batch == first).all():
            add_values(self._histogram(op, code, first), us)
            return
        for number in np.unique(batch).tolist():
            add_values(self._histogram(op, code, number), us[batch == number])

    def _histogram(self, op: str, code: str, batch: int) -> Counts:
        key = (op, code, batch)
        counts = self._histograms.get(key)
        if counts is None:
            counts = self._histograms[key] = np.zeros(SLOTS, np.int64)
        return counts

    def rows(self) -> list[OperationRow]:
        """Return one row per op × code × batch, warm-up (batch −1) included."""
        rows = [
            self._row(op, code, batch, int(counts.sum()), encode_counts(counts))
            for (op, code, batch), counts in sorted(self._histograms.items())
        ]
        rows += [
            self._row(op, UNSENT, batch, count, b"")
            for (op, batch), count in sorted(self._unsent.items())
        ]
        return rows

    def _row(self, op: str, code: str, batch: int, count: int, histogram: bytes) -> OperationRow:
        plan = self.plan
        return OperationRow(
            plan.point, plan.regime, plan.replication, batch, op, code, count, histogram
        )

    def snapshot(self) -> dict[str, Any]:
        """Return the counts so far as plain data, for the progress line."""
        return {
            "ok": self.ok,
            "errors": dict(self.errors),
            "waited": self.waited_total,
            "over_threshold": dict(self.over_threshold),
            "latency": sparse(self.ok_counts),
            "lag": sparse(self.lag_counts),
        }


def _us(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.maximum(np.rint(seconds * 1e6), 0).astype(np.int64)


def sparse(counts: Counts) -> list[bytes]:
    """Return the used slots and their counts as two byte strings (int32, int64)."""
    used = np.flatnonzero(counts)
    return [used.astype("<i4").tobytes(), counts[used].astype("<i8").tobytes()]


def add_sparse(counts: Counts, packed: list[bytes]) -> None:
    """Add what ``sparse`` packed."""
    slots = np.frombuffer(packed[0], "<i4")
    counts[slots] += np.frombuffer(packed[1], "<i8")
