"""Bookkeeping of the reference: what happened, when and how often."""

from collections import Counter
from math import ceil

import numpy as np
from numpy.typing import NDArray

from simulator.population import TRACE_DTYPE, Counters, EventKind
from simulator.restarts import FIRST_WAIT_BINS, first_wait_bin

_BY_SECOND = (EventKind.ISSUED, EventKind.REFUSED)


class Tally:
    """Events by kind and second, and a trace of them if wanted.

    Args:
        trace: keep a row of every event.
    """

    def __init__(self, trace: bool) -> None:
        self._rows: list[tuple[float, int, int, int, int]] | None = [] if trace else None
        self._events = [0 for _ in EventKind]
        self._seconds: list[Counter[int]] = [Counter() for _ in EventKind]
        self.auth_failures = self.waits = self.queue_waits = self.limited = 0
        self.expired_s = self.queue_wait_s = self.limited_wait_s = self.first_wait_s = 0.0
        self.first_waits = np.zeros(FIRST_WAIT_BINS, dtype=np.int64)

    def record(self, t_s: float, kind: EventKind, agent: int, slot: int, serial: int) -> None:
        """Take note of one event."""
        self._events[kind] += 1
        if kind in _BY_SECOND:
            self._seconds[kind][int(t_s)] += 1
        if self._rows is not None:
            self._rows.append((t_s, kind, agent, slot, serial))

    def replaced_lost(self, wait_s: float) -> None:
        """Take note of the first credential after a restart."""
        self.first_wait_s += wait_s
        self.first_waits[first_wait_bin(wait_s)] += 1

    def counters(self, still_expired_s: float) -> Counters:
        """Return the totals; ``still_expired_s`` of credentials without successor so far."""
        return Counters(
            events_executed=sum(self._events),
            switches=self._events[EventKind.SWITCH],
            requests=self._events[EventKind.REQUEST],
            refusals=self._events[EventKind.REFUSED],
            issued=self._events[EventKind.ISSUED],
            auth_failures=self.auth_failures,
            waits=self.waits,
            expired_agent_s=self.expired_s + still_expired_s,
            queue_waits=self.queue_waits,
            queue_wait_s=self.queue_wait_s,
            lost=self._events[EventKind.RESTART],
            first_credentials=int(self.first_waits.sum()),
            first_credential_wait_s=self.first_wait_s,
            timeouts=self._events[EventKind.TIMED_OUT],
            wasted=self._events[EventKind.WASTED],
            limited=self.limited,
            limited_wait_s=self.limited_wait_s,
        )

    def per_second(self, kind: EventKind, now_s: float) -> NDArray[np.int32]:
        """Return the events of a kind in each whole second, ceil(now_s) numbers."""
        counted = self._seconds[kind]
        return np.array([counted[second] for second in range(ceil(now_s))], dtype=np.int32)

    def trace(self) -> NDArray[np.void]:
        """Return the rows in order; ValueError when none were asked for."""
        if self._rows is None:
            raise ValueError("this population was built without a trace")
        return np.sort(np.array(self._rows, dtype=TRACE_DTYPE), order=TRACE_DTYPE.names)
