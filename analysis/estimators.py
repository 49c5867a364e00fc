"""Estimates from observations: which interval is right for what, each in one function.

Every function returns ``scenarios.record.estimate.Estimate`` and never invents an interval: where
the observations carry none, its ends are None and ``n`` says from how much the value comes.
"""

from collections.abc import Sequence
from math import ceil, exp, inf, log, sqrt

import numpy as np
from scipy import special

from scenarios.record.estimate import Covers, Estimate

LEVEL = 0.95


def mean(values: Sequence[float], unit: str, level: float = LEVEL) -> Estimate:
    """Return the mean of independent replications with Student's t interval.

    x̄ ± t_{n−1,(1+level)/2} · s/√n. One replication has no interval. A value that is infinite makes
    the mean infinite.
    """
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, unit)
    if any(value == inf for value in values):
        return Estimate(None, None, None, n, unit, infinite=True)
    centre = float(np.mean(values))
    if n == 1:
        return Estimate(centre, None, None, 1, unit)
    half = float(special.stdtrit(n - 1, (1 + level) / 2) * np.std(values, ddof=1) / sqrt(n))
    return Estimate(centre, centre - half, centre + half, n, unit)


def mean_of_sums(n: int, total: float, squares: float, unit: str) -> Estimate:
    """Return the mean of ``n`` independent observations known by their sums of x and x².

    Student's t interval with s² = (Σx² − (Σx)²/n)/(n − 1).
    """
    if n == 0:
        return Estimate(None, None, None, 0, unit)
    centre = total / n
    if n == 1:
        return Estimate(centre, None, None, 1, unit)
    variance = max(0.0, squares - total * total / n) / (n - 1)
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2)) * sqrt(variance / n)
    return Estimate(centre, centre - half, centre + half, n, unit)


def rate(events: int, exposure: float, unit: str) -> Estimate:
    """Return events per unit of exposure with the exact Poisson interval; ``n`` is ``events``.

    [χ²_{2k}(α/2)/2, χ²_{2k+2}(1 − α/2)/2] / exposure (Garwood 1936); no events still bound the rate
    from above.
    """
    if exposure <= 0:
        return Estimate(None, None, None, events, unit)
    tail = (1 - LEVEL) / 2
    low = float(special.gammaincinv(events, tail)) if events else 0.0
    high = float(special.gammaincinv(events + 1, 1 - tail))
    return Estimate(events / exposure, low / exposure, high / exposure, events, unit)


def share(successes: int, n: int) -> Estimate:
    """Return a proportion of ``n`` independent trials with Wilson's interval.

    (p̂ + z²/2n ± z·√(p̂(1−p̂)/n + z²/4n²)) / (1 + z²/n) (Wilson 1927).
    """
    if n == 0:
        return Estimate(None, None, None, 0, "1")
    p, z = successes / n, float(special.ndtri((1 + LEVEL) / 2))
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2) / (1 + z * z / n)
    low = centre - half if successes > 0 else 0.0
    high = centre + half if successes < n else 1.0
    return Estimate(p, low, high, n, "1")


def median(values: Sequence[float], unit: str) -> Estimate:
    """Return the median with the exact interval between two order statistics.

    The interval [x₍ᵣ₎, x₍ₙ₊₁₋ᵣ₎] holds the median with probability 1 − 2·P(Bin(n, ½) < r) whatever
    the distribution; r is the largest that keeps 95 %. Fewer than six values cannot: then it is
    [min, max], and ``level`` says what that is worth.
    """
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, unit)
    ordered = sorted(values)
    centre = float(np.median(ordered))
    if n == 1:
        return Estimate(centre, None, None, 1, unit)
    rank = _binomial_quantile((1 - LEVEL) / 2, n, 0.5)
    if rank < 1:
        level = 1 - 2 * 0.5**n
        return Estimate(centre, ordered[0], ordered[-1], n, unit, level=round(level, 6))
    return Estimate(centre, ordered[rank - 1], ordered[n - rank], n, unit)


