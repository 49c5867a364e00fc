"""What each detector is worth: how often it is right, how often wrong, and who waits for whom."""

from typing import Final

from analysis import estimators
from analysis.part import Part
from scenarios.detection.suite import detectors
from scenarios.record.estimate import Estimate
from scenarios.spec.resolve import load_resolved
from scenarios.spec.rules import SECONDS_PER_DAY

_TASK: Final = ("task", "delegation")
NOTICE: Final = "external-notice"
"""of which no false one is modelled"""
DETECTORS: Final = {
    "superseded_serial": "superseded serial",
    "two_origins": "two origins",
    "new_permission": "new permission",
    "new_origin": "new origin",
    "rate_change": "rate change",
    "canary": "canary",
    "unknown_serial": "unknown serial",
}
TITLES: Final = (
    {f"{name}_precision": f"True share of alerts, {words}" for name, words in DETECTORS.items()}
    | {
        f"{name}_false_alarms_per_identity_day": f"False alarms per identity and day, {words}"
        for name, words in DETECTORS.items()
    }
    | {
        f"triage_wait_{name}_s": f"Alert until an analyst takes it up, {words}, mean"
        for name, words in (DETECTORS | {"external_notice": "notice from outside"}).items()
    }
)


def watch(part: Part) -> dict[str, Estimate]:
    """Return what a simulated run says of each detector, where harmless events were simulated."""
    return _judged(part) | _waits(part)


def _judged(part: Part) -> dict[str, Estimate]:
    """Share of each detector's alerts that a theft was behind, and its false alarms, if none, too.

    Precision is at the scenario's own frequencies: alerts of injected thefts are left out, since
    their number is a choice. The hazards' own uncertainty is not in the interval.
    """
    benign = part.manifest.scenario.get("benign", {})
    rates = part.manifest.scenario.get("detection", {}).get("rate_change", {})
    harmless = any(rate for name, rate in benign.items() if name.endswith("_per_agent_year"))
    if part.manifest.world == "measured" or not (harmless or rates.get("armed")):
        return {}
    days = part.totals().get("watched_identity_s", 0.0) / SECONDS_PER_DAY
    counted = [alert for alert in part.alerts if alert.incident not in part.injected]
    found = {}
    spoke = {alert.detector for alert in counted} - {NOTICE}
    for name in sorted(spoke | _armed(part)):
        true = [alert.incident is not None for alert in counted if alert.detector == name]
        metric = name.replace("-", "_")
        if true:
            found[f"{metric}_precision"] = estimators.share(sum(true), len(true))
        found[f"{metric}_false_alarms_per_identity_day"] = estimators.rate(
            len(true) - sum(true), days, "1/(identity d)"
        )
    return found


def _armed(part: Part) -> set[str]:
    """Return the detectors that could have spoken under the regime, whether they did or not."""
    scenario = load_resolved(part.manifest.scenario)
    of = [regime for regime in scenario.regimes if regime.name in part.regimes]
    asked = [scenario.detection, *(t.detection.over(scenario.detection) for t in scenario.tenants)]
    return {
        detector.name
        for regime in of
        for detection in asked
        for detector in detectors(scenario, regime, asked=detection)
    }


def _waits(part: Part) -> dict[str, Estimate]:
    """Mean wait for an analyst of each kind of alert, where the queue has priorities."""
    replications = part.replications()
    kinds = sorted({n for c in replications for n in c if n.startswith("triage_wait_")})
    found = {}
    for kind in (kind for kind in kinds if kind != "triage_wait_s"):
        number = kind.removesuffix("_s").replace("triage_wait", "triaged")
        means = [c[kind] / c[number] for c in replications if c.get(number)]
        found[kind] = estimators.mean(means, "s")
    return found


def attribution(part: Part) -> dict[str, Estimate]:
    """Return the share of a simulated regime's accesses whose line names the task, and for whom.

    Every line of a regime names the same, so there is nothing to estimate and no width.
    """
    of = {r["name"]: r.get("attribution") for r in part.manifest.scenario.get("regimes", ())}
    named = [of.get(regime) for regime in part.regimes]
    n = sum(counts.get("accesses", 0.0) > 0.0 for counts in part.replications())
    if part.manifest.world == "measured" or len(named) != 1 or named[0] is None or n == 0:
        return {}
    task, delegation = (float(named[0] in names) for names in (_TASK, _TASK[1:]))
    return {
        "task_attribution_share": Estimate(task, task, task, n, "1"),
        "delegation_attribution_share": Estimate(delegation, delegation, delegation, n, "1"),
    }
