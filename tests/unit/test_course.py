"""The course of a theft, the worth of a detector, what a line names: on hand-made records."""

from typing import Any

import pytest

from analysis.course import course
from analysis.part import Part
from analysis.watch import attribution, watch
from scenarios.record.record import RunRecord
from scenarios.record.tables import AlertRow, Count, Incident
from scenarios.spec import resolve
from scenarios.spec.schema import Benign
from tests.records import HORIZON_S, counts, manifest, theft
from tests.scenes import make_regime, make_scenario


def part(*incidents: Incident, **changes: Any) -> Part:  # noqa: ANN401
    record = RunRecord(manifest(**changes), incidents=list(incidents))
    return Part(record, "0", ("svid",))


def spans(*incidents: Incident) -> dict[str, float | None]:
    found = course(part(*incidents), 1000.0, "_s")
    return {name: of.value for name, of in found.items()}


def test_the_states_add_up_to_the_time_of_access() -> None:
    seen = theft(
        stolen_s=0.0,
        first_use_s=100.0,
        alert_s=300.0,
        revoked_s=700.0,
        evicted_s=700.0,
        end="revoked",
    )
    assert spans(seen) == {
        "copy_held_s": 100.0,
        "copy_abused_unseen_s": 200.0,
        "copy_abused_seen_s": 400.0,
    }
    unused = theft(stolen_s=0.0, first_use_s=None, expires_s=600.0, end="expired")
    assert spans(seen, unused) == {
        "copy_held_s": 350.0,
        "copy_abused_unseen_s": 100.0,
        "copy_abused_seen_s": 200.0,
    }


def test_an_alert_before_the_first_use_leaves_nothing_unseen() -> None:
    warned = theft(
        stolen_s=0.0,
        first_use_s=500.0,
        alert_s=200.0,
        revoked_s=800.0,
        evicted_s=800.0,
        end="revoked",
    )
    assert spans(warned) == {
        "copy_held_s": 500.0,
        "copy_abused_unseen_s": 0.0,
        "copy_abused_seen_s": 300.0,
    }


def test_what_is_seen_after_its_end_is_forensics_and_no_time_of_its_own() -> None:
    late = theft(stolen_s=0.0, first_use_s=100.0, alert_s=900.0, expires_s=600.0, end="expired")
    assert spans(late) == {
        "copy_held_s": 100.0,
        "copy_abused_unseen_s": 500.0,
        "copy_abused_seen_s": 0.0,
    }


def test_only_thefts_that_could_be_followed_count_and_footholds_stand_apart() -> None:
    open_ = theft(stolen_s=0.0, first_use_s=200.0)
    short = theft(stolen_s=HORIZON_S - 10.0, first_use_s=None)
    lives = theft(persona="foothold", agent=2, stolen_s=0.0, first_use_s=400.0)
    assert spans(open_, short, lives) == {
        "copy_held_s": 200.0,
        "copy_abused_unseen_s": 800.0,
        "copy_abused_seen_s": 0.0,
        "foothold_held_s": 400.0,
        "foothold_abused_unseen_s": 600.0,
        "foothold_abused_seen_s": 0.0,
    }


def alert(detector: str, incident: int | None) -> AlertRow:
    return AlertRow("0", "svid", 0, 10.0, 9.0, detector, "spiffe://x", incident)


def test_each_detector_has_its_precision_and_its_false_alarms() -> None:
    svid = make_regime(name="svid")
    asked = make_scenario(svid, benign=Benign(batch_jobs_per_agent_year=1.0))
    record = RunRecord(
        manifest(scenario=resolve.dump(asked), replications=1),
        counts=[
            *counts("svid", 0, watched_identity_s=4 * 86_400.0),
            Count("0", "svid", 0, "triaged_canary", 4.0),
            Count("0", "svid", 0, "triage_wait_canary_s", 100.0),
            Count("0", "svid", 0, "triage_wait_s", 100.0),
        ],
        incidents=[theft(injected=False), theft(injected=True)],
        alerts=[
            alert("canary", 0),
            *(alert("canary", None) for _ in range(3)),
            alert("canary", 1),
            alert("rate-change", None),
            alert("external-notice", 0),
        ],
    )
    found = watch(Part(record, "0", ("svid",)))
    assert found["canary_precision"].value == 0.25, "the injected one is left out"
    assert found["canary_false_alarms_per_identity_day"].value == pytest.approx(0.75)
    assert found["rate_change_precision"].value == 0.0
    assert found["triage_wait_canary_s"].value == 25.0
    assert not any("external" in name for name in found)


@pytest.mark.parametrize(
    ("names", "shares"),
    [("workload", (0.0, 0.0)), ("task", (1.0, 0.0)), ("delegation", (1.0, 1.0))],
)
def test_lines_name_what_the_regime_says(names: str, shares: tuple[float, float]) -> None:
    regimes = [{"name": "svid", "ttl_s": 1e3, "attribution": names}]
    record = RunRecord(
        manifest(scenario=manifest().scenario | {"regimes": regimes}, regimes=["svid"]),
        counts=counts("svid", 0, accesses=10.0),
    )
    found = attribution(Part(record, "0", ("svid",)))
    assert tuple(of.value for of in found.values()) == shares
