"""Watching a fault until the fleet has recovered, and what is said of it."""

from typing import Any

import pytest

from analysis import recovery, terse
from analysis.document import simulated as document
from analysis.summary import summarise
from scenarios.demand.streams import seed_key
from scenarios.record.estimate import Estimate
from scenarios.record.record import RunRecord
from scenarios.spec.fault_kinds import DatastoreSlow, IssuerOutage, SigningSlow
from scenarios.spec.regime import RenewalRule
from scenarios.spec.schema import Backoff, Datastore, Issuer, RateLimit, Start
from simulator.control.run import run
from simulator.reference import ReferencePopulation
from tests.records import counts, manifest
from tests.scenes import WORK, make_regime, make_scenario

EXACT = RenewalRule.model_validate({"rule": "fraction", "fraction": 0.5})
EVERY_10_S = Backoff(base_s=10.0, factor=1.0, cap_s=10.0, jitter=0.0)
QUICK = Issuer(servers=9, service_time_s=1e-6, backoff=EVERY_10_S)


def simulated(**changes: Any) -> dict[str, float]:  # noqa: ANN401
    """Return the counts of a run of 20 agents whose documents of 600 s are renewed after 300."""
    regime = make_regime(ttl_s=600.0, renewal=EXACT)
    base: dict[str, Any] = {
        "agents": 20,
        "tasks": (WORK,),
        "issuer": QUICK,
        "start": Start(ages="synchronised"),
        "horizon_s": 2_000.0,
        "series_interval_s": 5.0,
    }
    scenario = make_scenario(regime, **(base | changes))
    key = seed_key(1)
    found, *_ = run(scenario, regime, key, ReferencePopulation(scenario, regime, key))
    return found


def outage(start_s: float, duration_s: float, **changes: Any) -> IssuerOutage:  # noqa: ANN401
    return IssuerOutage(kind="issuer-outage", start_s=start_s, duration_s=duration_s, **changes)


def test_an_outage_in_which_nothing_is_due_is_over_at_its_end() -> None:
    found = simulated(faults=(outage(100.0, 150.0),))
    assert found["fault_0_windows"] == found["fault_0_recovered"] == 1.0
    assert found["fault_0_recovery_s"] == found["fault_0_requests"] == 0.0


def test_recovery_takes_until_the_last_has_come_back_and_been_served() -> None:
    # everybody is due at 300 s and asks every 10 s; the outage ends at 295 + 12 = 307
    found = simulated(faults=(outage(295.0, 12.0),))
    assert found["fault_0_recovery_s"] == 5.0, "asked again at 310 s, looked at at 307 and 312"
    assert found["fault_0_requests"] == 40.0
    assert found["fault_0_issued"] == 20.0
    assert found["fault_0_expired_agent_s"] == 0.0


def test_expired_documents_are_counted_until_they_are_renewed() -> None:
    found = simulated(faults=(outage(295.0, 403.0),))
    assert found["fault_0_expired_agent_s"] == pytest.approx(20 * 100.0, abs=0.1), "600 to 700 s"
    assert found["fault_0_auth_failures"] > 0
    assert found["fault_0_recovery_s"] == 5.0


def test_a_fault_that_the_run_does_not_outlast_is_left_out() -> None:
    assert "fault_0_windows" not in simulated(faults=(outage(1_900.0, 100.0),))


def test_a_fleet_that_is_struck_again_first_has_not_recovered() -> None:
    slow = QUICK.model_copy(update={"backoff": Backoff(base_s=900.0, jitter=0.0, cap_s=900.0)})
    found = simulated(faults=(outage(295.0, 10.0, every_s=400.0),), issuer=slow)
    # struck at 295, 695, 1095, 1495 and 1895 s; all are in back-off from 300 to 1200 s and from
    # 1500 s on, without a valid document from 600 to 1200 s and from 1800 s on
    assert found["fault_0_windows"] == 5.0
    assert found["fault_0_recovered"] == 1.0, "of the strike at 1095 s"


def test_what_waits_at_the_issuer_before_the_fault_is_no_backlog_of_it() -> None:
    limit = RateLimit(rate_hz=0.01, nodes_per_address=99)
    issuer = QUICK.model_copy(update={"rate_limit": limit})
    found = simulated(faults=(outage(401.0, 10.0),), issuer=issuer)
    assert found["fault_0_recovered"] == 1.0, "18 requests wait before it, as many after it"
    assert found["fault_0_peak_backlog"] == 18.0, "turns at 300 and at 400 s"