def _binomial_quantile(probability: float, n: int, q: float) -> int:
    """Return the smallest r with P(Bin(n, q) ≤ r) ≥ ``probability``."""
    if special.bdtr(0, n, q) >= probability:
        return 0
    r = ceil(special.bdtrik(probability, n, q))
    return r - 1 if special.bdtr(r - 1, n, q) >= probability else r


def quantile(values: Sequence[float], q: float, unit: str) -> Estimate:
    """Return the ``q``-quantile with the exact interval between two order statistics.

    [x₍ᵣ₎, x₍ₛ₎] holds it with probability P(r ≤ Bin(n, q) < s), r the largest and s the smallest
    that leave at most 2.5 % on their side. Where there is no such value the end is None.
    """
    n = len(values)
    if n == 0:
        return Estimate(None, None, None, 0, unit)
    ordered = sorted(values)
    centre = float(np.quantile(ordered, q))
    low = _binomial_quantile((1 - LEVEL) / 2, n, q)
    high = _binomial_quantile((1 + LEVEL) / 2, n, q) + 1
    return Estimate(
        centre,
        ordered[low - 1] if low >= 1 else None,
        ordered[high - 1] if high <= n else None,
        n,
        unit,
    )


def spread_of_median(values: Sequence[float], n: int) -> tuple[float, float]:
    """Return between what the median of ``n`` further observations lies in 95 of 100 cases.

    ``values``, at least one, stand for their distribution F. The median of n draws is its
    quantile at a Beta((n + 1)/2, (n + 1)/2) variable.
    """
    shape = (n + 1) / 2
    ends = special.betaincinv(shape, shape, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = np.quantile(np.asarray(values), ends)
    return float(low), float(high)


def difference(a: Estimate, b: Estimate) -> Estimate:
    """Return a − b with the interval that the two intervals imply (MOVER, Zou and Donner 2008).

    Exact coverage is asymptotic; where common random numbers make a and b rise together the
    interval is wider than need be, never narrower. Not estimable when a value or an end is missing.
    """
    ends = _ends(a, b)
    n = min(a.n, b.n)
    if ends is None:
        return Estimate(None, None, None, n, a.unit, covers=_covers(a, b))
    (va, la, ha), (vb, lb, hb) = ends
    value = va - vb
    low = value - sqrt((va - la) ** 2 + (hb - vb) ** 2)
    high = value + sqrt((ha - va) ** 2 + (vb - lb) ** 2)
    return Estimate(value, low, high, n, a.unit, covers=_covers(a, b))


def ratio(a: Estimate, b: Estimate) -> Estimate:
    """Return a / b with the interval that the two intervals imply, on the logarithmic scale.

    Not estimable unless both intervals lie above zero.
    """
    ends = _ends(a, b)
    n = min(a.n, b.n)
    if ends is None or min(ends[0][1], ends[1][1]) <= 0:
        return Estimate(None, None, None, n, "1", covers=_covers(a, b))
    (va, la, ha), (vb, lb, hb) = ((log(v), log(low), log(high)) for v, low, high in ends)
    value = va - vb
    low = value - sqrt((va - la) ** 2 + (hb - vb) ** 2)
    high = value + sqrt((ha - va) ** 2 + (vb - lb) ** 2)
    return Estimate(exp(value), exp(low), exp(high), n, "1", covers=_covers(a, b))


Ends = tuple[float, float, float]


def _ends(a: Estimate, b: Estimate) -> tuple[Ends, Ends] | None:
    if a.value is None or a.low is None or a.high is None:
        return None
    if b.value is None or b.low is None or b.high is None:
        return None
    return (a.value, a.low, a.high), (b.value, b.low, b.high)


def _covers(a: Estimate, b: Estimate) -> Covers:
    return "sampling+parameters" if "sampling+parameters" in {a.covers, b.covers} else "sampling"
