"""``summarise``: the only place where a record becomes estimates.

``--json``, the terminal's tables and the report all show what is made here, so they cannot differ.

Which interval stands where:

=============================  ==================================================================
``issuances_per_s``, measured  Student's t over consecutive batches of the run
means of counts                Student's t over replications; exact Poisson where nothing happened
``time_to_answer_s``           the same, widened by the ranges of its parameters (``answering``)
``residual_validity_s``        the same; with one replication, t over its probes
``exposure…_s``                Kaplan–Meier restricted mean, jackknife over robbed secrets
``copy_held…``, ``…abused…``     mean time in each state of a theft, jackknife over robbed secrets
``foothold…_s``                the same, for thieves who live in the workload
``agent_key…_s``               the same, for those with the key of a node's agent, if there are any
``issuer_key…_s``              the same, for those with the issuer's own key, if there are any
``poisoned_bundle…_s``         the same, for those with a key in a foreign bundle, if there are any
``time_to_detection``          Aalen–Johansen, log(−log) band, jackknife over robbed secrets
``thefts_in_vain_share``       Wilson
``detector_latency_s``         median, exact order statistics, over alerts of thefts
``permissions_per_theft``      Student's t over thefts
``over_privilege_ratio``       the same, over thefts of credentials (``privilege``)
``accepted_uses_per_theft``    the same, of those within the run
``incidents_per_agent_year``   exact Poisson, widened by the range of the hazards (`uncertainty`)
``false_alarms_…_day``         exact Poisson
``…_precision`` of a detector  Wilson, over alerts of natural thefts and false ones
``FAULT_recovered_share``      Wilson, over strikes (``recovery``)
``FAULT_…``                    Student's t over replications
``triage_wait_…_s``            Student's t over replications
``…_bad_year``, ``years_…``      order statistics and Wilson, over simulated years (``years``)
latency percentiles            merged histogram; t over batches
=============================  ==================================================================

Thefts are pooled over replications. Those of one secret share its luck, so ``n`` counts robbed
secrets. Copies of a credential and footholds are never pooled: their mix in a record is a choice of
the scenario. A metric that cannot be estimated is there all the same, its value None and the reason
in ``not_estimable``.
"""

from collections import defaultdict
from collections.abc import Mapping
from math import isfinite

import msgspec
import numpy as np

from analysis import answering, estimators, recovery, survival
from analysis.course import course
from analysis.detection import TimeToDetection, time_to_detection
from analysis.latency import MAX_BATCHES, MIN_BATCHES
from analysis.metrics import METRICS, Metric
from analysis.operations import Operation, lag_p99_s, operations
from analysis.part import Part, holds, the_point
from analysis.privilege import over_privilege
from analysis.split import Splits, splits
from analysis.tenants import TenantSummary, tenants
from analysis.thefts import OPEN, follow_up_s
from analysis.uncertainty import hazard_ranges, rate_over_ranges
from analysis.watch import attribution, watch
from analysis.years import bad_years, levels
from scenarios.record.estimate import Estimate
from scenarios.record.manifest import Manifest
from scenarios.record.record import RunRecord
from scenarios.record.tables import Incident
from scenarios.spec.rules import SECONDS_PER_DAY

SECONDS_PER_YEAR = 365.25 * SECONDS_PER_DAY
MAX_BINS = 120


class RegimeSummary(msgspec.Struct, frozen=True):
    """Everything said about one regime."""

    metrics: dict[str, Estimate]
    time_to_detection: TimeToDetection
    """of thieves who took a copy"""
    foothold_detection: TimeToDetection
    """of thieves who live in the workload"""
    issuer_key_detection: TimeToDetection
    """of thieves who have the issuer's own key"""
    bundle_detection: TimeToDetection
    """of thieves who have a key in a foreign bundle"""
    operations: dict[str, Operation]
    issuance_rate: tuple[survival.Point, ...]
    """start of the interval, mean over replications, ends of its t interval"""
    agents: float
    """in each replication; 0 where nothing was counted"""
    thefts: int
    detectors: dict[str, int]
    """thefts that each detector saw first"""
    tenants: dict[str, TenantSummary]
    """each tenant of the shared issuer by itself; none where there are none"""


