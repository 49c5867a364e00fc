"""A summary as the JSON document that ``--json`` promises: fields may be added, these stay."""

from typing import Any

from analysis import recovery
from analysis.detection import TimeToDetection
from analysis.operations import Operation
from analysis.split import Splits
from analysis.summary import RegimeSummary, Summary
from analysis.tenants import TenantSummary
from analysis.thefts import as_expected, outcome
from scenarios.record.estimate import Estimate
from scenarios.record.tables import Incident

NOT_OBSERVABLE = "not observable"
PROMISED = {
    "residual_validity_s": "s",
    "exposure_s": "s",
    "issuances_per_s": "1/s",
    "peak_issuances_per_s": "1/s",
    "time_to_first_credential_s": "s",
    "auth_failures_per_agent_day": "1/(agent d)",
    "attribution_share": "1",
    "incidents_per_agent_year": "1/(agent yr)",
    "false_alarms_per_identity_day": "1/(identity d)",
}
"""metrics that scripts find under every simulated regime, without value where there is none"""


def estimate(of: Estimate) -> dict[str, Any]:
    """Return an estimate with every field that scripts rely on."""
    document: dict[str, Any] = {
        "value": of.value,
        "low": of.low,
        "high": of.high,
        "n": of.n,
        "unit": of.unit,
        "covers": of.covers,
    }
    if of.level != 0.95:
        document["level"] = of.level
    if of.infinite:
        document["infinite"] = True
    return document


def simulated(summary: Summary, path: str) -> dict[str, Any]:
    """Return what ``midas simulate --json`` prints."""
    manifest = summary.manifest
    return {
        "run_id": manifest.run_id,
        "path": path,
        "engine": manifest.engine,
        "seed": manifest.seed,
        "replications": manifest.replications,
        "complete": manifest.complete,
        "events_executed": summary.events_executed,
        "switches_counted": summary.switches_counted,
        "wall_s": manifest.wall_s,
        "regimes": {name: _promised() | regime(of) for name, of in summary.regimes.items()},
        "recovers": {
            name: recovery.verdicts(manifest.scenario, of.metrics)
            for name, of in summary.regimes.items()
        },
        "not_estimable": summary.not_estimable,
        "not_observable": manifest.not_observable,
        "notes": manifest.notes,
    }


def _promised() -> dict[str, Any]:
    empty = {name: Estimate(None, None, None, 0, unit) for name, unit in PROMISED.items()}
    return {name: estimate(of) for name, of in empty.items()}


def measured(summary: Summary, path: str) -> dict[str, Any]:
    """Return what ``midas drive --json`` prints; raises ValueError for a simulated summary."""
    manifest, pooled = summary.manifest, summary.pooled
    if pooled is None:
        raise ValueError("a simulated run is no measured one")
    metrics = pooled.metrics
    document: dict[str, Any] = {
        "run_id": manifest.run_id,
        "path": path,
        "target": manifest.target,
        "valid": manifest.valid,
        "reason": manifest.reason,
        "complete": manifest.complete,
        "lag_p99_s": summary.lag_p99_s,
        "wall_s": manifest.wall_s,
        "operations": {op: operation(of) for op, of in pooled.operations.items()},
        "thefts": [theft(of, manifest.not_observable) for of in summary.thefts],
        "detection_split": None if summary.splits is None else split(summary.splits),
        "time_to_detection": time_to_detection(pooled.time_to_detection),
    }
    for name in ("detector_latency_s", "false_alarms_per_identity_day"):
        document[name] = estimate(metrics[name])
    document["regimes"] = {name: regime(of) for name, of in summary.regimes.items()}
    document["not_estimable"] = summary.not_estimable
    document["not_observable"] = manifest.not_observable
    document["notes"] = manifest.notes
    return document


def regime(of: RegimeSummary) -> dict[str, Any]:
    """Return one regime: estimates by metric, and the time to detection."""
    document: dict[str, Any] = {name: estimate(found) for name, found in of.metrics.items()}
    document["time_to_detection"] = time_to_detection(of.time_to_detection)
    if of.foothold_detection.detected_share.n:
        document["foothold_time_to_detection"] = time_to_detection(of.foothold_detection)
    if of.issuer_key_detection.detected_share.n:
        document["issuer_key_time_to_detection"] = time_to_detection(of.issuer_key_detection)
    if of.bundle_detection.detected_share.n:
        document["poisoned_bundle_time_to_detection"] = time_to_detection(of.bundle_detection)
    if of.tenants:
        document["tenants"] = {name: tenant(found) for name, found in of.tenants.items()}
    if of.operations:
        document["operations"] = {op: operation(found) for op, found in of.operations.items()}
    return document


def tenant(of: TenantSummary) -> dict[str, Any]:
    """Return one tenant of a regime: its size, its estimates and its time to detection."""
    return {
        "agents": of.agents,
        "thefts": of.thefts,
        **{name: estimate(found) for name, found in of.metrics.items()},
        "time_to_detection": time_to_detection(of.time_to_detection),
    }


def time_to_detection(of: TimeToDetection) -> dict[str, Any]:
    """Return the detected share, its quantiles and the curve."""
    return {
        "detected_share": estimate(of.detected_share),
        "late_share": estimate(of.late_share),
        "median_s": estimate(of.median_s),
        "p90_s": estimate(of.p90_s),
        "within_s": of.within_s,
        "curve": [list(point) for point in of.curve],
    }


def operation(of: Operation) -> dict[str, Any]:
    """Return the counts and percentiles of one operation."""
    return {
        "sent": of.sent,
        "ok": of.ok,
        "errors": of.errors,
        **{name: estimate(found) for name, found in of.percentiles.items()},
        "max_s": of.max_s,
    }


def split(of: Splits) -> dict[str, Any]:
    """Return what of the time to detection was assumed, measured and is to be added."""
    return {
        "assumed_s": estimate(of.assumed_s),
        "measured_s": estimate(of.measured_s),
        "revoked_s": estimate(of.revoked_s),
        "added_floor_s": of.added_floor_s,
    }


def theft(of: Incident, not_observable: dict[str, str]) -> dict[str, Any]:
    """Return one theft: null where something did not happen, or that it cannot be seen."""
    document: dict[str, Any] = {"regime": of.regime}
    for name in (
        "persona",
        "credential",
        "stolen_s",
        "first_use_s",
        "alert_s",
        "detector",
        "revoked_s",
        "last_accepted_s",
        "expected",
    ):
        found = getattr(of, name)
        hidden = f"incidents.{name}" in not_observable
        blind = name in ("alert_s", "detector") and of.expected in not_observable
        document[name] = NOT_OBSERVABLE if found is None and (hidden or blind) else found
    document["outcome"] = outcome(of)
    document["as_expected"] = as_expected(of)
    return document
