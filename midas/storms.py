"""The simulator's word on a storm that was measured: the same fleet, fault and back-off."""

from typing import TYPE_CHECKING

import msgspec

from scenarios.record.estimate import Estimate

if TYPE_CHECKING:
    from loadgen.swarm.storm import Storm
    from scenarios.record.record import RunRecord
    from scenarios.spec.fault_kinds import Fault

REPLICATIONS = 20


class Prediction(msgspec.Struct, frozen=True):
    """What the simulator says of the same window; None where its model has no such fault."""

    recovery_s: Estimate | None
    """from the end of the outage until as many documents were issued as there are agents"""
    expired_identity_s: Estimate | None
    note: str


def predict(found: "Storm", seed: int) -> Prediction:
    """Simulate the window of a measured storm.

    Only the killed server has a counterpart in the model: an outage of the issuer, whose clients
    poll, knock and expire.
    """
    from analysis.estimators import mean
    from loadgen.swarm.records import zero_of
    from loadgen.swarm.window import knock_s, not_modelled, storm_window
    from simulator.simulate import simulate

    report = found.report
    if why := not_modelled(report):
        return Prediction(None, None, why)
    scenario = storm_window(report, found.fault_s - zero_of(found))
    record = simulate(scenario, seed, "reference", REPLICATIONS)
    ends = _renewed_s(record, report.agents, scenario.faults[0])
    expired = [count.value for count in record.counts if count.name == "expired_agent_s"]
    note = f"{REPLICATIONS} replications; each agent's {report.identities} documents are one"
    if not report.backoff:
        note += f"; without back-off an agent knocks every {knock_s(report):.2f} s, as measured"
    return Prediction(
        mean(ends, "s"), mean([report.identities * value for value in expired], "s"), note
    )


def _renewed_s(record: "RunRecord", agents: int, outage: "Fault") -> list[float]:
    """Return, by replication, how long after the outage every agent had been issued to once."""
    issued: dict[int, int] = {}
    found: dict[int, float] = {}
    for sample in record.series:
        if sample.name == "issued" and sample.t_s >= outage.start_s:
            number = sample.replication
            issued[number] = issued.get(number, 0) + round(sample.value)
            if issued[number] >= agents:
                found.setdefault(number, sample.t_s + 1.0 - outage.start_s - outage.length_s)
    return [max(0.0, found[number]) for number in sorted(found)]
