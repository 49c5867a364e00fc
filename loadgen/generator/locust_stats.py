"""Merged results into Locust's statistics, so that its console, CSV and web UI are right.

Locust's way is one ``request`` event per request (about 10 µs). This does what ``StatsEntry.log``
does, n requests at a time. Listeners of the ``request`` event that somebody has added are called
once a second, for each arrival that ended since; where there are none this costs nothing.
"""

import time
from collections.abc import Callable

import locust.stats
import numpy as np
from locust.env import Environment
from locust.event import EventHook
from locust.exception import CatchResponseError
from locust.stats import StatsEntry, StatsError

from loadgen.generator.protocol import LAG_OP
from loadgen.generator.recorder import SLOTS, Digest, slot_middle_s
from loadgen.generator.rounding import round_ms

TOLD_AT_ONCE = 100
"""listeners are told of so many arrivals before what is due goes first"""
METHOD = "open"
"""what Locust's *Type* column says: open-loop, latency from the intended start"""


def use_fine_buckets() -> None:
    """Replace Locust's rounding of response times by ``round_ms``."""
    locust.stats.bucket_response_time = round_ms  # type: ignore[assignment]


def _slot_ms() -> list[float]:
    return [round_ms(slot_middle_s(slot) * 1e3) for slot in range(SLOTS)]


class LocustSink:
    """Gathers merged results and adds them to the statistics of a Locust environment.

    Locust's dictionaries are slow to fill, and nobody looks at them more often than once a second:
    that is how often ``flush`` is to be called.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._slot_ms = _slot_ms()
        self._counts = np.zeros(SLOTS, np.int64)
        self._waiting: dict[tuple[str, str], list[tuple[Digest, int]]] = {}

    def finished(self, op: str, code: str, latency: Digest, body_bytes: int) -> None:
        """Take arrivals of one op and code; anything but ``ok`` is a failure to Locust."""
        self._waiting.setdefault((op, code), []).append((latency, body_bytes))

    def lag(self, lag: Digest) -> None:
        """Take the generator's own lateness: a row of its own, outside the aggregate."""
        self._waiting.setdefault((LAG_OP, "ok"), []).append((lag, 0))

    def flush(self, pause: Callable[[], None] = lambda: None) -> None:
        """Add what has been taken to Locust's statistics.

        Args:
            pause: called between pieces of the work, to let what is due go first.
        """
        waiting, self._waiting = self._waiting, {}
        # looked up each time: a reset replaces the entries
        stats = self._environment.stats
        for (op, code), digests in waiting.items():
            entries = [stats.entries[op, METHOD]]
            if op != LAG_OP:
                entries.append(stats.total)
            pause()
            self._log(entries, digests, pause)
            if op != LAG_OP:
                self._tell_listeners(op, code, digests, pause)
            if code != "ok":
                self._log_errors(entries, op, code, sum(digest.n for digest, _ in digests))

    def _log(
        self,
        entries: list[StatsEntry],
        digests: list[tuple[Digest, int]],
        pause: Callable[[], None],
    ) -> None:
        """Do what ``StatsEntry.log`` does, for many requests at once."""
        counts = self._counts
        counts.fill(0)
        for digest, _ in digests:
            np.add.at(counts, digest.slots, 1)
        used = np.flatnonzero(counts)
        table = self._slot_ms
        times = [
            (table[slot], n) for slot, n in zip(used.tolist(), counts[used].tolist(), strict=True)
        ]
        total_ms = sum(digest.sum_s for digest, _ in digests) * 1e3
        low_ms = min(digest.min_s for digest, _ in digests) * 1e3
        high_ms = max(digest.max_s for digest, _ in digests) * 1e3
        n = sum(digest.n for digest, _ in digests)
        size = sum(size for _, size in digests)
        now = time.time()
        for entry in entries:
            pause()
            last = entry.last_request_timestamp
            if entry.use_response_times_cache and last and int(now) > int(last):
                entry._cache_response_times(int(now) - 1)  # noqa: SLF001  (as StatsEntry.log)
            entry.num_requests += n
            entry.num_reqs_per_sec[int(now)] += n
            entry.last_request_timestamp = now
            entry.total_content_length += size
            # Locust's annotations say int; its own clients log fractions of milliseconds, too
            entry.total_response_time += total_ms  # type: ignore[assignment]
            smallest = entry.min_response_time
            smallest = low_ms if smallest is None else min(smallest, low_ms)  # type: ignore[assignment]
            entry.min_response_time = smallest
            entry.max_response_time = max(entry.max_response_time, high_ms)  # type: ignore[assignment]
            seen: dict[float, int] = entry.response_times  # type: ignore[assignment]
            for ms, k in times:
                seen[ms] = seen.get(ms, 0) + k

    def _tell_listeners(
        self, op: str, code: str, digests: list[tuple[Digest, int]], pause: Callable[[], None]
    ) -> None:
        """Fire ``request`` for each arrival, at everybody but the listener that fills statistics.

        Response times have the resolution of the histogram; lengths are the mean of their batch.
        """
        hook = EventHook()
        for handler in self._environment.events.request._handlers:  # noqa: SLF001  (no getter)
            if getattr(handler, "__module__", "") != "locust.runners":
                hook.add_listener(handler)
        if not hook._handlers:  # noqa: SLF001
            return
        for digest, size in digests:
            for number, slot in enumerate(digest.slots.tolist()):
                if number % TOLD_AT_ONCE == 0:
                    pause()
                hook.fire(
                    request_type=METHOD,
                    name=op,
                    response_time=self._slot_ms[slot],
                    response_length=size // digest.n,
                    response=None,
                    context={},
                    exception=None if code == "ok" else CatchResponseError(code),
                )

    def _log_errors(self, entries: list[StatsEntry], op: str, code: str, n: int) -> None:
        second = int(time.time())
        for entry in entries:
            entry.num_failures += n
            entry.num_fail_per_sec[second] += n
        errors = self._environment.stats.errors
        key = StatsError.create_key(METHOD, op, code)
        error = errors.get(key)
        if error is None:
            error = errors[key] = StatsError(METHOD, op, code)
        error.occurred()
        error.occurrences += n - 1
