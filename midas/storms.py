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
    from loadgen.swarm.window import COLD, knock_s, not_modelled, storm_window, sync_window

    report = found.report
    if why := not_modelled(report):
        return Prediction(None, None, why)
    held_s = found.fault_s - zero_of(found)
    note = f"{REPLICATIONS} replications; each agent's {report.identities} documents are one"
    if report.kind in COLD:  # what a restart loses is gone, not expired
        record = _simulated(storm_window(report, held_s), seed)
        return Prediction(mean(_counted(record, "fault_0_recovery_s"), "s"), None, note)
    if not report.backoff:
        note += f"; without back-off an agent knocks every {knock_s(report):.2f} s, as measured"
    said = _killed(storm_window(report, held_s), report, note, seed)
    note = "the same with agents that sync every 5 s ±10 % and back off from a failed sync on"
    return msgspec.structs.replace(
        said, noticed_at_sync=_killed(sync_window(report, held_s), report, note, seed)
    )


def _killed(scenario: "Scenario", report: "StormReport", note: str, seed: int) -> Prediction:
    from analysis.estimators import mean

    record = _simulated(scenario, seed)
    ends = _counted(record, "fault_0_recovery_s")
    expired = [report.identities * value for value in _counted(record, "expired_agent_s")]
    return Prediction(
        mean([value + report.start_s for value in ends], "s"), mean(expired, "s"), note
    )


def _simulated(scenario: "Scenario", seed: int) -> "RunRecord":
    from simulator.simulate import simulate

    scenario = scenario.model_copy(update={"horizon_s": scenario.horizon_s + PATIENCE_S})
    return simulate(scenario, seed, "reference", REPLICATIONS)


def _counted(record: "RunRecord", name: str) -> list[float]:
    return [count.value for count in record.counts if count.name == name]
