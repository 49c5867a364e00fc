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
    """from the end of the fault until as many documents were issued as there are agents"""
    expired_identity_s: Estimate | None
    note: str
    noticed_at_sync: "Prediction | None" = None
    """the same where agents notice the outage at their next sync, not at their next renewal"""


def predict(found: "Storm", seed: int) -> Prediction:
    """Simulate the window of a measured storm.

    Only the killed server has a counterpart in the model: an outage of the issuer, whose clients
    poll, knock and expire.
    """
    from analysis.estimators import mean
    from loadgen.swarm.records import zero_of
    from loadgen.swarm.window import knock_s, not_modelled, storm_window, sync_window

    report = found.report
    if why := not_modelled(report):
        return Prediction(None, None, why)
    held_s = found.fault_s - zero_of(found)
    record = _simulated(storm_window(report, held_s), seed)
    expired = [count.value for count in record.counts if count.name == "expired_agent_s"]
    note = f"{REPLICATIONS} replications; each agent's {report.identities} documents are one"
    if not report.backoff:
        note += f"; without back-off an agent knocks every {knock_s(report):.2f} s, as measured"
    away = _away(_simulated(sync_window(report), seed))
    return Prediction(
        mean([_whole_s(one, report) for one in _issued(record)], "s"),
        mean([report.identities * value for value in expired], "s"),
        note,
        Prediction(
            mean([max(0.0, max(one, default=0.0) - report.down_s) for one in away], "s"),
            mean([_expired_s(one, report, held_s) for one in away], "s"),
            "the same with an agent's sync as what it renews: documents end "
            f"{report.x509_ttl_s} s after their issue and are renewed with the sync",
        ),
    )


def _simulated(scenario: "Scenario", seed: int) -> "RunRecord":
    from simulator.simulate import simulate

    scenario = scenario.model_copy(update={"horizon_s": scenario.horizon_s + PATIENCE_S})
    return simulate(scenario, seed, "reference", REPLICATIONS)


def _since_fault(record: "RunRecord", name: str) -> list[dict[float, float]]:
    """Return a series by replication: end of the interval, in seconds since the fault → value."""
    (fault,) = record.manifest.scenario["faults"]
    interval_s = record.manifest.scenario["series_interval_s"]
    found: dict[int, dict[float, float]] = {n: {} for n in range(record.manifest.replications)}
    for sample in record.series:
        if sample.name == name and sample.t_s >= fault["start_s"]:
            end_s = sample.t_s + interval_s - fault["start_s"]
            found[sample.replication][end_s] = sample.value
    return list(found.values())


def _issued(record: "RunRecord") -> list[dict[float, float]]:
    return _since_fault(record, "issued")


def _away(record: "RunRecord") -> list[dict[float, float]]:
    """Return, by replication, how many agents had not synced for long, while there were any."""
    levels = _since_fault(record, "expired_agents")
    return [{end_s: n for end_s, n in level.items() if n} for level in levels]


def _whole_s(issued: dict[float, float], report: "StormReport") -> float:
    """Return how long after the fault's end every agent had been issued to once."""
    total = 0.0
    for end_s, value in sorted(issued.items()):
        total += value
        if total >= report.agents:
            return max(0.0, end_s - report.down_s)
    return max(issued, default=0.0) - report.down_s


def _expired_s(away: dict[float, float], report: "StormReport", held_s: float) -> float:
    """Return identity-seconds without a good document, of agents that renew with their sync."""
    ends_s = report.x509_ttl_s - held_s
    return report.identities * sum(n for end_s, n in away.items() if end_s > ends_s)