class Summary(msgspec.Struct, frozen=True):
    """All estimates of one record at one point of its sweep."""

    manifest: Manifest
    point: str
    regimes: dict[str, RegimeSummary]
    pooled: RegimeSummary | None
    """all regimes of a measured run together; None for a simulated one, where that means nothing"""
    within_s: float
    """how far curves and restricted means go, the same in every regime"""
    thefts: tuple[Incident, ...]
    splits: Splits | None
    """of a measured run's detected thefts; a simulated one has its own delivery delay inside"""
    exposure_name: str
    """``exposure_within_…_s``: the restricted mean's name, the same in every regime"""
    lag_p99_s: float | None
    events_executed: int
    switches_counted: int
    not_estimable: dict[str, str]
    """``regime.metric`` → why it has no value or no interval"""

    def labelled_operations(self) -> dict[str, Operation]:
        """Return operations by name, regimes apart where there are several."""
        several = len(self.regimes) > 1
        return {
            f"{regime}: {op}" if several else op: found
            for regime, of in self.regimes.items()
            for op, found in of.operations.items()
        }


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
    whole = Part(record, point, tuple(names))
    until_s = follow_up_s(
        [
            of
            for p in parts.values()
            for of in (p.copies, p.footholds, p.agent_keys, p.issuer_keys, p.bundles)
        ]
    )
    reasons: dict[str, str] = {}
    measured = record.manifest.world == "measured"
    over = levels(parts.values())
    regimes = {
        name: _regime(
            part,
            until_s,
            reasons,
            name,
            {} if measured else tenants(record, point, name, until_s),
            over,
        )
        for name, part in parts.items()
    }
    totals = whole.totals()
    pooled = None
    if measured:
        pooled = regimes[names[0]] if len(names) == 1 else _regime(whole, until_s, {}, "", {})
    return Summary(
        manifest=record.manifest,
        point=point,
        regimes=regimes,
        pooled=pooled,
        within_s=until_s,
        thefts=tuple(whole.incidents),
        splits=splits(record, point) if measured else None,
        exposure_name=_exposure_name(until_s),
        lag_p99_s=lag_p99_s(whole.operations),
        events_executed=int(totals.get("events_executed", 0)),
        switches_counted=int(totals.get("switches", 0)),
        not_estimable=reasons,
    )


# --- estimates ------------------------------------------------------------------------------------


def _regime(
    part: Part,
    until_s: float,
    reasons: dict[str, str],
    name: str,
    tenants: dict[str, TenantSummary],
    over: tuple[int, ...] = (),
) -> RegimeSummary:
    missing: dict[str, str] = {}
    metrics = _means(part, missing) | _measured_rate(part)
    metrics |= _residual_validity(part, missing)
    metrics |= _exposure(part, until_s, missing)
    metrics |= course(part, until_s, _exposure_name(until_s).removeprefix("exposure"))
    metrics |= _frequencies(part, missing)
    metrics |= recovery.estimates(part, missing)
    metrics |= attribution(part)
    metrics |= _answering(part, metrics[answering.TIME])
    metrics |= watch(part)
    metrics |= _thefts(part, missing)
    metrics |= bad_years(part, over)
    metrics |= over_privilege(part)
    by_operation = operations(part.operations, missing)
    reasons |= {f"{name}.{metric}": why for metric, why in missing.items()}
    seen = [theft.detector for theft in part.thefts if theft.detector and theft.alert_s]
    return RegimeSummary(
        metrics=metrics,
        time_to_detection=time_to_detection(part.copies, until_s),
        foothold_detection=time_to_detection(part.footholds, until_s),
        issuer_key_detection=time_to_detection(part.issuer_keys, until_s),
        bundle_detection=time_to_detection(part.bundles, until_s),
        operations=by_operation,
        issuance_rate=_issuance_rate(part),
        agents=max((counts["agents"] for counts in part.replications()), default=0.0),
        thefts=len(part.thefts),
        detectors={detector: seen.count(detector) for detector in sorted(set(seen))},
        tenants=tenants,
    )


