"""Merged results into Locust's statistics, so that its console, CSV and web UI are right.

Locust's way is one ``request`` event per request (about 10 µs). This does what ``StatsEntry.log``
does, n requests at a time. Listeners of the ``request`` event are therefore not called.
"""

import time

import locust.stats
from locust.env import Environment
from locust.stats import StatsEntry, StatsError

from loadgen.generator.protocol import LAG_OP
from loadgen.generator.recorder import SLOTS, Digest, slot_middle_s
from loadgen.generator.rounding import round_ms

METHOD = "open"
"""what Locust's *Type* column says: open-loop, latency from the intended start"""


def use_fine_buckets() -> None:
    """Replace Locust's rounding of response times by ``round_ms``."""
    locust.stats.bucket_response_time = round_ms  # type: ignore[assignment]


def _slot_ms() -> list[float]:
    return [round_ms(slot_middle_s(slot) * 1e3) for slot in range(SLOTS)]


class LocustSink:
    """Adds merged results to the statistics of a Locust environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._slot_ms = _slot_ms()

    def finished(self, op: str, code: str, latency: Digest, body_bytes: int) -> None:
        """Add arrivals of one op and code; anything but ``ok`` is a failure to Locust."""
        # looked up each time: a reset replaces the entries
        stats = self._environment.stats
        entries = (stats.total, stats.entries[op, METHOD])
        self._log(entries, latency, body_bytes)
        if code == "ok":
            return
        second = int(time.time())
        for entry in entries:
            entry.num_failures += latency.n
            entry.num_fail_per_sec[second] += latency.n
        key = StatsError.create_key(METHOD, op, code)
        error = stats.errors.get(key)
        if error is None:
            error = stats.errors[key] = StatsError(METHOD, op, code)
        error.occurred()
        error.occurrences += latency.n - 1

    def lag(self, lag: Digest) -> None:
        """Add the generator's own lateness: a row of its own, outside the aggregate."""
        self._log((self._environment.stats.entries[LAG_OP, METHOD],), lag, 0)

    def _log(self, entries: tuple[StatsEntry, ...], digest: Digest, content_length: int) -> None:
        """Do what ``StatsEntry.log`` does, for many requests at once."""
        now = time.time()
        second = int(now)
        low_ms, high_ms = digest.min_s * 1e3, digest.max_s * 1e3
        table = self._slot_ms
        times = [(table[slot], n) for slot, n in zip(*_lists(digest), strict=True)]
        for entry in entries:
            last = entry.last_request_timestamp
            if entry.use_response_times_cache and last and second > int(last):
                entry._cache_response_times(second - 1)  # noqa: SLF001  (as StatsEntry.log)
            entry.num_requests += digest.n
            entry.num_reqs_per_sec[second] += digest.n
            entry.last_request_timestamp = now
            entry.total_content_length += content_length
            entry.total_response_time += digest.sum_s * 1e3  # type: ignore[assignment]
            smallest = entry.min_response_time
            smallest = low_ms if smallest is None else min(smallest, low_ms)  # type: ignore[assignment]
            entry.min_response_time = smallest
            entry.max_response_time = max(entry.max_response_time, high_ms)  # type: ignore[assignment]
            seen = entry.response_times
            for ms, n in times:
                seen[ms] = seen.get(ms, 0) + n  # type: ignore[index,call-overload]


def _lists(digest: Digest) -> tuple[list[int], list[int]]:
    return digest.slots.tolist(), digest.counts.tolist()
