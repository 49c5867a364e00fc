"""What is known about the arrivals of one worker: latency histograms by op, code and batch.

The hot path only appends to lists; ``merge`` turns them into counts with numpy a few times a
second. The histograms have the bucket layout of HdrHistogram (1 µs to 1 h, 3 significant digits),
so they are encoded without loss and merged by adding.
"""

from array import array
from base64 import b64decode
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from loadgen.generator.protocol import LAG_OP, OWN_OPS, POOL_OP, UNSENT, GeneratorPlan
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


def slot_middle_s(slot: int) -> float:
    """Return the middle of a slot, in seconds."""
    low = _SHAPE.get_value_from_index(slot)
    return float(low + _SHAPE.get_highest_equivalent_value(low)) / 2e6


def percentile_s(counts: Counts, percent: float) -> float | None:
    """Return a percentile of a histogram in seconds, None when it is empty."""
    used = np.flatnonzero(counts)
    if not len(used):
        return None
    below = np.cumsum(counts[used])
    rank = max(1, int(np.ceil(percent / 100 * int(below[-1]))))
    return slot_top_s(int(used[np.searchsorted(below, rank)]))


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
class Digest:
    """Latencies of one kind as histogram slots, with what a histogram does not keep."""

    slots: NDArray[np.int64]
    """one per latency, not sorted, not counted: counting them costs more than adding them up"""
    sum_s: float
    min_s: float
    max_s: float

    @classmethod
    def of(cls, seconds: NDArray[np.float64]) -> "Digest":
        """Sort latencies into slots; negative ones, by a clock's last digit, are zero."""
        us = np.rint(seconds * 1e6).astype(np.int64)
        return cls(slot_of(us), float(seconds.sum()), float(seconds.min()), float(seconds.max()))

    @property
    def n(self) -> int:
        """Number of latencies."""
        return len(self.slots)


class Sink(Protocol):
    """Where merged results go besides the histograms (Locust's statistics)."""

    def finished(self, op: str, code: str, latency: Digest, body_bytes: int) -> None:
        """Take arrivals of one op and code that ended since the last merge."""
        ...

    def lag(self, lag: Digest) -> None:
        """Take the generator's own lateness since the last merge."""
        ...


