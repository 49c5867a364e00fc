"""A SimPy environment for exact instants.

SimPy schedules by delay, and now + (t − now) need not be t in floating point. Reference and fleet
are compared bit for bit, so instants are scheduled as what they are.
"""

from heapq import heappush

import simpy
from simpy.events import NORMAL, EventPriority


class Clock(simpy.Environment):
    """A SimPy environment that schedules and stops at exact instants."""

    def at(self, t_s: float, tie_break: int = 0) -> simpy.Event:
        """Return an event that happens at ``t_s``; simultaneous ones in order of ``tie_break``.

        Raises:
            ValueError: ``t_s`` lies in the past.
        """
        if t_s < self._now:
            raise ValueError(f"{t_s} s lies before the present, {self._now} s")
        event = _Instant(self)
        heappush(self._queue, (t_s, EventPriority(NORMAL + tie_break), next(self._eid), event))
        return event

    def advance(self, to_s: float) -> None:
        """Execute everything strictly before ``to_s`` and stand there; ValueError if it is past."""
        if to_s < self._now:
            raise ValueError(f"cannot advance to {to_s} s from {self._now} s")
        while self.peek() < to_s:
            self.step()
        self._now = to_s


class _Instant(simpy.Event):
    """An event that will happen, as ``simpy.Timeout`` is, whose schedule the clock has made."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._ok = True
        self._value = None
