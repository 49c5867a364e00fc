"""``summarise``: the only place where a record becomes estimates.

``--json``, the terminal's tables and the report all show what is made here, so they cannot differ.

Which interval stands where:

=============================  ==================================================================
means of counts                Student's t over replications; exact Poisson where nothing happened
``residual_validity_s``        the same; with one replication, t over its probes
``exposure…_s``                Kaplan–Meier restricted mean, Greenwood-type variance, pooled thefts
``time_to_detection``          Aalen–Johansen, log(−log) band, pooled thefts
``detector_latency_s``         median, exact order statistics, over alerts of thefts
``permissions_per_theft``      Student's t over thefts
``incidents_per_agent_year``   exact Poisson, widened by the range of the hazards (`uncertainty`)
``false_alarms_…_day``         exact Poisson
latency percentiles            merged histogram; t over batches
=============================  ==================================================================

Thefts are pooled over replications: each is an independent keyed draw, coupled to the others only
through the analysts' queue. ``n`` is the number of thefts.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import isfinite

import msgspec

from analysis import estimators, survival
from analysis.latency import Latencies, curve, latencies, percentile
from analysis.metrics import METRICS
from analysis.part import Part, holds, the_point
from analysis.survival import Curve
from analysis.thefts import CAUSES, DETECTED, Followed, follow_up_s
from analysis.uncertainty import hazard_ranges, rate_over_ranges
from scenarios.record.estimate import Estimate
from scenarios.record.manifest import Manifest
from scenarios.record.record import RunRecord
from scenarios.record.tables import Incident, OperationRow, Sample
from scenarios.spec.rules import SECONDS_PER_DAY

SECONDS_PER_YEAR = 365.25 * SECONDS_PER_DAY
OWN_OPS = frozenset({"lag", "pool-wait", "tls-handshake", "tls-resume"})
"""rows of the generator about itself: no operation of the service"""
UNSENT = "unsent"
MAX_BINS = 120
SHARES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}


class TimeToDetection(msgspec.Struct, frozen=True):
    """Cumulative incidence of detection since the theft, the other ends competing with it."""

    detected_share: Estimate
    """detected within ``within_s`` and before the credential's use had ended otherwise"""
    median_s: Estimate
    p90_s: Estimate
    curve: tuple[survival.Point, ...]
    within_s: float
    """how far the curves go; beyond, too few thefts were watched"""
    competing: dict[str, tuple[survival.Point, ...]]
    """every end by name, ``detected`` among them"""


class Operation(msgspec.Struct, frozen=True):
    """One operation of the service: facts as counts, percentiles from the intended start."""

    sent: int
    ok: int
    errors: dict[str, int]
    percentiles: dict[str, Estimate]
    """``p50_s``, ``p95_s``, ``p99_s``; empty when nothing was answered"""
    max_s: float | None
    curve: tuple[tuple[float, float], ...]
    """(share, latency in seconds) of the merged histogram, from the median to the maximum"""


class RegimeSummary(msgspec.Struct, frozen=True):
    """Everything said about one regime."""

    metrics: dict[str, Estimate]
    time_to_detection: TimeToDetection
    operations: dict[str, Operation]
    issuance_rate: tuple[survival.Point, ...]
    """start of the interval, mean over replications, ends of its t interval"""
    thefts: int
    detectors: dict[str, int]
    """thefts that each detector saw first"""


class Summary(msgspec.Struct, frozen=True):
    """All estimates of one record at one point of its sweep."""

    manifest: Manifest
    point: str
    regimes: dict[str, RegimeSummary]
    pooled: RegimeSummary
    """all regimes together: what a run of one regime says"""
    thefts: tuple[Incident, ...]
    exposure_name: str
    """``exposure_within_…_s``: the restricted mean's name, the same in every regime"""
    lag_p99_s: float | None
    events_executed: int
    switches_counted: int
    not_estimable: dict[str, str]
    """``regime.metric`` → why it has no value or no interval"""


