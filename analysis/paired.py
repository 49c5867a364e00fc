"""Regimes side by side under common random numbers: differences within each replication.

The same replication of two regimes sees the same switches, thieves and probes, so what luck gave
both cancels in the difference: its interval is Student's t over the paired differences, usually far
narrower than the two intervals suggest (Law 2015, "Simulation Modeling and Analysis", §11.2).
"""

from collections.abc import Mapping, Sequence
from math import inf, isfinite

import msgspec
import numpy as np

from analysis import answering, estimators, survival, words
from analysis.metrics import METRICS
from analysis.part import Part, holds, is_copy, the_point
from analysis.thefts import DETECTED, Followed, follow, follow_up_s
from scenarios.errors import UsageError
from scenarios.record.estimate import Estimate
from scenarios.record.record import RunRecord

FEWEST = 4
"""replications before a sequential run may stop: fewer give a meaningless t interval"""


class Row(msgspec.Struct, frozen=True):
    """One metric: each regime's mean, and its paired difference to the baseline."""

    title: str
    unit: str
    better: int
    """-1 when less is better, +1 when more is, 0 when it only describes"""
    values: dict[str, Estimate]
    differences: dict[str, Estimate]
    """regime − baseline; ``infinite`` where exactly one of the two is without end"""
    verdicts: dict[str, str]
    """``better``, ``worse``, ``higher``, ``lower``, ``equal`` or ``not resolved``"""


class Comparison(msgspec.Struct, frozen=True):
    """Every metric that at least two regimes have."""

    baseline: str
    regimes: tuple[str, ...]
    replications: int
    within_s: float
    """restriction of exposure and detection, the same for all"""
    rows: dict[str, Row]


def compare(record: RunRecord, baseline: str | None = None) -> Comparison:
    """Return paired differences of every regime to ``baseline``, by default the first.

    The time to answer a question carries the ranges of its parameters, which regimes share: its
    verdict is that of sampling alone.

    Raises:
        UsageError: the record has fewer than two regimes, or not the baseline.
    """
    found, parts = _sampled(record, baseline)
    if answering.TIME not in found.rows:
        return found
    row = _with_ranges(found.rows[answering.TIME], found.baseline, parts)
    return msgspec.structs.replace(found, rows=found.rows | {answering.TIME: row})


def _with_ranges(row: Row, baseline: str, parts: Mapping[str, Part]) -> Row:
    """Widen the times that answers take, and their differences, by what is assumed of people."""
    machine_s = {
        name: float(np.mean([answering.machine_s(counts) for counts in part.replications()]))
        for name, part in parts.items()
    }

    def widened(of: Estimate, machine_s: float) -> Estimate:
        return answering.widened(of, machine_s, (of.value or 0.0) - machine_s)

    return msgspec.structs.replace(
        row,
        values={name: widened(of, machine_s[name]) for name, of in row.values.items()},
        differences={
            name: widened(of, machine_s[name] - machine_s[baseline])
            for name, of in row.differences.items()
        },
    )


def _sampled(record: RunRecord, baseline: str | None) -> tuple[Comparison, dict[str, Part]]:
    """Return the comparison with the intervals of sampling alone, and the rows of each regime."""
    point = the_point(record, None)
    names = [name for name in record.manifest.regimes if holds(record, point, name)]
    refuse(names, baseline, None)
    baseline = baseline or names[0]
    parts = {name: Part(record, point, (name,)) for name in names}
    within_s = follow_up_s([part.copies for part in parts.values()])
    scalars = {name: _scalars(part, within_s) for name, part in parts.items()}
    rows = {
        metric: _row(*words, baseline, {name: scalars[name][metric] for name in names})
        for metric, words in _titles(within_s).items()
        if all(scalars[name].get(metric) for name in names)
    }
    others = tuple(name for name in names if name != baseline)
    regimes = (baseline, *others)
    return Comparison(baseline, regimes, record.manifest.replications, within_s, rows), parts


def refuse(names: Sequence[str], baseline: str | None, metric: str | None) -> None:
    """Refuse a comparison that cannot be made, before anything has been simulated for it.

    Raises:
        UsageError: fewer than two regimes, a baseline or a metric that does not exist.
    """
    if len(names) < 2:
        raise UsageError(f"regime: found {', '.join(names)}, a comparison needs at least two")
    if baseline is not None and baseline not in names:
        raise UsageError(f"baseline: found {baseline!r}, must be one of {', '.join(names)}")
    if metric is not None and metric not in (known := _titles(0.0)):
        raise UsageError(f"half-width: found {metric!r}, must be one of {', '.join(known)}")


