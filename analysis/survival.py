"""Time to event with competing risks: what ended a stolen credential, and when.

Cumulative incidence by Aalen and Johansen (1978), through lifelines; its estimator cannot take
tied times and would jitter them at random, so ties are resolved here, in a fixed order and by less
than a microsecond. Bands are on the log(−log) scale from Greenwood-type variances (Collett 2003,
chapter 12).
"""

from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, sqrt

import numpy as np
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from numpy.typing import NDArray
from scipy import special

from analysis.estimators import LEVEL
from scenarios.record.estimate import Estimate

CENSORED = 0
Point = tuple[float, float, float, float]
"""time in seconds, cumulative incidence, lower and upper end of its interval"""

_NUDGE_S = 1e-9
_Z = float(special.ndtri((1 + LEVEL) / 2))


@dataclass(frozen=True, slots=True)
class Curve:
    """A step function that holds each value until the next time; starts at (0, 0, 0, 0)."""

    points: tuple[Point, ...]
    n: int

    def at(self, t_s: float) -> Point:
        """Return the last point at or before ``t_s``."""
        return [point for point in self.points if point[0] <= t_s][-1]

    def first(self, level: float, column: int) -> float | None:
        """Return when a column (1 value, 2 low, 3 high) first reaches ``level``, None if never."""
        for point in self.points:
            if point[column] >= level:
                return point[0]
        return None


def cumulative_incidence(
    time_s: NDArray[np.float64], cause: NDArray[np.int64], of: int, until_s: float
) -> Curve:
    """Return P(ended by cause ``of`` within t) for t up to ``until_s``.

    Args:
        time_s: shape (n,), seconds from the theft to its end or to the end of observation.
        cause: shape (n,), what ended it; ``CENSORED`` when it was still open.
        of: the cause of interest; every other one competes with it.
        until_s: end of the curve.
    """
    n = len(time_s)
    if n == 0:
        return Curve(((0.0, 0.0, 0.0, 0.0),), 0)
    if not np.any((cause == of) & (time_s <= until_s)):
        bound = 1 - ((1 - LEVEL) / 2) ** (1 / n)  # Clopper and Pearson at zero of n
        return Curve(((0.0, 0.0, 0.0, 0.0), (until_s, 0.0, 0.0, bound)), n)
    fitted = AalenJohansenFitter()
    with np.errstate(all="ignore"):
        fitted.fit(untied(time_s), cause, event_of_interest=of)
    at_s = fitted.cumulative_density_.index.to_numpy(float)
    value = fitted.cumulative_density_.to_numpy(float)[:, 0]
    variance = fitted.variance_.to_numpy(float)
    steps = np.flatnonzero((np.diff(value, prepend=0.0) > 0) & (at_s <= until_s))
    points: list[Point] = [(0.0, 0.0, 0.0, 0.0)]
    for step in steps:
        low, high = _band(float(value[step]), float(variance[step]), n)
        points.append((round(float(at_s[step]), 6), min(1.0, float(value[step])), low, high))
    points.append((until_s, *points[-1][1:]))
    return Curve(tuple(points), n)


def _band(value: float, variance: float, n: int) -> tuple[float, float]:
    """Return the log(−log) interval; near 0 and 1, where it has none, Wilson's for ``n`` trials."""
    if 0 < value < 1 and isfinite(variance) and variance > 0:
        spread = _Z * sqrt(variance) / (value * abs(np.log(value)))
        return float(value ** np.exp(spread)), float(value ** np.exp(-spread))
    value = min(1.0, value)
    centre = (value + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(value * (1 - value) / n + _Z**2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def untied(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the times with ties resolved in their given order, each moved by less than 1 µs."""
    order = np.argsort(time_s, kind="stable")
    moved = np.array(time_s, dtype=np.float64)
    for before, after in pairwise(order):
        if moved[after] <= moved[before]:
            moved[after] = max(moved[before] + _NUDGE_S, np.nextafter(moved[before], np.inf))
    return moved


def quantile(curve: Curve, level: float) -> Estimate:
    """Return when a cumulative incidence reaches ``level``; value None when it never does.

    The interval inverts the curve's band (Brookmeyer and Crowley 1982): it begins where the upper
    end reaches the level and ends where the lower end does.
    """
    return Estimate(
        curve.first(level, 1), curve.first(level, 3), curve.first(level, 2), curve.n, "s"
    )


def restricted_mean(
    time_s: NDArray[np.float64], ended: NDArray[np.bool_], until_s: float
) -> Estimate:
    """Return E[min(X, until)] = ∫ S(t) dt over [0, until] from censored times.

    S by Kaplan and Meier; variance Σ (∫_{tᵢ}^until S dt)² dᵢ / (nᵢ(nᵢ − dᵢ)), with the factor
    m/(m − 1) for m events (Andersen et al. 1993, §IV.3); normal interval, cut at 0 and ``until``.
    Fewer than two events have no variance: then Clopper and Pearson bound the share that ended.
    Not estimable when nobody was observed as long as ``until``.
    """
    n = len(time_s)
    if n == 0 or (time_s.max() < until_s and not ended[time_s.argmax()]):
        return Estimate(None, None, None, n, "s")
    table = KaplanMeierFitter().fit(time_s, ended).event_table
    table = table[(table["observed"] > 0) & (table.index < until_s)]
    deaths = table["observed"].to_numpy(float)
    at_risk = table["at_risk"].to_numpy(float)
    survival = np.concatenate([[1.0], np.cumprod(1 - deaths / at_risk)])
    areas = survival * np.diff(table.index.to_numpy(float), prepend=0.0, append=until_s)
    value = float(areas.sum())
    events = int(deaths.sum())
    if events < 2:
        followed = int(np.sum((time_s >= until_s) | ended))
        bound = float(special.betaincinv(events + 1, followed - events, (1 + LEVEL) / 2))
        return Estimate(value, until_s * (1 - bound), until_s, n, "s")
    tails = np.cumsum(areas[::-1])[::-1][1:]
    left = at_risk > deaths  # the last one to end leaves no area behind
    variance = np.sum((tails**2 * deaths)[left] / (at_risk * (at_risk - deaths))[left])
    half = _Z * sqrt(float(variance) * events / (events - 1))
    return Estimate(value, max(0.0, value - half), min(until_s, value + half), n, "s")
