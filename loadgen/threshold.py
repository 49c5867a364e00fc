"""Thresholds on a measured run: ``issue.p99 > 50ms`` says when it has failed.

An expression is ``OPERATION.METRIC COMPARISON VALUE``. The operation is a name of the load
(``issue-x509``, ``authorize``), a family (``issue``), ``all``, or ``lag`` for the generator's own
delay; the metric a percentile (``p50``, ``p99.9``), ``max``, ``errors`` (a share, also written in
``%``) or ``count``. A percentile is judged by its 95 % interval: broken when the whole interval
is, kept when none of it is, and *inconclusive* in between, because too few arrivals were seen.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor, inf, sqrt

from hdrh.histogram import HdrHistogram

from loadgen.generator.protocol import LAG_OP, OWN_OPS
from loadgen.histogram import decode, empty
from loadgen.targets.port import Op
from scenarios.errors import UsageError
from scenarios.record.tables import OperationRow

_SHAPE = re.compile(r"\s*([^.\s<>=]*)\s*\.\s*([^\s<>=]*)\s*([^\w\s.%]*)\s*(\S*)\s*")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(\D*)")
_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,3})?)")
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_SHARES = {"": 1.0, "%": 0.01}
_NORMAL_95 = 1.959963984540054


class Verdict(StrEnum):
    """What a run says about a threshold."""

    KEPT = "kept"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Threshold:
    """A parsed expression; ``limit`` is in seconds, a share or a number."""

    text: str
    operation: str
    metric: str
    comparison: str
    limit: float

    @property
    def quantile(self) -> float | None:
        """Return the percentile as a quantile in (0, 1), None when the metric is none."""
        found = _PERCENTILE.fullmatch(self.metric)
        return float(found[1]) / 100.0 if found else None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A threshold, what was measured, and the verdict.

    ``value``, ``low`` and ``high`` are None where nothing was measured; ``n`` counts the arrivals.
    """

    threshold: Threshold
    verdict: Verdict
    value: float | None
    low: float | None
    high: float | None
    n: int

    def sentence(self) -> str:
        """Return one line for a human."""
        if self.value is None or self.low is None or self.high is None:
            return f"{self.threshold.text}: {self.verdict}, nothing was measured"
        ends = f"{_said(self.low, self.threshold)} … {_said(self.high, self.threshold)}"
        value = _said(self.value, self.threshold)
        return f"{self.threshold.text}: {self.verdict}, {value} ({ends}, n = {self.n:,})"


def _said(value: float, threshold: Threshold) -> str:
    if threshold.metric == "count":
        return f"{value:,.0f}"
    if threshold.metric == "errors":
        return f"{100 * value:.3g} %"
    return f"{1e3 * value:.4g} ms" if value < inf else "∞"


def operations() -> tuple[str, ...]:
    """Return what an expression may name."""
    return (*(op.value for op in Op), "issue", "all", LAG_OP)


