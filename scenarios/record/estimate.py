"""An estimate: a value, its interval, and what the interval covers."""

from typing import Literal

import msgspec

Covers = Literal["sampling", "sampling+parameters"]


class Estimate(msgspec.Struct, frozen=True):
    """A number that may be said aloud.

    ``value`` None with ``infinite`` False means not estimable from this record (``n`` says from how
    much); with ``infinite`` True it is without end. ``low`` and ``high`` are the ends of the
    ``level`` interval; a missing end is None.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    covers: Covers = msgspec.field(default="sampling")
    level: float = 0.95
    infinite: bool = False