def test_a_cold_start_is_over_when_everybody_holds_a_document() -> None:
    limit = RateLimit(rate_hz=0.1, nodes_per_address=99)
    issuer = QUICK.model_copy(update={"rate_limit": limit})
    found = simulated(start=Start(ages="cold"), issuer=issuer)
    assert found["cold_start_windows"] == found["cold_start_recovered"] == 1.0
    assert found["cold_start_recovery_s"] == 195.0, "the last has its turn just after 190 s"
    assert found["cold_start_expired_agent_s"] == pytest.approx(10 * sum(range(20)), abs=0.1)


def test_faults_of_one_kind_that_overlap_multiply_and_end_one_by_one() -> None:
    spans = {"start_s": 290.0, "duration_s": 1_000.0, "factor": 4.0}
    sign_s = 1e-12
    issuer = QUICK.model_copy(
        update={"service_time_s": sign_s, "datastore": Datastore(service_time_s=0.5)}
    )
    longest = [
        simulated(faults=faults, issuer=issuer)["queue_wait_s"]
        for faults in (
            (),
            (DatastoreSlow(kind="datastore-slow", **spans),),
            (DatastoreSlow(kind="datastore-slow", **spans),) * 2,
            (SigningSlow(kind="signing-slow", **spans),),
        )
    ]
    # nobody waits for signatures, but each of 120 may find the queue of six renewals moved by as
    # many slower ones; of an exponential law nothing as long as 30 means is drawn
    moved_s = 120 * 2 * 6 * 3.0 * 30 * sign_s
    assert longest[3] == pytest.approx(longest[0], abs=moved_s)
    # one server, twenty at once: waits are sums of services, all of which are slow, three times
    waits_in_all = 6  # renewals at 300, 600 … 1800 s, of which those before 1290 s are slow
    assert longest[1] > longest[0] * 4.0 * 3 / waits_in_all
    assert longest[2] > longest[1] * 2.0


# -- what is said of it ----------------------------------------------------------------------------


def record(*recovered: int, windows: int = 1) -> RunRecord:
    """Return a record with an outage, a strike and a replication for each number."""
    faults = [{"kind": "issuer-outage", "start_s": 10.0, "duration_s": 10.0}]
    scenario = manifest().scenario | {"faults": faults}
    rows = [
        row
        for replication, each in enumerate(recovered)
        for row in counts(
            "svid",
            replication,
            fault_0_windows=windows,
            fault_0_recovered=each,
            fault_0_recovery_s=60.0 * each,
            fault_0_peak_backlog=500.0,
            fault_0_requests=300.0,
            fault_0_issued=100.0,
            fault_0_auth_failures=20.0,
            fault_0_expired_agent_s=1_000.0,
        )
    ]
    return RunRecord(manifest(scenario=scenario, replications=len(recovered)), counts=rows)


def test_estimates_of_a_fault() -> None:
    of = summarise(record(1, 1, 1, 1)).regimes["svid"].metrics
    assert of["issuer_outage_recovered_share"].value == 1.0
    assert of["issuer_outage_recovery_s"].value == 60.0
    assert of["issuer_outage_peak_backlog"].value == 500.0
    assert of["issuer_outage_attempts_per_issue"].value == 3.0
    assert of["issuer_outage_expired_s"].value == 10.0, "per agent"
    assert of["issuer_outage_failures"].value == 0.2


def test_a_recovery_that_did_not_always_come_has_no_mean_time() -> None:
    summary = summarise(record(1, 0, 1, 0))
    assert summary.regimes["svid"].metrics["issuer_outage_recovery_s"].value is None
    reason = summary.not_estimable["svid.issuer_outage_recovery_s"]
    assert reason.startswith("2 of 4 times the fleet had not recovered")


@pytest.mark.parametrize(
    ("recovered", "verdict"),
    [
        ((1, 1, 1, 1), "recovers"),  # Wilson: 0.51 to 1
        ((0, 0, 0, 0), "does not recover"),
        ((1, 1, 1), "not resolved"),  # 0.44 to 1
        ((1, 0, 1, 0), "not resolved"),
    ],
)
def test_the_verdict_is_the_interval_s(recovered: tuple[int, ...], verdict: str) -> None:
    summary = summarise(record(*recovered))
    assert document(summary, "")["recovers"] == {"svid": {"issuer_outage": verdict}}
    (row,) = [row for row in terse.regimes(summary).rows if row[0].endswith("by itself")]
    assert row[0] == "Issuer outage: the fleet recovers by itself"
    assert row[-1].startswith(verdict)


def test_no_verdict_without_observations() -> None:
    assert recovery.verdict(Estimate(None, None, None, 0, "1")) == "not resolved"


def test_faults_of_one_kind_are_numbered() -> None:
    kinds = ("partition", "issuer-outage", "partition")
    scenario = {"faults": [{"kind": kind} for kind in kinds]}
    assert list(recovery.labels(scenario).values()) == [
        "cold_start",
        "partition_1",
        "issuer_outage",
        "partition_2",
    ]