def parse(text: str) -> Threshold:
    """Return the threshold that ``text`` describes.

    Raises:
        UsageError: one line that names every fault of the expression.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise UsageError(
            f"--fail-if {text!r}: expected OPERATION.METRIC > VALUE, e.g. issue.p99 > 50ms"
        )
    operation, metric, comparison, quantity = shape.groups()
    faults: list[str] = []
    if operation not in operations():
        faults.append(f"operation: found {operation!r}, allowed {', '.join(operations())}")
    if metric not in ("max", "errors", "count") and not _is_percentile(metric):
        faults.append(f"metric: found {metric!r}, allowed p50 … p99.999, max, errors, count")
    elif operation == LAG_OP and metric in ("errors", "count"):
        faults.append(f"metric: found {metric!r}, lag has percentiles and max")
    if comparison not in _COMPARISONS:
        faults.append(f"comparison: found {comparison!r}, allowed {', '.join(_COMPARISONS)}")
    limit, fault = _limit(metric, quantity)
    if fault:
        faults.append(f"value: found {quantity!r}, {fault}")
    if faults:
        raise UsageError(f"--fail-if {text!r}: {'; '.join(faults)}")
    return Threshold(" ".join(text.split()), operation, metric, comparison, limit)


def _is_percentile(metric: str) -> bool:
    found = _PERCENTILE.fullmatch(metric)
    return found is not None and float(found[1]) > 0.0


def _limit(metric: str, quantity: str) -> tuple[float, str]:
    found = _QUANTITY.fullmatch(quantity)
    units = {"count": {"": 1.0}, "errors": _SHARES}.get(metric, _SECONDS)
    named = ", ".join(unit or "no unit" for unit in units)
    if found is None or found[2] not in units:
        return 0.0, f"allowed a number with one of: {named}"
    return float(found[1]) * units[found[2]], ""


def judge(threshold: Threshold, rows: Iterable[OperationRow]) -> Judgement:
    """Hold one regime's operation rows against a threshold.

    Args:
        threshold: from ``parse``.
        rows: the ``operations`` table of one regime; histograms in microseconds.
    """
    mine = [row for row in rows if _concerns(threshold.operation, row.op)]
    sent = sum(row.count for row in mine)
    if threshold.metric == "count":
        return _verdict(threshold, float(sent), float(sent), float(sent), sent)
    if threshold.metric == "errors":
        bad = sum(row.count for row in mine if row.code != "ok")
        return _verdict(threshold, *_wilson(bad, sent), sent)
    merged = empty()
    for row in mine:
        if row.histogram:
            merged.add(decode(row.histogram))
    return _verdict(threshold, *_percentile(merged, threshold.quantile), merged.get_total_count())


def _concerns(operation: str, op: str) -> bool:
    if operation == "all":
        return op not in OWN_OPS
    return op == operation or op.startswith(f"{operation}-")


def _wilson(bad: int, n: int) -> tuple[float, float, float]:
    """Wilson (1927) score interval of a share."""
    if n == 0:
        return 0.0, 0.0, 1.0
    z2 = _NORMAL_95**2
    share = bad / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _NORMAL_95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return share, max(0.0, centre - half), min(1.0, centre + half)


def _percentile(histogram: HdrHistogram, quantile: float | None) -> tuple[float, float, float]:
    """Return a percentile (None: the maximum) with the distribution-free interval of its rank.

    The rank of the q-quantile among n independent values is binomial: its 95 % ends are
    nq ± 1.96 √(nq(1−q)) (David and Nagaraja 2003, "Order Statistics", §7.1). An end that lies
    beyond the last value is infinite.
    """
    n = histogram.get_total_count()
    if n == 0:
        return 0.0, 0.0, inf
    if quantile is None:
        value = histogram.get_max_value() / 1e6
        return value, value, value
    spread = _NORMAL_95 * sqrt(n * quantile * (1 - quantile))
    low, high = floor(n * quantile - spread), ceil(n * quantile + spread) + 1
    return (
        _at_rank(histogram, ceil(n * quantile), n),
        _at_rank(histogram, max(low, 1), n),
        _at_rank(histogram, high, n) if high <= n else inf,
    )


def _at_rank(histogram: HdrHistogram, rank: int, n: int) -> float:
    return float(histogram.get_value_at_percentile(100.0 * rank / n)) / 1e6


def _verdict(threshold: Threshold, value: float, low: float, high: float, n: int) -> Judgement:
    if n == 0 and threshold.metric != "count":
        return Judgement(threshold, Verdict.INCONCLUSIVE, None, None, None, 0)
    fails = _COMPARISONS[threshold.comparison]
    ends = {fails(low, threshold.limit), fails(high, threshold.limit)}
    verdict = Verdict.INCONCLUSIVE if len(ends) == 2 else _of(ends.pop())
    return Judgement(threshold, verdict, value, low, high, n)


def _of(fails: bool) -> Verdict:
    return Verdict.BROKEN if fails else Verdict.KEPT


__all__ = ["Judgement", "Threshold", "Verdict", "judge", "operations", "parse"]
