"""What people do for a regime: time and mishaps, from what happened in the run (model.md §2, §7).

How often a rotation is forgotten decides when it takes place (``rules.age_by_hand``), so the
downtime that this costs is simulated. Whether one breaks something changes nothing else and is
counted in the mean, as is the time for both.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenarios.record.tables import Incident
from scenarios.spec.regime import Effort, Issuance, Regime, Renewal
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import Scenario


def effort(
    scenario: Scenario,
    regime: Regime,
    secrets: float,
    issued: float,
    incidents: Sequence[Incident],
) -> dict[str, float]:
    """Return counts by name: ``toil_s``, and where people rotate what comes of it.

    With n credentials issued by hand, of which a share q had been forgotten and a share b of the
    others broke something: n·(q + (1 − q)·b) mishaps, and n·(1 − q)·b·M/2 seconds for which an
    agent was broken. Their time: n·places·rotation + mishaps·mishap + noticed thefts·incident.
    Injected thefts do not count: their number is a choice. ``handing_out_s`` is spent once.

    Args:
        scenario: whether people rotate under any of its regimes.
        regime: the regime of all agents.
        secrets: that agents hold.
        issued: credentials issued in the run, those after an incident too.
        incidents: the thefts of the run.
    """
    if regime.effort == Effort():
        return {}
    noticed = sum(not theft.injected and theft.alert_s is not None for theft in incidents)
    toil_s = noticed * regime.effort.incident_s
    renewal, by_hand = regime.renewal, regime.issuance is Issuance.MANUAL
    rotations = issued if by_hand else 0.0
    broken = rotations * (1.0 - renewal.forgotten_share) * regime.effort.breaks_share
    mishaps = rotations * renewal.forgotten_share + broken
    toil_s += rotations * regime.effort.places * regime.effort.rotation_s
    toil_s += mishaps * regime.effort.mishap_s
    if not any(_rotates_by_hand(of) for of in scenario.regimes):
        return {"toil_s": toil_s}
    return {
        "handing_out_s": secrets * regime.effort.issue_s,
        "never_rotated": secrets * (regime.renewal.rule is Renewal.NEVER),
        "rotations_by_hand": rotations,
        "mishaps": mishaps,
        "broken_agent_s": broken * renewal.mended_within_s / 2.0,
        "toil_s": toil_s,
    }


def _rotates_by_hand(regime: Regime) -> bool:
    return regime.issuance is Issuance.MANUAL and regime.renewal.rule is not Renewal.NEVER


def orphans(scenario: Scenario, regime: Regime, residual_s: NDArray[np.float64]) -> float:
    """Return how many credentials of workloads gone within a year still work at its end.

    M/G/∞ at the age of a year: each agent leaves at rate d, its credential works for W, the
    residual validity, or until somebody deletes it: d · E ∫₀^min(W, a year) (v + (1 − v)e^(−t/c))
    dt. A secret that others share is not deleted.

    Args:
        scenario: the rates at which agents leave.
        regime: who deletes what they leave behind, and when.
        residual_s: observations of W, of random agents at random instants; inf without an end.
    """
    rule = regime.offboarding
    never = 1.0 if regime.shared_by > 1 else rule.never_share
    until_s = np.minimum(residual_s, SECONDS_PER_YEAR)
    works_s = never * until_s
    if rule.mean_s > 0.0:
        works_s = works_s - (1.0 - never) * rule.mean_s * np.expm1(-until_s / rule.mean_s)
    rate = sum(w.count * w.leaves_per_agent_year for w in scenario.workloads)
    return rate * float(works_s.mean()) / SECONDS_PER_YEAR


def leaves(scenario: Scenario) -> bool:
    """Return whether any workload is ever decommissioned."""
    return any(workload.leaves_per_agent_year > 0.0 for workload in scenario.workloads)