def summarise(record: RunRecord, point: str | None = None) -> Summary:
    """Return every estimate that a record supports.

    Args:
        record: of either world.
        point: point of a sweep; None is the only one there is.

    Raises:
        RecordError: the record has no such point, or several when none is named.
    """
    point = the_point(record, point)
    names = [name for name in record.manifest.regimes if holds(record, point, name)]
    parts = {name: Part(record, point, (name,)) for name in names}
    pooled = Part(record, point, tuple(names))
    until_s = follow_up_s([part.followed for part in parts.values()])
    reasons: dict[str, str] = {}
    regimes = {name: _regime(part, until_s, reasons, name) for name, part in parts.items()}
    totals = pooled.totals()
    return Summary(
        manifest=record.manifest,
        point=point,
        regimes=regimes,
        pooled=_regime(pooled, until_s, {}, "") if len(names) != 1 else regimes[names[0]],
        thefts=tuple(pooled.incidents),
        exposure_name=_exposure_name(until_s),
        lag_p99_s=_lag_p99_s(pooled.operations),
        events_executed=int(totals.get("events_executed", 0)),
        switches_counted=int(totals.get("switches", 0)),
        not_estimable=reasons,
    )


# --- estimates ------------------------------------------------------------------------------------


def _regime(part: Part, until_s: float, reasons: dict[str, str], name: str) -> RegimeSummary:
    missing: dict[str, str] = {}
    metrics = _means(part, missing)
    metrics |= _residual_validity(part, missing)
    metrics |= _exposure(part, until_s, missing)
    metrics |= _frequencies(part, missing)
    operations = _operations(part.operations, missing)
    reasons |= {f"{name}.{metric}": why for metric, why in missing.items()}
    seen = [theft.detector for theft in part.incidents if theft.detector and theft.alert_s]
    return RegimeSummary(
        metrics=metrics,
        time_to_detection=_time_to_detection(part.followed, until_s),
        operations=operations,
        issuance_rate=_issuance_rate(part.series),
        thefts=len(part.incidents),
        detectors={detector: seen.count(detector) for detector in sorted(set(seen))},
    )


def _means(part: Part, missing: dict[str, str]) -> dict[str, Estimate]:
    replications = part.replications()
    found: dict[str, Estimate] = {}
    for metric in METRICS if replications else ():
        try:
            values = [metric.of(counts) for counts in replications]
        except KeyError as exc:
            missing[metric.name] = f"this engine does not count {exc.args[0]}"
            continue
        except ZeroDivisionError:
            found[metric.name] = Estimate(None, None, None, 0, metric.unit)
            missing[metric.name] = "nothing of the kind happened"
            continue
        found[metric.name] = estimators.mean(values, metric.unit)
        if metric.exposure is not None and values and not any(values):
            exposure = sum(metric.exposure(counts) for counts in replications)
            none = estimators.rate(0, exposure, metric.unit)
            found[metric.name] = msgspec.structs.replace(none, n=len(values))
    return found


def _residual_validity(part: Part, missing: dict[str, str]) -> dict[str, Estimate]:
    """Mean remaining life of the credential that a random agent holds at a random instant."""
    name = "residual_validity_s"
    probed = [c for c in part.replications() if c.get("probes", 0) > 0]
    if not probed:
        missing[name] = "no credential was probed"
        return {}
    if len(probed) == 1 and isfinite(probed[0]["residual_validity_sum_s"]):
        n, total = int(probed[0]["probes"]), probed[0]["residual_validity_sum_s"]
        squares = probed[0]["residual_validity_sq_s2"]
        return {name: estimators.mean_of_sums(n, total, squares, "s")}
    means = [c["residual_validity_sum_s"] / c["probes"] for c in probed]
    return {name: estimators.mean(means, "s")}


def _exposure(part: Part, until_s: float, missing: dict[str, str]) -> dict[str, Estimate]:
    """Time from a theft until the thief could use the credential for the last time."""
    followed = part.followed
    if not len(followed):
        missing["exposure_s"] = "no theft happened inside the run"
        return {}
    within = survival.restricted_mean(followed.use_s, followed.ended, until_s)
    open_ends = int((~followed.ended).sum())
    if open_ends:
        missing["exposure_s"] = (
            f"{open_ends} of {len(followed)} credentials were still usable when the run ended; "
            f"see {_exposure_name(until_s)}"
        )
        whole = Estimate(None, None, None, len(followed), "s")
    else:
        whole = estimators.mean([float(time) for time in followed.use_s], "s")
    return {"exposure_s": whole, _exposure_name(until_s): within}


def _exposure_name(until_s: float) -> str:
    return (
        f"exposure_within_{until_s:.0f}s_s" if until_s >= 1 else f"exposure_within_{until_s:g}s_s"
    )


