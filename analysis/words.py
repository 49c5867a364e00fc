"""Numbers in words: the same unit for a value and its ends, three digits, never a naked mean."""

from math import floor, isfinite, log10

import msgspec

from scenarios.record.estimate import Estimate

_TIME_UNITS = (
    ("yr", 365.25 * 86400.0),
    ("d", 86400.0),
    ("h", 3600.0),
    ("min", 60.0),
    ("s", 1.0),
    ("ms", 1e-3),
    ("µs", 1e-6),
)
_PLAIN_UNITS = {
    "1/s": "/s",
    "1/(agent d)": " per agent and day",
    "1/(agent yr)": " per agent and year",
    "1/(identity d)": " per identity and day",
    "s/(agent d)": " s per agent and day",
    "permissions": " permissions",
}
NOT_ESTIMABLE = "not estimable"
WITHOUT_END = "without end"


def number(value: float) -> str:
    """Return three significant digits, with thousands separated and no exponent where possible."""
    if value == 0:
        return "0"
    if abs(value) < 1e-6 or abs(value) >= 1e9:
        return f"{value:.2e}"
    digits = max(0, 2 - floor(log10(abs(value))))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration(seconds: float) -> str:
    """Return a time in the unit that a person would choose, e.g. ``46.2 min``."""
    if not isfinite(seconds):
        return WITHOUT_END
    scale, unit = _scale(seconds)
    return f"{number(seconds / scale)} {unit}"


def _scale(seconds: float) -> tuple[float, str]:
    for unit, scale in _TIME_UNITS:
        if abs(seconds) >= scale * (2 if unit in ("min", "h", "d") else 1):
            return scale, unit
    return 1.0, "s"


def value(estimate: Estimate) -> str:
    """Return the value alone, with its unit."""
    if estimate.infinite:
        return WITHOUT_END
    if estimate.value is None:
        return NOT_ESTIMABLE
    scale, unit = _unit(estimate, estimate.value)
    return f"{number(estimate.value / scale)}{unit}"


def interval(estimate: Estimate) -> str:
    """Return the interval alone, in the value's unit: ``45.1 to 47.3 min``; '' without one."""
    if estimate.low is None and estimate.high is None:
        return ""
    shown = next(v for v in (estimate.value, estimate.high, estimate.low) if v is not None)
    if estimate.unit == "s" and shown == 0 and estimate.high:
        shown = estimate.high
    scale, unit = _unit(estimate, shown)
    if estimate.low is None:
        return f"at most {number((estimate.high or 0.0) / scale)}{unit}"
    if estimate.high is None:
        return f"at least {number(estimate.low / scale)}{unit}"
    return f"{number(estimate.low / scale)} to {number(estimate.high / scale)}{unit}"


def full(estimate: Estimate) -> str:
    """Return value, interval and n: ``46.2 min (45.1 to 47.3 min, n = 8)``."""
    ends = interval(estimate)
    level = "" if estimate.level == 0.95 or not ends else f" at {100 * estimate.level:.3g} %"
    inside = ", ".join(part for part in (ends + level, f"n = {estimate.n:,}") if part)
    return f"{value(estimate)} ({inside})"


def brief(estimate: Estimate) -> str:
    """Return value and interval, without n."""
    ends = interval(estimate)
    return f"{value(estimate)} ({ends})" if ends else value(estimate)


def cell(estimate: Estimate) -> str:
    """Return value and interval for a table whose row names all units but times and shares."""
    if estimate.unit in ("s", "1"):
        return brief(estimate)
    return brief(msgspec.structs.replace(estimate, unit=""))


def _unit(estimate: Estimate, shown: float) -> tuple[float, str]:
    if estimate.unit == "s":
        scale, unit = _scale(shown)
        return scale, f" {unit}"
    if estimate.unit == "1":
        return 0.01, " %"
    return 1.0, _PLAIN_UNITS.get(estimate.unit, f" {estimate.unit}" if estimate.unit else "")


def listing(items: list[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
