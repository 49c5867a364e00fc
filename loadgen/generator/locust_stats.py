"""Merged results into Locust's statistics, so that its console, CSV and web UI are right.

Locust's way is one ``request`` event per request (about 10 µs). This does what ``StatsEntry.log``
does, n requests at a time. Listeners of the ``request`` event are therefore not called.
"""

import math
import time

import locust.stats
import numpy as np
from locust.env import Environment
from locust.stats import StatsEntry, StatsError
from numpy.typing import NDArray

from loadgen.generator.protocol import LAG_OP
from loadgen.generator.recorder import Finished

METHOD = "open"
"""what Locust's *Type* column says: open-loop, latency from the intended start"""

_DIGITS = 3


def round_ms(milliseconds: float) -> float:
    """Return a response time with 3 significant digits.

    Locust's own rule keeps whole milliseconds, under which a service that answers in 0.3 ms has a
    median of 0, and 906 ms becomes 910.
    """
    if milliseconds <= 0:
        return 0.0
    return round(milliseconds, _DIGITS - 1 - math.floor(math.log10(milliseconds)))


def use_fine_buckets() -> None:
    """Replace Locust's rounding of response times by ``round_ms``."""
    locust.stats.bucket_response_time = round_ms  # type: ignore[assignment]


class LocustSink:
    """Adds merged batches to the statistics of a Locust environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def finished(self, batch: Finished) -> None:
        """Add arrivals of one op and code; anything but ``ok`` is a failure to Locust."""
        # looked up each time: a reset replaces the entries
        stats = self._environment.stats
        ms = batch.latency_s * 1e3
        entries = (stats.total, stats.entries[batch.op, METHOD])
        for entry in entries:
            _log(entry, ms, batch.body_bytes)
        if batch.code == "ok":
            return
        second = int(time.time())
        for entry in entries:
            entry.num_failures += len(ms)
            entry.num_fail_per_sec[second] += len(ms)
        key = StatsError.create_key(METHOD, batch.op, batch.code)
        error = stats.errors.get(key)
        if error is None:
            error = stats.errors[key] = StatsError(METHOD, batch.op, batch.code)
        error.occurred()
        error.occurrences += len(ms) - 1

    def lag(self, lag_s: NDArray[np.float64]) -> None:
        """Add the generator's own lateness: a row of its own, outside the aggregate."""
        _log(self._environment.stats.entries[LAG_OP, METHOD], lag_s * 1e3, 0)


def _log(entry: StatsEntry, ms: NDArray[np.float64], content_length: int) -> None:
    now = time.time()
    second = int(now)
    last = entry.last_request_timestamp
    if entry.use_response_times_cache and last and second > int(last):
        entry._cache_response_times(second - 1)  # noqa: SLF001  (what StatsEntry.log does)
    n = len(ms)
    entry.num_requests += n
    entry.num_reqs_per_sec[second] += n
    entry.last_request_timestamp = now
    entry.total_content_length += content_length
    low, high = float(ms.min()), float(ms.max())
    entry.total_response_time += float(ms.sum())  # type: ignore[assignment]
    smallest = low if entry.min_response_time is None else min(entry.min_response_time, low)
    entry.min_response_time = smallest  # type: ignore[assignment]
    entry.max_response_time = max(entry.max_response_time, high)  # type: ignore[assignment]
    times = entry.response_times
    values, counts = np.unique(_round(ms), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        times[value] = times.get(value, 0) + count


def _round(ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """``round_ms`` for many values, exact decimals so that equal times meet in one key."""
    positive = np.maximum(ms, 1e-6)
    digits = np.floor(np.log10(positive)).astype(np.int64) - (_DIGITS - 1)
    rounded = np.empty_like(positive)
    for power in np.unique(digits).tolist():
        chosen = digits == power
        rounded[chosen] = np.round(positive[chosen], -power)
    return rounded