def _frequencies(part: Part, missing: dict[str, str]) -> dict[str, Estimate]:
    """Incidents and false alarms per time, and the detectors' own latency."""
    found: dict[str, Estimate] = {}
    exposure = part.agent_s() / SECONDS_PER_YEAR
    natural = [t for t in part.incidents if not t.injected and t.stolen_s >= 0]
    if part.counts and part.manifest.world == "simulated":
        ranges = hazard_ranges(part.manifest, part.regimes)
        found["incidents_per_agent_year"] = rate_over_ranges(natural, exposure, ranges)
    else:
        missing["incidents_per_agent_year"] = "thefts of this run were all put there"
    watched_s = part.totals().get("watched_identity_s", 0.0)
    false = sum(alert.incident is None for alert in part.alerts)
    if watched_s:
        days = watched_s / SECONDS_PER_DAY
        found["false_alarms_per_identity_day"] = estimators.rate(false, days, "1/(identity d)")
    else:
        missing["false_alarms_per_identity_day"] = "this engine does not count watched_identity_s"
    late = [alert.t_s - alert.event_s for alert in part.alerts if alert.incident is not None]
    found["detector_latency_s"] = estimators.median(late, "s")
    opened = [float(theft.permissions) for theft in part.incidents]
    found["permissions_per_theft"] = estimators.mean(opened, "permissions")
    return found


def _time_to_detection(followed: Followed, until_s: float) -> TimeToDetection:
    curves: dict[str, Curve] = {
        name: survival.cumulative_incidence(followed.time_s, followed.cause, cause, until_s)
        for cause, name in CAUSES.items()
    }
    detected = curves[CAUSES[DETECTED]]
    _, value, low, high = detected.points[-1]
    n = detected.n
    share = Estimate(value, low, high, n, "1") if n else Estimate(None, None, None, 0, "1")
    return TimeToDetection(
        detected_share=share,
        median_s=survival.quantile(detected, 0.5),
        p90_s=survival.quantile(detected, 0.9),
        curve=detected.points,
        within_s=until_s,
        competing={name: curve.points for name, curve in curves.items()},
    )


def _operations(rows: Sequence[OperationRow], missing: dict[str, str]) -> dict[str, Operation]:
    by_op: dict[str, list[OperationRow]] = defaultdict(list)
    for row in rows:
        if row.op not in OWN_OPS:
            by_op[row.op].append(row)
    return {op: _operation(op, by_op[op], missing) for op in sorted(by_op)}


def _operation(op: str, rows: Sequence[OperationRow], missing: dict[str, str]) -> Operation:
    codes: dict[str, int] = defaultdict(int)
    for row in rows:
        codes[row.code] += row.count
    timed = latencies(rows)
    percentiles = _percentiles(op, timed, missing) if timed else {}
    return Operation(
        sent=sum(count for code, count in codes.items() if code != UNSENT),
        ok=codes["ok"],
        errors={code: n for code, n in sorted(codes.items()) if code != "ok" and n},
        percentiles=percentiles,
        max_s=timed.max_s() if timed else None,
        curve=curve(timed) if timed else (),
    )


def _percentiles(op: str, timed: Latencies, missing: dict[str, str]) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for name, share in SHARES.items():
        found[name], why = percentile(timed, share)
        if why:
            missing[f"{op}.{name}"] = why
    return found


def _lag_p99_s(rows: Iterable[OperationRow]) -> float | None:
    lag = latencies(row for row in rows if row.op == "lag")
    return None if lag is None else percentile(lag, 0.99)[0].value


def _issuance_rate(series: Iterable[Sample]) -> tuple[survival.Point, ...]:
    """Mean over replications in at most ``MAX_BINS`` intervals; neighbours are joined before."""
    samples = [sample for sample in series if sample.name == "issuances_per_s"]
    starts = sorted({sample.t_s for sample in samples})
    width = -(-len(starts) // MAX_BINS)
    place = {t_s: number // width for number, t_s in enumerate(starts)}
    bins: dict[tuple[int, str, int], list[float]] = defaultdict(list)
    for sample in samples:
        bins[(place[sample.t_s], sample.regime, sample.replication)].append(sample.value)
    means: dict[int, list[float]] = defaultdict(list)
    for (number, _, _), values in bins.items():
        means[number].append(sum(values) / len(values))
    points: list[survival.Point] = []
    for number in sorted(means):
        rate = estimators.mean(means[number], "1/s")
        value = rate.value or 0.0
        low = value if rate.low is None else max(0.0, rate.low)
        points.append(
            (starts[number * width], value, low, value if rate.high is None else rate.high)
        )
    return tuple(points)
