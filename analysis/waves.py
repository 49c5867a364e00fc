"""A herd that started at once: the peak of each wave of renewals, by renewal number."""

from collections import defaultdict

from analysis import estimators
from scenarios.demand.window import mean_renewal_age_s
from scenarios.record.estimate import Estimate
from scenarios.record.record import RunRecord
from scenarios.spec import resolve
from scenarios.spec.regime import Regime, Renewal

MOST = 60
"""waves; later ones have long run into each other"""


def waves(record: RunRecord) -> dict[str, list[Estimate]]:
    """Return each regime's peak issuance rate in its waves of renewals, the first one first.

    Only of a simulated record whose credentials were all issued at t = 0, and of regimes renewed
    by a timer. Wave k is what falls within half a mean renewal age of the k-th multiple of that
    age; its peak is the highest rate over one interval of the series. Student's t over
    replications.
    """
    manifest = record.manifest
    ages = manifest.scenario.get("start", {}).get("ages")
    if manifest.world != "simulated" or ages != "synchronised":
        return {}
    scenario = resolve.load_resolved(manifest.scenario)
    found = {}
    for regime in scenario.regimes:
        if regime.name in manifest.regimes and _by_timer(regime):
            peaks = _peaks(record, regime, scenario.series_interval_s, scenario.horizon_s)
            if peaks:
                found[regime.name] = [estimators.mean(of, "1/s") for of in peaks]
    return found


def _by_timer(regime: Regime) -> bool:
    return regime.renewal.rule is not Renewal.NEVER and not regime.renewal.at_use


def _peaks(
    record: RunRecord, regime: Regime, interval_s: float, horizon_s: float
) -> list[list[float]]:
    """Return, for each complete wave, its peak in each replication."""
    age_s = mean_renewal_age_s(regime)
    complete = min(MOST, int(horizon_s / age_s - 0.5))
    highest: dict[tuple[int, int], float] = defaultdict(float)
    for sample in record.series:
        if sample.name == "issued" and sample.regime == regime.name:
            wave = int((sample.t_s + 0.5 * interval_s) / age_s + 0.5)
            key = wave, sample.replication
            highest[key] = max(highest[key], sample.value / interval_s)
    replications = range(record.manifest.replications)
    return [[highest[wave, k] for k in replications] for wave in range(1, complete + 1)]
