"""An estimate in words: value, interval and n, in the unit that a person would choose."""

from collections.abc import Iterable, Sequence
from math import floor, log10

from scenarios.record.estimate import Estimate

_SECONDS = (
    (1e-6, "µs"),
    (1e-3, "ms"),
    (1.0, "s"),
    (60.0, "min"),
    (3600.0, "h"),
    (86_400.0, "d"),
    (31_557_600.0, "y"),
)


def scale_for(estimates: Iterable[Estimate]) -> tuple[float, str]:
    """Return divisor and name of the unit in which estimates of one quantity are shown together.

    Seconds become the largest unit of which the largest value holds at least two.
    """
    shown = list(estimates)
    unit = shown[0].unit if shown else ""
    largest = max((abs(e.value) for e in shown if e.value is not None), default=0.0)
    if unit != "s" or largest == 0.0:
        return 1.0, unit
    fitting = [(size, name) for size, name in _SECONDS if largest >= 2 * size]
    return fitting[-1] if fitting else _SECONDS[0]


def cells(estimate: Estimate, size: float = 1.0) -> tuple[str, str, str]:
    """Return value, ``[low, high]`` and n as aligned text; digits follow the interval's width."""
    n = f"{estimate.n:,}"
    if estimate.infinite:
        return "without end", "", n
    if estimate.value is None:
        return "not estimable", "", n
    value = estimate.value / size
    ends = [None if end is None else end / size for end in (estimate.low, estimate.high)]
    decimals = _decimals(value, [end for end in ends if end is not None])
    low, high = ("" if end is None else f"{end:,.{decimals}f}" for end in ends)
    interval = f"[{low or '?'}, {high or '?'}]" if low or high else ""
    return f"{value:,.{decimals}f}", interval, n


def phrase(estimate: Estimate) -> str:
    """Return ``value unit [low, high] n = …`` on one line."""
    size, unit = scale_for([estimate])
    value, interval, n = cells(estimate, size)
    parts = (value, "" if unit == "1" else unit, interval, f"n = {n}")
    return " ".join(part for part in parts if part)


def title(name: str, unit: str) -> str:
    """Return a metric's name in words, without the unit that ends it."""
    for ending in (f"_{unit}", f"_{unit.replace('/', '_per_').strip('_')}"):
        if unit and not name.endswith("_per_s"):
            name = name.removesuffix(ending)
    return name.replace("_", " ").replace(" per s", "")


def _decimals(value: float, ends: Sequence[float]) -> int:
    """Return decimals that show two digits of the interval's width, three of a bare value."""
    width = max((abs(end - value) for end in ends), default=0.0)
    if width > 0.0:
        return max(0, min(9, 1 - floor(log10(width))))
    return max(0, min(9, 2 - floor(log10(abs(value))))) if value else 0
