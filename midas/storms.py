"""The simulator's word on a storm that was measured: the same fleet, fault and back-off."""

from typing import TYPE_CHECKING

import msgspec

from scenarios.record.estimate import Estimate

if TYPE_CHECKING:
    from loadgen.swarm.storm import Storm, StormReport
    from scenarios.record.record import RunRecord
    from scenarios.spec.schema import Scenario

REPLICATIONS = 20
PATIENCE_S = 120.0
"""how much longer than the measurement a simulation may take to become whole"""


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the simulator says of the same window; None where its model has no such fault."""

    recovery_s: Estimate | None
    """from the end of the fault until nobody stands without a good document"""
    expired_identity_s: Estimate | None
    note: str
    noticed_at_sync: "Prediction | None" = None
    """the same where agents notice the outage at their next sync, not at their next renewal"""


def predict(found: "Storm", seed: int) -> Prediction:
    """Simulate the window of a measured storm.

    A killed server is an outage of the issuer; a cold start is a restart of all agents, which lose
    what they hold and ask anew. The other storms have no counterpart in the model.
    """
    from analysis.estimators import mean
    from loadgen.swarm.records import zero_of
    from loadgen.swarm.window import COLD, knock_s, not_modelled, storm_window

    report = found.report
    if why := not_modelled(report):
        return Prediction(None, None, why)
    held_s = found.fault_s - zero_of(found)
    record = _simulated(storm_window(report, held_s), seed)
    ends = _counted(record, "fault_0_recovery_s")
    expired = [report.identities * value for value in _counted(record, "expired_agent_s")]
    note = f"{REPLICATIONS} replications; each agent's {report.identities} documents are one"
    if report.kind in COLD:  # what a restart loses is gone, not expired
        return Prediction(mean(ends, "s"), None, note)
    if not report.backoff:
        note += f"; without back-off an agent knocks every {knock_s(report):.2f} s, as measured"
    return Prediction(
        mean([value + report.start_s for value in ends], "s"),
        mean(expired, "s"),
        note,
        _noticed_at_sync(report, held_s, seed),
    )


def _noticed_at_sync(report: "StormReport", held_s: float, seed: int) -> Prediction:
    from analysis.estimators import mean
    from loadgen.swarm.window import sync_window

    away = _away(_simulated(sync_window(report), seed))
    return Prediction(
        mean([max(0.0, max(one, default=0.0) - report.down_s) for one in away], "s"),
        mean([_expired_s(one, report, held_s) for one in away], "s"),
        "the same with an agent's sync as what it renews: documents end "
        f"{report.x509_ttl_s} s after their issue and are renewed with the sync",
    )


def _simulated(scenario: "Scenario", seed: int) -> "RunRecord":
    from simulator.simulate import simulate

    scenario = scenario.model_copy(update={"horizon_s": scenario.horizon_s + PATIENCE_S})
    return simulate(scenario, seed, "reference", REPLICATIONS)


def _counted(record: "RunRecord", name: str) -> list[float]:
    return [count.value for count in record.counts if count.name == name]


def _away(record: "RunRecord") -> list[dict[float, float]]:
    """Return, by replication, how many agents had not synced for long: seconds since the fault → n.

    Only while there were any.
    """
    (fault,) = record.manifest.scenario["faults"]
    interval_s = record.manifest.scenario["series_interval_s"]
    found: dict[int, dict[float, float]] = {n: {} for n in range(record.manifest.replications)}
    for sample in record.series:
        if sample.name == "expired_agents" and sample.value and sample.t_s >= fault["start_s"]:
            end_s = sample.t_s + interval_s - fault["start_s"]
            found[sample.replication][end_s] = sample.value
    return list(found.values())


def _expired_s(away: dict[float, float], report: "StormReport", held_s: float) -> float:
    """Return identity-seconds without a good document, of agents that renew with their sync."""
    ends_s = report.x509_ttl_s - held_s
    return report.identities * sum(n for end_s, n in away.items() if end_s > ends_s)
