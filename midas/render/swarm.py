"""Storms and thefts of node identities as tables and as JSON documents."""

from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from loadgen.swarm.storm import Storm, StormReport
    from loadgen.swarm.theft_report import Heisted, TheftReport
    from midas.heists import Prediction as TheftPrediction
    from midas.storms import Prediction

_STATES = ("t_s", "attested", "connected", "synced", "identities", "expired", "signed")


def storm_document(found: "Storm", prediction: "Prediction") -> dict[str, Any]:
    """Return a storm's report, the simulator's word, and the state by second, the fault at 0."""
    series = [
        [round(p.t_s - found.fault_s, 1)] + [getattr(p, name) for name in _STATES[1:]]
        for p in found.progress
    ]
    document: dict[str, Any] = msgspec.to_builtins(found.report)
    document["simulated"] = msgspec.to_builtins(prediction)
    return document | {"series_columns": list(_STATES), "series": series}


def storm_lines(report: "StormReport", prediction: "Prediction") -> list[str]:
    """Return what people want to know of a storm."""
    backoff = "with back-off" if report.backoff else "without back-off"
    end = (
        "did not recover"
        if report.recovery_s is None
        else f"recovered in {report.recovery_s:.1f} s"
    )
    amplification = (
        "–" if report.retry_amplification is None else f"{report.retry_amplification:.2f}"
    )
    failed = ", ".join(f"{key} {n}" for key, n in report.failed_calls.items()) or "none"
    simulated = [
        f"simulated {what}: {one.value:.1f} {one.unit} ({one.low:.1f} … {one.high:.1f})"
        for what, one in (
            ("recovery", prediction.recovery_s),
            ("expired identities", prediction.expired_identity_s),
        )
        if one is not None
        and one.value is not None
        and one.low is not None
        and one.high is not None
    ]
    who = f"{report.agents} agents × {report.identities} identities, {backoff}"
    return [
        f"{report.kind}: {who}: {end} (watched {report.watched_s:.0f} s)",
        f"failed signings {report.failed_signings}, failed calls: {failed}",
        f"calls for one that succeeded {amplification}",
        f"peak {report.peak_signed_per_s:.0f} signatures/s",
        f"expired {report.expired_identity_s:.0f} identity-seconds",
        *simulated,
    ]


def theft_document(found: "Heisted", prediction: "TheftPrediction") -> dict[str, Any]:
    """Return the report of a heist, the simulator's word, incidents, medians with intervals."""
    from analysis.estimators import median as estimate

    document: dict[str, Any] = msgspec.to_builtins(found.report)
    document["median_time_to_detection_s"] = {
        name: msgspec.to_builtins(estimate(times, "s"))
        for name, times in found.report.time_to_detection_s.items()
    }
    document["simulated"] = msgspec.to_builtins(prediction)
    return document | {"incidents": msgspec.to_builtins(found.incidents)}


def theft_lines(report: "TheftReport", prediction: "TheftPrediction") -> list[str]:
    """Return what people want to know of a heist."""
    lines = [
        (
            f"{report.used} of {report.thefts} stolen node identities used, agents' documents live "
            f"{report.agent_ttl_s} s, a call every {report.pace_s:g} s"
        )
    ]
    for name, times in report.time_to_detection_s.items():
        when = f"median {median(times):.3f} s after first use" if times else "never"
        lines.append(f"{name}: {report.detected[name]} of {report.used} seen, {when}")
    if report.predicted_median_s is not None:
        lines.append(f"predicted by the renewal law: median {report.predicted_median_s:.1f} s")
    said = prediction.median_s
    if said.value is not None and said.low is not None and said.high is not None:
        lines.append(
            f"simulated, until the sign that is responded to: median {said.value:.1f} s "
            f"({said.low:.1f} … {said.high:.1f}); a run of {report.victims} thefts has its median "
            f"between {prediction.run_median_low_s:.1f} and {prediction.run_median_high_s:.1f} s"
        )
    if report.time_to_containment_s:
        lines.append(
            f"banned {len(report.time_to_containment_s)}, median "
            f"{median(report.time_to_containment_s):.3f} s after first use; calls accepted after "
            f"the ban: {report.accepted_after_ban}"
        )
    lines.append(f"accepted calls {report.uses_accepted}, false alarms {report.false_alarms}")
    return lines