class Recorder:
    """Counts of one worker.

    The arrays are public because the engine's hot path appends to them directly; a method call
    would cost more than the append.
    """

    def __init__(self, plan: GeneratorPlan, schedule: Schedule, sink: Sink | None = None) -> None:
        self.plan = plan
        self.schedule = schedule
        self.sink = sink
        self.ok_arrival = array("q")
        self.ok_done_s = array("d")
        self.ok_bytes = array("q")
        self.lag_s = array("d")
        """one value per arrival, in their order"""
        self.waited: list[tuple[int, float]] = []
        """arrival, run time when it was sent"""
        self.failed: list[tuple[int, float, str]] = []
        """arrival, run time when it ended, code"""
        self.handshakes: list[tuple[str, str, float, float]] = []
        """op, code, run time when it ended, seconds that it took"""
        self.ok = 0
        self.errors: Counter[str] = Counter()
        self.over_threshold: Counter[str] = Counter()
        self.waited_total = 0
        self.ok_counts: Counts = np.zeros(SLOTS, np.int64)
        """latency of all ``ok`` arrivals so far, warm-up included"""
        self.lag_counts: Counts = np.zeros(SLOTS, np.int64)
        self.lag_counts_kept: Counts = np.zeros(SLOTS, np.int64)
        """the same without the warm-up"""
        self._lag_seen = 0
        self._batch = batch_of(schedule.t_s, plan.warmup_s, plan.seconds, plan.batches)
        self._names = [op.value for op in plan.ops]
        self._thresholds = {op.value: limit for op, limit in plan.thresholds_s.items()}
        self._histograms: dict[tuple[str, str, int], Counts] = {}
        self._unsent: Counter[tuple[str, int]] = Counter()
        self._pieces: deque[Callable[[], None]] = deque()

    def rehearse(self) -> None:
        """Merge made-up values into nothing, so that the first real merge finds warm code."""
        if len(self.schedule):
            spare = Recorder(self.plan, self.schedule)
            spare.ok_arrival.append(0)
            spare.ok_done_s.append(float(self.schedule.t_s[0]))
            spare.ok_bytes.append(0)
            spare.lag_s.append(0.0)
            spare.merge()

    def merge(self) -> None:
        """Turn what has been appended since the last call into counts."""
        while self._pieces:
            self._pieces.popleft()()
        self._begin()
        while self._pieces:
            self._pieces.popleft()()

    def merge_piece(self) -> None:
        """Do a piece of the work of ``merge``, short enough for a gap between two requests."""
        if not self._pieces:
            self._begin()
        else:
            self._pieces.popleft()()

    @property
    def merging(self) -> bool:
        """Whether a merge by pieces has begun and not ended."""
        return bool(self._pieces)

    def _begin(self) -> None:
        """Set aside what there is and note the pieces of its merge."""
        if self.ok_arrival:
            # a view of the array, which therefore must not grow any more: start new ones
            arrival = np.frombuffer(self.ok_arrival, np.int64)
            done = np.frombuffer(self.ok_done_s, np.float64)
            sizes = np.frombuffer(self.ok_bytes, np.int64)
            self.ok_arrival, self.ok_done_s, self.ok_bytes = array("q"), array("d"), array("q")
            self._pieces.append(partial(self._merge_ok, arrival, done, sizes))
        if self.lag_s:
            lag = np.frombuffer(self.lag_s, np.float64)
            self.lag_s = array("d")
            self._pieces.append(partial(self._merge_lag, lag))
        for rows, merge in (
            (self.waited, self._merge_waited),
            (self.failed, self._merge_failed),
            (self.handshakes, self._merge_handshakes),
        ):
            if rows:
                self._pieces.append(merge)

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
        op = self.schedule.op[arrival]
        for number, chosen in _groups(op):
            name = self._names[number]
            part = latency[chosen]
            if name in self._thresholds:
                over = int((part > self._thresholds[name]).sum())
                if over:
                    self.over_threshold[name] += over
            batch = self._batch[arrival[chosen]]
            size = int(sizes[chosen].sum())
            # first of all, for the order of a merge is the order of its pieces
            self._pieces.appendleft(partial(self._add, name, "ok", batch, part, size))

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
            self._add(self._names[op], code, self._batch[arrivals], latency, 0)

    def _merge_lag(self, lag: NDArray[np.float64]) -> None:
        first = self._lag_seen
        self._lag_seen += len(lag)
        self._add(LAG_OP, "ok", self._batch[first : self._lag_seen], lag, 0)

    def _merge_waited(self) -> None:
        arrival = np.array([pair[0] for pair in self.waited], np.int64)
        sent = np.array([pair[1] for pair in self.waited])
        self.waited.clear()
        self.waited_total += len(arrival)
        self._add(POOL_OP, "ok", self._batch[arrival], sent - self.schedule.t_s[arrival], 0)

    def _merge_handshakes(self) -> None:
        plan = self.plan
        for op, code, ended_s, took_s in self.handshakes:
            when = np.array([ended_s])
            batch = batch_of(when, plan.warmup_s, plan.seconds, plan.batches)
            self._add(op, code, batch, np.array([took_s]), 0)
        self.handshakes.clear()

    def _add(
        self,
        op: str,
        code: str,
        batch: NDArray[np.int64],
        latency_s: NDArray[np.float64],
        body_bytes: int,
    ) -> None:
        for number, chosen in _groups(batch):
            digest = Digest.of(latency_s[chosen])
            np.add.at(self._histogram(op, code, number), digest.slots, 1)
            if op == LAG_OP:
                np.add.at(self.lag_counts, digest.slots, 1)
                if number >= 0:
                    np.add.at(self.lag_counts_kept, digest.slots, 1)
            elif code == "ok" and op not in OWN_OPS:
                np.add.at(self.ok_counts, digest.slots, 1)
            if self.sink is None:
                continue
            if op == LAG_OP:
                self.sink.lag(digest)
            elif op not in OWN_OPS:
                self.sink.finished(op, code, digest, body_bytes)
                body_bytes = 0

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


def _groups(keys: NDArray[Any]) -> list[tuple[int, Any]]:
    """Return each value that occurs with an index that selects its places.

    Nearly always there is only one: then the index selects everything without a copy.
    """
    first = int(keys[0])
    if (keys == first).all():
        return [(first, slice(None))]
    return [(number, keys == number) for number in sorted(set(keys.tolist()))]


def sparse(counts: Counts) -> list[bytes]:
    """Return the used slots and their counts as two byte strings (int32, int64)."""
    used = np.flatnonzero(counts)
    return [used.astype("<i4").tobytes(), counts[used].astype("<i8").tobytes()]


def add_sparse(counts: Counts, packed: list[bytes]) -> None:
    """Add what ``sparse`` packed."""
    slots = np.frombuffer(packed[0], "<i4")
    counts[slots] += np.frombuffer(packed[1], "<i8")
