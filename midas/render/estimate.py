"""Estimates under each other: value, interval and n, aligned."""

from collections.abc import Iterable, Iterator, Mapping
from math import floor, log10
from typing import TYPE_CHECKING

from midas.output import heading
from scenarios.record.estimate import Estimate

if TYPE_CHECKING:
    from rich.console import RenderableType

_SECONDS = (
    (1e-6, "µs"),
    (1e-3, "ms"),
    (1.0, "s"),
    (60.0, "min"),
    (3600.0, "h"),
    (86_400.0, "d"),
    (31_557_600.0, "y"),
)
_NAME, _VALUE, _INTERVAL = 20, 16, 28


def block(
    title: str,
    found: Mapping[str, Estimate],
    missing: str = "not estimable",
    bare: str = "no interval",
) -> Iterator["RenderableType"]:
    """Return a heading and one line for each name: value, [low, high], n.

    Times have the unit that a person would choose, after the value; other quantities have theirs
    in the title. ``missing`` stands where there is no value, ``bare`` where it has no interval.
    """
    yield heading(title)
    for name, estimate in found.items():
        size, unit = unit_of(estimate)
        value, interval, n = cells(estimate, size, missing)
        known = estimate.value is not None
        shown = f"{value} {unit}" if unit and known else value
        line = f"  {name:<{_NAME}}{shown:>{_VALUE}}  "
        if known and not interval:
            yield f"{line}{bare}"
        else:
            yield f"{line}{interval:<{_INTERVAL}} n = {n}"


def unit_of(estimate: Estimate) -> tuple[float, str]:
    """Return divisor and name of the unit of a time; 1 and nothing for what is no time.

    It is the largest unit of which the value, or else the upper end, holds at least two. A share is
    told in per cent.
    """
    if estimate.unit == "1":
        return 0.01, "%"
    if estimate.unit != "s":
        return 1.0, ""
    largest = abs(estimate.value or estimate.high or 0.0)
    if largest == 0.0:
        return 1.0, "s"
    fitting = [(size, name) for size, name in _SECONDS if largest >= 2 * size]
    return fitting[-1] if fitting else _SECONDS[0]


def unit_for(estimates: Iterable[Estimate]) -> tuple[float, str]:
    """Return the unit of the largest, for estimates that stand beside each other."""
    return unit_of(max(estimates, key=lambda estimate: abs(estimate.value or 0.0)))


def cells(
    estimate: Estimate, size: float = 1.0, missing: str = "not estimable"
) -> tuple[str, str, str]:
    """Return value, ``[low, high]`` and n; the digits shown follow the interval's width."""
    n = f"{estimate.n:,}"
    if estimate.infinite:
        return "without end", "", n
    if estimate.value is None:
        return missing, "", n
    value = estimate.value / size
    low, high = (None if end is None else end / size for end in (estimate.low, estimate.high))
    decimals = _decimals(value, low, high)
    ends = ["…" if end is None else f"{end:,.{decimals}f}" for end in (low, high)]
    interval = "" if low is None and high is None else f"[{ends[0]}, {ends[1]}]"
    return f"{value:,.{decimals}f}", interval, n


def _decimals(value: float, low: float | None, high: float | None) -> int:
    """Return decimals that show two digits of the interval's width, three of a bare value."""
    width = max((abs(end - value) for end in (low, high) if end is not None), default=0.0)
    scale, digits = (width, 1) if width > 0.0 else (abs(value), 2)
    return max(0, min(9, digits - floor(log10(scale)))) if scale > 0.0 else 0