def enough(record: RunRecord, baseline: str | None, wanted: tuple[str, float]) -> bool:
    """Return whether a sequential run may stop: ``wanted`` is a metric and its half-width."""
    metric, half_width = wanted
    return record.manifest.replications >= FEWEST and widest(record, baseline, metric) <= half_width


def widest(record: RunRecord, baseline: str | None, metric: str) -> float:
    """Return the largest half-width of a metric's paired differences, for sequential stopping.

    inf while an interval is missing; a difference without end has none to wait for. Stopping when
    it is small enough keeps the coverage asymptotically (Chow and Robbins 1965).

    Raises:
        UsageError: no regime has this metric.
    """
    comparison, _ = _sampled(record, baseline)
    if metric not in comparison.rows:
        known = ", ".join(comparison.rows)
        raise UsageError(f"half-width: found {metric!r}, must be one of {known}")
    widths = [
        inf if found.low is None or found.high is None else (found.high - found.low) / 2
        for found in comparison.rows[metric].differences.values()
        if not found.infinite
    ]
    return max(widths, default=0.0)


def _titles(within_s: float) -> dict[str, tuple[str, str, int]]:
    within = words.duration(within_s)
    fixed = {
        "residual_validity_s": ("Life left in a credential stolen now", "s", -1),
        "exposure_within_s": (f"Copy usable after the theft, mean within {within}", "s", -1),
        "detected_share": (f"Thefts detected while usable, within {within}", "1", 1),
        "permissions_per_theft": ("Permissions that a theft opens", "permissions", -1),
    }
    return fixed | {metric.name: (metric.title, metric.unit, metric.better) for metric in METRICS}


def _row(
    title: str,
    unit: str,
    better: int,
    baseline: str,
    values: Mapping[str, Mapping[int, float]],
) -> Row:
    differences = {
        name: _difference(found, values[baseline], unit)
        for name, found in values.items()
        if name != baseline
    }
    return Row(
        title=title,
        unit=unit,
        better=better,
        values={name: estimators.mean(list(v.values()), unit) for name, v in values.items()},
        differences=differences,
        verdicts={
            name: _verdict(found, values[name], better) for name, found in differences.items()
        },
    )


def _difference(ours: Mapping[int, float], theirs: Mapping[int, float], unit: str) -> Estimate:
    both = sorted(ours.keys() & theirs.keys())
    if any(isfinite(ours[k]) != isfinite(theirs[k]) for k in both):
        return Estimate(None, None, None, len(both), unit, infinite=True)
    if not all(isfinite(ours[k]) for k in both):
        return Estimate(0.0, 0.0, 0.0, len(both), unit)  # both without end
    return estimators.mean([ours[k] - theirs[k] for k in both], unit)


def _verdict(found: Estimate, ours: Mapping[int, float], better: int) -> str:
    if found.infinite:
        sign = 1 if inf in ours.values() else -1
    elif found.low is None or found.high is None:
        return "not resolved"
    elif found.low == found.high == 0.0:
        return "equal"
    elif found.low <= 0.0 <= found.high:
        return "not resolved"
    else:
        sign = 1 if found.low > 0.0 else -1
    if better == 0:
        return "higher" if sign > 0 else "lower"
    return "better" if sign == better else "worse"


def _scalars(part: Part, within_s: float) -> dict[str, dict[int, float]]:
    """Return each metric's value in each replication where it has one."""
    found: dict[str, dict[int, float]] = {name: {} for name in _titles(within_s)}
    numbers = sorted({count.replication for count in part.counts})
    copies = [theft for theft in part.thefts if is_copy(theft)]
    for replication, counts in zip(numbers, part.replications(), strict=True):
        for metric in METRICS:
            try:
                found[metric.name][replication] = metric.of(counts)
            except (KeyError, ZeroDivisionError):
                continue
        probes = counts.get("probes", 0.0)
        if probes > 0 and "residual_validity_sum_s" in counts:
            total = counts["residual_validity_sum_s"]
            found["residual_validity_s"][replication] = total / probes
        thefts = [theft for theft in copies if theft.replication == replication]
        if thefts and within_s > 0:
            _of_thefts(follow(thefts, part.horizon_s), within_s, replication, found)
            opened = float(np.mean([theft.permissions for theft in thefts]))
            found["permissions_per_theft"][replication] = opened
    return found


def _of_thefts(
    followed: Followed, within_s: float, replication: int, found: dict[str, dict[int, float]]
) -> None:
    if not len(followed):
        return
    mean = survival.restricted_mean(followed.use, within_s).value
    if mean is not None:
        found["exposure_within_s"][replication] = mean
    curve = survival.cumulative_incidence(followed.detection, DETECTED, within_s)
    found["detected_share"][replication] = curve.points[-1][1]
