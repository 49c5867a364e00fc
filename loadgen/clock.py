"""The run clock: seconds since a common instant of CLOCK_MONOTONIC, shared by all processes.

Every process of a run on one machine reads the same kernel clock, so instants taken by the parent,
the generator and the watcher can be compared. The wall clock is noted once, for people, and never
subtracted from anything.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic


@dataclass(frozen=True, slots=True)
class RunClock:
    """A clock whose zero is ``zero_monotonic_s`` on CLOCK_MONOTONIC."""

    zero_monotonic_s: float

    @classmethod
    def starting_in(cls, delay_s: float) -> "RunClock":
        """Return a clock whose zero lies ``delay_s`` seconds ahead."""
        return cls(monotonic() + delay_s)

    def now_s(self) -> float:
        """Return seconds since zero, negative before it."""
        return monotonic() - self.zero_monotonic_s

    def wall_at_zero_utc(self) -> str:
        """Return the wall clock at zero as ISO 8601, for the manifest."""
        zero = datetime.now(UTC) - timedelta(seconds=self.now_s())
        return zero.isoformat(timespec="milliseconds")


def boot_id() -> str:
    """Return what identifies this boot of this kernel, empty where the system does not tell.

    Two processes with the same id read the same CLOCK_MONOTONIC.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
