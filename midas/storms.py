"""The simulator's word on a storm that was measured: the same fleet, fault and back-off."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from scenarios.record.estimate import Estimate

if TYPE_CHECKING:
    from loadgen.swarm.storm import Storm
    from scenarios.record.record import RunRecord
    from scenarios.spec.fault_kinds import Fault
    from scenarios.spec.schema import Scenario

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
    poll, back off and expire. All documents are issued at the instant at which half of the fleet's
    had been.
    """
    from analysis.estimators import mean
    from loadgen.swarm.kinds import Kind
    from simulator.simulate import simulate

    report = found.report
    if report.kind is not Kind.SERVER_KILLED:
        return Prediction(None, None, "the simulator has no such fault")
    if not report.backoff:
        return Prediction(None, None, "the simulator's agents always back off")
    scenario = _scenario(found)
    record = simulate(scenario, seed, "reference", REPLICATIONS)
    ends = _renewed_s(record, report.agents, scenario.faults[0])
    expired = [count.value for count in record.counts if count.name == "expired_agent_s"]
    return Prediction(
        mean(ends, "s"),
        mean([report.identities * value for value in expired], "s"),
        f"{REPLICATIONS} replications; each agent's {report.identities} documents are one",
    )


def _scenario(found: "Storm") -> "Scenario":
    from loadgen.swarm.field import BACKDATE_S, SYNC_BACKOFF
    from scenarios.spec.fault_kinds import IssuerOutage
    from scenarios.spec.regime import Renewal
    from scenarios.spec.resolve import load
    from scenarios.spec.schema import (
        Backoff,
        Issuer,
        Start,
        Task,
        Threats,
        Workload,
    )

    report = found.report
    base = load(Path("customer-service")).scenario
    regime = next(one for one in base.regimes if one.renewal.rule is Renewal.FRACTION_POLLED)
    # SPIRE takes the threshold from the backdated life, the model from the life after the issue
    left_s = (1.0 - regime.renewal.fraction) * (report.x509_ttl_s + BACKDATE_S)
    renewal = regime.renewal.model_copy(update={"fraction": 1.0 - left_s / report.x509_ttl_s})
    regime = regime.model_copy(update={"ttl_s": float(report.x509_ttl_s), "renewal": renewal})
    held_s = found.fault_s - _half_issued_s(found)
    backoff = Backoff(**msgspec.structs.asdict(SYNC_BACKOFF))
    tasks = (Task(name="work", rate_hz=0.1, permissions=("work:do",)),)
    outage = IssuerOutage(kind="issuer-outage", start_s=held_s, duration_s=report.down_s)
    return base.model_copy(
        update={
            "name": "server-killed",
            "horizon_s": held_s + report.watched_s,
            "regimes": (regime,),
            "workloads": (Workload(name="node", count=report.agents, tasks=tasks),),
            "start": Start(ages="synchronised"),
            "issuer": Issuer(servers=1, backoff=backoff),
            "threats": Threats(),
            "faults": (outage,),
            "series_interval_s": 1.0,
        }
    )


def _half_issued_s(found: "Storm") -> float:
    half = found.report.agents * found.report.identities / 2
    return next((p.t_s for p in found.progress if p.signed >= half), 0.0)


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
