"""Time to event with competing risks: what ended a stolen credential, and when.

Cumulative incidence by Aalen and Johansen (1978), survival by Kaplan and Meier (1958); both are
exact for tied times, which measured clocks and fixed log delays do give. Thefts of one secret share
its luck (whether its log is watched, who else was caught with it), so they are not independent:
variances come from the jackknife over clusters, one left out at a time (Lipsitz, Dear and Zhao
1994), and ``n`` counts clusters. lifelines, the oracle of the tests, knows no clusters and jitters
ties at random.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.estimators import LEVEL
from scenarios.record.estimate import Estimate

CENSORED = 0
Point = tuple[float, float, float, float]
"""time in seconds, cumulative incidence, lower and upper end of its interval"""
Floats = NDArray[np.float64]

ROUNDING = 1e-12
"""a share closer to 0 or 1 is there but for rounding, and log(−log) of it overflows"""
MAX_GROUPS = 200
"""more clusters than this are left out in groups, which costs nothing in coverage"""
ROWS = 16
"""groups left out at a time"""


@dataclass(frozen=True, slots=True)
class Times:
    """Thefts as survival data; arrays of shape (n,)."""

    time_s: Floats
    """from the theft to its end or to the end of observation"""
    cause: NDArray[np.int64]
    """what ended it; ``CENSORED`` when it was still open"""
    cluster: NDArray[np.int64]
    """thefts of one cluster are not independent of each other"""

    @property
    def clusters(self) -> int:
        """Number of independent observations."""
        return len(np.unique(self.cluster))


@dataclass(frozen=True, slots=True)
class Curve:
    """A step function that holds each value until the next time; starts at (0, 0, 0, 0)."""

    points: tuple[Point, ...]
    n: int

    def first(self, level: float, column: int) -> float | None:
        """Return when a column (1 value, 2 low, 3 high) first reaches ``level``, None if never."""
        for point in self.points:
            if point[column] >= level:
                return point[0]
        return None


def cumulative_incidence(times: Times, of: int, until_s: float) -> Curve:
    """Return P(ended by cause ``of`` within t) for t up to ``until_s``; other causes compete.

    The band is on the log(−log) scale with Student's t of the clusters; where the value is 0 or 1
    it is Wilson's for as many trials as there are clusters.
    """
    n = times.clusters
    if n == 0:
        return Curve(((0.0, 0.0, 0.0, 0.0),), 0)
    order, group = _groups(times)
    time_s, cause = times.time_s[order], times.cause[order]
    whole = _aalen_johansen(np.ones((1, len(order))), cause, of)[0][0]
    last = np.append(time_s[1:] > time_s[:-1], True)  # of those tied
    steps = np.flatnonzero(last & (time_s <= until_s))
    steps = steps[np.diff(whole[steps], prepend=0.0) > 0]
    points: list[Point] = [(0.0, 0.0, 0.0, 0.0)]
    if not len(steps):
        points.append((until_s, 0.0, *_wilson(0.0, n)))
        return Curve(tuple(points), n)
    left_out = (_aalen_johansen(rows, cause, of)[0][:, steps] for rows in _left_out(group))
    variances = _jackknife(whole[steps], left_out)
    for step, variance in zip(steps, variances, strict=True):
        value = min(1.0, float(whole[step]))
        points.append((round(float(time_s[step]), 6), value, *_band(value, variance, n)))
    points.append((until_s, *points[-1][1:]))
    return Curve(tuple(points), n)


def quantile(curve: Curve, level: float) -> Estimate:
    """Return when a cumulative incidence reaches ``level``; value None when it never does.

    The interval inverts the curve's band (Brookmeyer and Crowley 1982): it begins where the upper
    end reaches the level and ends where the lower end does.
    """
    return Estimate(
        curve.first(level, 1), curve.first(level, 3), curve.first(level, 2), curve.n, "s"
    )


def restricted_mean(times: Times, until_s: float) -> Estimate:
    """Return E[min(X, until)] = ∫ S(t) dt over [0, until] from censored times, any cause an end.

    Student's t interval of the clusters, cut at 0 and ``until``. Where fewer than two thefts ended
    there is no variance: then Clopper and Pearson bound the share that ended. A single cluster has
    no interval. Not estimable when nobody was observed as long as ``until``.
    """
    n = times.clusters
    ended = times.cause != CENSORED
    if n == 0 or (times.time_s.max() < until_s and not ended[times.time_s.argmax()]):
        return Estimate(None, None, None, n, "s")
    order, group = _groups(times)
    edges = np.clip(np.concatenate([[0.0], times.time_s[order], [until_s]]), 0.0, until_s)
    lengths_s = np.diff(np.maximum.accumulate(edges))

    def mean_s(weights: Floats) -> Floats:
        _, survival = _aalen_johansen(weights, times.cause[order], CENSORED)
        before = np.concatenate([np.ones((len(weights), 1)), survival], axis=1)
        return (before @ lengths_s)[:, None]

    whole = mean_s(np.ones((1, len(order))))[0]
    value = float(whole[0])
    events = int(np.sum(ended & (times.time_s < until_s)))
    if events and n < 2:
        return Estimate(value, None, None, n, "s")
    if events < 2:
        bound = float(special.betaincinv(events + 1, max(n - events, 1), (1 + LEVEL) / 2))
        return Estimate(value, until_s * (1 - bound), until_s, n, "s")
    half = _t(n) * sqrt(float(_jackknife(whole, map(mean_s, _left_out(group)))[0]))
    return Estimate(value, max(0.0, value - half), min(until_s, value + half), n, "s")


# --- estimators on weights ------------------------------------------------------------------------


def _groups(times: Times) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order by time and, in that order, the group that each theft is left out with.

    Of equal times, those that ended come before those that were still open.
    """
    order = np.lexsort((times.cause == CENSORED, times.time_s))
    _, cluster = np.unique(times.cluster[order], return_inverse=True)
    return order, cluster % MAX_GROUPS