def _means(part: Part, missing: dict[str, str]) -> dict[str, Estimate]:
    replications = part.replications()
    found: dict[str, Estimate] = {}
    for metric in METRICS:
        found[metric.name] = Estimate(None, None, None, 0, metric.unit)
        try:
            values = [value for c in replications if (value := _of(metric, c)) is not None]
        except KeyError as exc:
            missing[metric.name] = _why(part, str(exc.args[0]))
            continue
        if not values:
            why = "nothing of the kind happened" if replications else "this record holds no counts"
            missing[metric.name] = why
            continue
        found[metric.name] = _not_negative(estimators.mean(values, metric.unit))
        if metric.exposure is not None and not any(values):
            exposure = sum(metric.exposure(counts) for counts in replications)
            none = estimators.rate(0, exposure, metric.unit)
            found[metric.name] = msgspec.structs.replace(none, n=len(values))
    return found


def _of(metric: Metric, counts: Mapping[str, float]) -> float | None:
    """Return a metric of one replication; None where nothing of the kind happened in it."""
    try:
        return metric.of(counts)
    except ZeroDivisionError:
        return None


def _not_negative(of: Estimate) -> Estimate:
    """Cut an interval at zero: counts cannot lie below it, whatever Student's t says of few."""
    return of if of.low is None or of.low >= 0 else msgspec.structs.replace(of, low=0.0)


