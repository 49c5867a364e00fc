"""Latency percentiles from HdrHistograms: merged for the value, by batches for the interval.

Percentiles are never averaged into a value. The interval comes from consecutive batches of the run,
because latencies of neighbouring requests are not independent: batches long enough are.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, exp, log

import numpy as np
from hdrh.histogram import HdrHistogram
from scipy import special

from analysis.estimators import LEVEL
from scenarios.record.estimate import Estimate
from scenarios.record.tables import OperationRow

MICROSECONDS = 1e-6
BEYOND = 5
"""observations that a batch must expect beyond a percentile before it says something about it"""
MIN_BATCHES, MAX_BATCHES = 5, 20


@dataclass(frozen=True, slots=True)
class Latencies:
    """All latencies of one operation: the merged histogram and those of its batches, in order."""

    merged: HdrHistogram
    batches: tuple[HdrHistogram, ...]

    @property
    def count(self) -> int:
        """Number of latencies."""
        return int(self.merged.get_total_count())

    def max_s(self) -> float:
        """Return the longest latency, to the histogram's resolution."""
        return float(self.merged.get_max_value()) * MICROSECONDS


def decode(data: bytes) -> HdrHistogram:
    """Return a histogram from HdrHistogram V2, compressed, as a record holds it."""
    return HdrHistogram.decode(base64.b64encode(data))


def merge(histograms: Sequence[HdrHistogram]) -> HdrHistogram:
    """Return one histogram of everything that ``histograms``, at least one, hold."""
    first = histograms[0]
    total = HdrHistogram(
        first.lowest_trackable_value, first.highest_trackable_value, first.significant_figures
    )
    for histogram in histograms:
        total.add(histogram)
    return total


def latencies(rows: Iterable[OperationRow]) -> Latencies | None:
    """Return the latencies of rows of one operation, every result code included.

    A refusal is an answer and a time-out a long wait: leaving either out would flatter the service.
    The warm-up (batch −1) is left out. None when no row has a histogram.
    """
    timed = sorted(
        (row for row in rows if row.histogram and row.batch >= 0),
        key=lambda row: (row.replication, row.batch),
    )
    if not timed:
        return None
    batches = tuple(
        merge([decode(row.histogram) for row in batch])
        for _, batch in groupby(timed, key=lambda row: (row.replication, row.batch))
    )
    return Latencies(merge(batches), batches)


def percentile(of: Latencies, share: float) -> tuple[Estimate, str]:
    """Return the percentile in seconds, and why it has no interval ('' when it has one).

    The value is read from the merged histogram. Neighbouring batches are joined until each expects
    ``BEYOND`` observations beyond the percentile; Student's t over the logarithms of their own
    percentiles gives the interval around the merged value, and ``n`` is the number of batches.

    Args:
        of: latencies of one operation.
        share: 0.99 for p99.
    """
    value = _at(of.merged, share)
    enough = ceil(BEYOND / (1 - share))
    groups = _joined(of.batches, enough)
    if len(groups) < MIN_BATCHES:
        needed = MIN_BATCHES * enough
        reason = (
            f"{of.count} latencies are too few for an interval of p{100 * share:g} (needs {needed})"
        )
        return Estimate(value, None, None, len(groups), "s"), reason
    logs = [log(max(_at(group, share), MICROSECONDS)) for group in groups]
    n = len(logs)
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2) * np.std(logs, ddof=1) / n**0.5)
    return Estimate(value, value * exp(-half), value * exp(half), n, "s"), ""


def curve(of: Latencies) -> tuple[tuple[float, float], ...]:
    """Return (share, latency in seconds) from the median up, ten points for each further nine.

    The last share is the largest that ``BEYOND`` latencies lie beyond, then 1 with the maximum.
    """
    last = 1 - BEYOND / of.count if of.count > 2 * BEYOND else 0.5
    tails = np.geomspace(0.5, 1 - last, max(2, ceil(10 * np.log10(0.5 / (1 - last))) + 1))
    shares = [1 - float(tail) for tail in tails] + [1.0]
    return tuple((share, _at(of.merged, share)) for share in shares)


def _at(histogram: HdrHistogram, share: float) -> float:
    return float(histogram.get_value_at_percentile(100 * share)) * MICROSECONDS


def _joined(batches: Sequence[HdrHistogram], enough: int) -> list[HdrHistogram]:
    """Join neighbours into at most ``MAX_BATCHES`` groups of at least ``enough`` observations."""
    total = sum(int(batch.get_total_count()) for batch in batches)
    size = max(enough, ceil(total / MAX_BATCHES))
    groups: list[list[HdrHistogram]] = [[]]
    filled = 0
    for batch in batches:
        groups[-1].append(batch)
        filled += int(batch.get_total_count())
        if filled >= size:
            groups.append([])
            filled = 0
    rest = groups.pop()
    if rest and groups:
        groups[-1] += rest
    return [merge(group) for group in groups]
