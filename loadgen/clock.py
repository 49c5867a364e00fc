"""The run clock: CLOCK_MONOTONIC, shared by every process of a run, zero at its start."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self


@dataclass(frozen=True, slots=True)
class RunClock:
    """Seconds since the start of the run, the same in the parent, the generator and the target.

    CLOCK_MONOTONIC is one clock for the whole machine, so instants that different processes read
    may be compared. Wall-clock time is kept once, to date the run, and never subtracted.
    """

    zero_monotonic_s: float
    wall_at_zero_utc: str

    @classmethod
    def starting_in(cls, delay_s: float) -> Self:
        """Return the clock of a run that starts ``delay_s`` from now."""
        zero = time.monotonic() + delay_s
        wall = datetime.fromtimestamp(time.time() + delay_s, UTC)
        return cls(zero, wall.isoformat(timespec="milliseconds"))

    def now_s(self) -> float:
        """Return the run time; negative before the start."""
        return time.monotonic() - self.zero_monotonic_s