def _measured_rate(part: Part) -> dict[str, Estimate]:
    """Issuances of a measured run: without replications, batches give the interval.

    At least ``MIN_BATCHES`` whole intervals of the series, joined to at most ``MAX_BATCHES``.
    """
    name = "issuances_per_s"
    samples = [sample for sample in part.series if sample.name == "issued"]
    if part.manifest.world != "measured" or len({sample.regime for sample in samples}) != 1:
        return {}
    totals = [sample.value for sample in sorted(samples, key=lambda sample: sample.t_s)]
    width = -(-len(totals) // MAX_BATCHES)
    whole = len(totals) // width * width
    if whole // width < MIN_BATCHES:
        return {}
    rates = [
        sum(totals[start : start + width]) / (width * part.interval_s())
        for start in range(0, whole, width)
    ]
    return {name: _not_negative(estimators.mean(rates, "1/s"))}


def _answering(part: Part, plain: Estimate) -> dict[str, Estimate]:
    """Carry the ranges of what a question costs into the time that its answer takes."""
    if plain.value is None:
        return {}
    reading = [answering.machine_s(counts) for counts in part.replications()]
    machine_s = sum(reading) / len(reading)
    return {answering.TIME: answering.widened(plain, machine_s, plain.value - machine_s)}


def _why(part: Part, count: str) -> str:
    """Return why a record holds no such count, in the engine's words where it has some."""
    if count in answering.GIVENS and part.manifest.world == "measured":
        return "a real log is asked with midas audit who"
    own = part.manifest.not_observable.get(f"counts.{count}")
    return own or f"{part.manifest.engine} does not count {count}"


def _residual_validity(part: Part, missing: dict[str, str]) -> dict[str, Estimate]:
    """Mean remaining life of the credential that a random agent holds at a random instant."""
    name = "residual_validity_s"
    probed = [c for c in part.replications() if c.get("probes", 0) > 0]
    if not probed:
        missing[name] = "no credential was probed"
        return {name: Estimate(None, None, None, 0, "s")}
    if len(probed) == 1 and isfinite(probed[0]["residual_validity_sum_s"]):
        n, total = int(probed[0]["probes"]), probed[0]["residual_validity_sum_s"]
        squares = probed[0]["residual_validity_sq_s2"]
        return {name: estimators.mean_of_sums(n, total, squares, "s")}
    means = [c["residual_validity_sum_s"] / c["probes"] for c in probed]
    return {name: estimators.mean(means, "s")}


def _exposure(part: Part, until_s: float, missing: dict[str, str]) -> dict[str, Estimate]:
    """Time from a theft until the thief could use what he took for the last time."""
    within = _exposure_name(until_s)
    found: dict[str, Estimate] = {}
    for name, within_name, followed in (
        ("exposure_s", within, part.copies),
        ("foothold_s", within.replace("exposure", "foothold"), part.footholds),
        ("agent_key_s", within.replace("exposure", "agent_key"), part.agent_keys),
        ("issuer_key_s", within.replace("exposure", "issuer_key"), part.issuer_keys),
        ("poisoned_bundle_s", within.replace("exposure", "poisoned_bundle"), part.bundles),
    ):
        if name in ("agent_key_s", "issuer_key_s", "poisoned_bundle_s") and not len(followed):
            continue
        n, open_ends = len(followed), int(np.sum(followed.use.cause == OPEN))
        found[name] = Estimate(None, None, None, n, "s")
        if until_s > 0:
            found[within_name] = survival.restricted_mean(followed.use, until_s)
        if not n:
            missing[name] = "no such theft happened inside the run"
        elif open_ends:
            missing[name] = f"{open_ends} of {n} were still open at the end; see {within_name}"
        else:
            found[name] = survival.restricted_mean(followed.use, float(followed.use.time_s.max()))
    return found


def _exposure_name(until_s: float) -> str:
    return (
        f"exposure_within_{until_s:.0f}s_s" if until_s >= 1 else f"exposure_within_{until_s:g}s_s"
    )


def _frequencies(part: Part, missing: dict[str, str]) -> dict[str, Estimate]:
    """Incidents and false alarms per time."""
    name, unit = "incidents_per_agent_year", "1/(agent yr)"
    found = {name: Estimate(None, None, None, 0, unit)}
    natural = [t for t in part.thefts if not t.injected and t.stolen_s >= 0]
    if part.counts and part.manifest.world == "simulated":
        ranges = hazard_ranges(part.manifest, part.regimes)
        found[name] = rate_over_ranges(natural, part.agent_s() / SECONDS_PER_YEAR, ranges)
    else:
        missing[name] = "every theft of this run was put there"
    name, unit = "false_alarms_per_identity_day", "1/(identity d)"
    watched_s = part.totals().get("watched_identity_s", 0.0)
    false = sum(alert.incident is None for alert in part.alerts)
    found[name] = estimators.rate(false, watched_s / SECONDS_PER_DAY, unit)
    if not watched_s:
        missing[name] = _why(part, "watched_identity_s")
    return found


def _thefts(part: Part, missing: dict[str, str]) -> dict[str, Estimate]:
    """What a theft opens, whether it was in vain, and how fast detectors are."""
    late = [alert.t_s - alert.event_s for alert in part.alerts if alert.incident is not None]
    opened = [float(theft.permissions) for theft in part.thefts]
    accepted = [float(theft.uses_accepted) for theft in part.thefts]
    found = {
        "detector_latency_s": estimators.median(late, "s"),
        "accepted_uses_per_theft": estimators.mean(accepted, "uses"),
        "permissions_per_theft": estimators.mean(opened, "permissions"),
        "thefts_in_vain_share": Estimate(None, None, None, 0, "1"),
    }
    if not late:
        missing["detector_latency_s"] = "no theft raised an alert"
    if "thefts_in_vain" in part.totals():
        vain = int(part.totals()["thefts_in_vain"])
        found["thefts_in_vain_share"] = estimators.share(vain, vain + len(part.copies))
    else:
        missing["thefts_in_vain_share"] = _why(part, "thefts_in_vain")
    return found


def _issuance_rate(part: Part) -> tuple[survival.Point, ...]:
    """Mean over replications in at most ``MAX_BINS`` intervals; neighbours are joined before."""
    samples = [sample for sample in part.series if sample.name == "issued"]
    starts = sorted({sample.t_s for sample in samples})
    width = -(-len(starts) // MAX_BINS)
    place = {t_s: number // width for number, t_s in enumerate(starts)}
    totals: dict[int, dict[tuple[str, int], float]] = defaultdict(lambda: defaultdict(float))
    for sample in samples:
        totals[place[sample.t_s]][(sample.regime, sample.replication)] += sample.value
    points: list[survival.Point] = []
    for number in sorted(totals):
        start_s = starts[number * width]
        length_s = min(part.interval_s() * width, part.horizon_s - start_s)
        rate = estimators.mean([total / length_s for total in totals[number].values()], "1/s")
        value = rate.value or 0.0
        low = value if rate.low is None else max(0.0, rate.low)
        points.append((start_s, value, low, value if rate.high is None else rate.high))
    return tuple(points)