def _left_out(group: NDArray[np.int64]) -> Iterator[Floats]:
    """Yield weights (≤ ``ROWS``, n), each row without one group: all at once would be large."""
    groups = int(group.max()) + 1
    for first in range(0, groups, ROWS):
        numbers = np.arange(first, min(first + ROWS, groups))
        yield (group != numbers[:, None]).astype(np.float64)


def _aalen_johansen(weights: Floats, cause: NDArray[np.int64], of: int) -> tuple[Floats, Floats]:
    """Return cumulative incidence of a cause and survival after each time, for rows of weights.

    Handling tied ends one after the other gives what handling them together gives: the second of
    two at risk sets Y and Y − 1 adds S·(1 − 1/Y)/(Y − 1) = S/Y.
    """
    at_risk = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    hazard = np.divide(weights, at_risk, out=np.zeros_like(weights), where=at_risk > 0)
    hazard[:, cause == CENSORED] = 0.0
    survival: Floats = np.cumprod(1.0 - hazard, axis=1, dtype=np.float64)
    before = np.concatenate([np.ones((len(weights), 1)), survival[:, :-1]], axis=1)
    incidence: Floats = np.cumsum(before * hazard * (cause == of), axis=1)
    return incidence, survival


def _jackknife(whole: Floats, left_out: Iterable[Floats]) -> Floats:
    """Return variances of columns from their values for the whole and with each group left out."""
    groups, total, squares = 0, np.zeros_like(whole), np.zeros_like(whole)
    for rows in left_out:
        apart = rows - whole
        groups += len(rows)
        total += apart.sum(axis=0)
        squares += np.square(apart).sum(axis=0)
    variances: Floats = (groups - 1) / groups * np.maximum(squares - total * total / groups, 0.0)
    return variances


def _t(n: int) -> float:
    return float(special.stdtrit(max(1, min(n, MAX_GROUPS) - 1), (1 + LEVEL) / 2))


def _band(value: float, variance: float, n: int) -> tuple[float, float]:
    if not ROUNDING < value < 1 - ROUNDING or variance <= 0:
        return _wilson(value, n)
    spread = _t(n) * sqrt(variance) / (value * abs(log(value)))
    return float(value ** np.exp(spread)), float(value ** np.exp(-spread))


def _wilson(value: float, n: int) -> tuple[float, float]:
    z = float(special.ndtri((1 + LEVEL) / 2))
    centre = (value + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * sqrt(value * (1 - value) / n + z**2 / (4 * n * n))
    low = 0.0 if value <= 0 else max(0.0, centre - half)
    return low, 1.0 if value >= 1 else min(1.0, centre + half)
