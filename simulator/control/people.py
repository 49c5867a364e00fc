"""What people do for a regime: time and mishaps, from what happened in the run (model.md §2, §7).

How often a rotation is forgotten decides when it takes place (``rules.age_by_hand``), so the
downtime that this costs is simulated. Whether one breaks something changes nothing else and is
counted in the mean, as is the time for both.
"""

from collections.abc import Sequence

from scenarios.record.tables import Incident
from scenarios.spec.regime import Effort, Issuance, Regime, Renewal
from scenarios.spec.schema import Scenario


def effort(
    scenario: Scenario, regime: Regime, issued: float, incidents: Sequence[Incident]
) -> dict[str, float]:
    """Return counts by name: ``toil_s``, and where people rotate what comes of it.

    With n credentials issued by hand, of which a share q had been forgotten and a share b of the
    others broke something: n·(q + (1 − q)·b) mishaps, and n·(1 − q)·b·M/2 seconds for which an
    agent was broken. Their time: n·rotation + mishaps·mishap + noticed thefts·incident. Injected
    thefts do not count: their number is a choice.

    Args:
        scenario: whether people rotate under any of its regimes.
        regime: the regime of all agents.
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
    toil_s += rotations * regime.effort.rotation_s + mishaps * regime.effort.mishap_s
    if not any(_rotates_by_hand(of) for of in scenario.regimes):
        return {"toil_s": toil_s}
    return {
        "rotations_by_hand": rotations,
        "mishaps": mishaps,
        "broken_agent_s": broken * renewal.mended_within_s / 2.0,
        "toil_s": toil_s,
    }


def _rotates_by_hand(regime: Regime) -> bool:
    return regime.issuance is Issuance.MANUAL and regime.renewal.rule is not Renewal.NEVER
