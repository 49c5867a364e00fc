"""Each tenant of a shared issuer by itself: what it suffers, sees and is served.

Thefts belong to a tenant by the number of the robbed agent: classes are numbered in the order of
the scenario. What the issuer did to it comes from counts named ``tenant:NAME:what``, taken of a
sample of its agents. A theft of the issuer's key is everybody's and stands under nobody.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from analysis import estimators, survival
from analysis.detection import TimeToDetection, time_to_detection
from analysis.part import FORGERS, Part
from scenarios.record.estimate import Estimate
from scenarios.record.record import RunRecord
from scenarios.spec.rules import SECONDS_PER_DAY, SECONDS_PER_YEAR

PREFIX = "tenant:"
TITLES = {
    "incidents_per_agent_year": "Incidents per agent and year",
    "exposure_within_s": "Copy usable after the theft, mean",
    "foothold_within_s": "Foothold until the thief's last access, mean",
    "issuances_per_s": "Credentials issued per second",
    "renewal_delay_mean_s": "Renewal due until issued, mean",
    "expired_s_per_agent_day": "Seconds with an expired credential, per agent and day",
    "thefts_in_vain_share": "Thefts that found nothing usable",
    "tight_share": "Time for which alerts had tightened its policy",
}
"""metrics in the order in which they are shown"""


class TenantSummary(msgspec.Struct, frozen=True):
    """Everything said about one tenant under one regime."""

    agents: int
    thefts: int
    metrics: dict[str, Estimate]
    time_to_detection: TimeToDetection


def tenants(record: RunRecord, point: str, regime: str, until_s: float) -> dict[str, TenantSummary]:
    """Return each tenant's summary by name; none where a scenario has no tenants.

    Args:
        record: simulated.
        point: of its sweep.
        regime: one of its regimes.
        until_s: how far exposure is followed, the same for everybody.
    """
    scenario = record.manifest.scenario
    names = [tenant["name"] for tenant in scenario.get("tenants", ())]
    return {
        name: _summary(Part(record, point, (regime,), members), name, len(members), until_s)
        for name, members in zip(names, _members(scenario), strict=True)
    }


def _members(scenario: Mapping[str, Any]) -> Iterator[frozenset[int]]:
    """Yield the numbers of each tenant's agents."""
    first, agents_of = 0, {}
    for workload in scenario["workloads"]:
        agents_of[workload["name"]] = range(first, first + workload["count"])
        first += workload["count"]
    for tenant in scenario.get("tenants", ()):
        yield frozenset(agent for name in tenant["workloads"] for agent in agents_of[name])


def _summary(part: Part, name: str, agents: int, until_s: float) -> TenantSummary:
    own = [theft for theft in part.thefts if theft.persona not in FORGERS]
    natural = [theft for theft in own if not theft.injected and theft.stolen_s >= 0]
    counted = [_own(counts, name) for counts in part.replications()]
    years = agents * part.horizon_s * len(counted) / SECONDS_PER_YEAR
    vain = int(sum(c["thefts_in_vain"] for c in counted))
    metrics = {
        "incidents_per_agent_year": estimators.rate(len(natural), years, "1/(agent yr)"),
        "issuances_per_s": estimators.mean(
            [c["issued"] / c["sampled"] * c["holders"] / part.horizon_s for c in counted], "1/s"
        ),
        "renewal_delay_mean_s": estimators.mean(
            [c["renewal_delay_s"] / c["renewals"] for c in counted if c["renewals"]], "s"
        ),
        "expired_s_per_agent_day": estimators.mean(
            [c["expired_s"] / c["sampled"] / part.horizon_s * SECONDS_PER_DAY for c in counted],
            "s/(agent d)",
        ),
        "thefts_in_vain_share": estimators.share(vain, vain + len(part.copies)),
    }
    if any("tight_s" in c for c in counted):
        tight = [c["tight_s"] / part.horizon_s for c in counted]
        metrics["tight_share"] = estimators.mean(tight, "1")
    if until_s > 0:
        for within, followed in (
            ("exposure_within_s", part.copies),
            ("foothold_within_s", part.footholds),
        ):
            metrics[within] = survival.restricted_mean(followed.use, until_s)
    for metric, found in metrics.items():  # none of them can lie below zero, whatever t says of few
        if found.low is not None and found.low < 0:
            metrics[metric] = msgspec.structs.replace(found, low=0.0)
    return TenantSummary(agents, len(own), metrics, time_to_detection(part.copies, until_s))


def _own(counts: Mapping[str, float], name: str) -> dict[str, float]:
    """Return one tenant's counts, by what they count."""
    prefix = f"{PREFIX}{name}:"
    return {
        key.removeprefix(prefix): value for key, value in counts.items() if key.startswith(prefix)
    }
