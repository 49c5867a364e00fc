"""A drive against SPIRE: issuances alone, thefts carried to expiry, blindness said so."""

from pathlib import Path

import pytest

from loadgen.drive import drive
from loadgen.incidents import as_expected
from loadgen.targets.registry import make_target
from scenarios.errors import UsageError
from scenarios.record.record import RunRecord
from scenarios.spec.resolve import load
from tests.spire_programs import spire_programs

SECONDS, RATE_HZ, TTL_S = 10.0, 60.0, 5.0


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    spire_programs()
    scenario = load(Path("customer-service")).scenario
    override = scenario.drive.override.model_copy(update={"ttl_s": TTL_S})
    short = scenario.drive.model_copy(update={"override": override})
    return drive(
        scenario.model_copy(update={"drive": short}),
        lambda: make_target("spire"),
        3,
        regimes=["x509-svid-1h"],
        rate_hz=RATE_HZ,
        seconds=SECONDS,
        attacks=["superseded-svid-thief", "two-origin-thief:2"],
        lag_bound_s=1.0,  # other tests share this machine: being late is not what is tested
        workdir=tmp_path_factory.mktemp("drive"),
    )


def test_only_issuances_are_sent_and_all_are_answered(record: RunRecord) -> None:
    assert record.manifest.reason == ""
    assert record.manifest.valid
    assert record.manifest.complete
    arrivals = [row for row in record.operations if row.op.startswith(("issue", "authorize"))]
    assert {(row.op, row.code) for row in arrivals} == {("issue-x509", "ok")}
    assert sum(row.count for row in arrivals) > 0.5 * RATE_HZ * SECONDS
    assert any("only issuances were sent" in note for note in record.manifest.notes)


def test_the_audit_log_tells_every_issuance(record: RunRecord) -> None:
    counts = {count.name: count.value for count in record.counts}
    issued = counts["arrivals"]
    # the relying party has a document of its own
    assert counts["audit_events"] in (issued, issued + 1)


def test_thefts_end_with_the_document_and_nothing_sees_them(record: RunRecord) -> None:
    # under so short a lifetime a document may end before its thief has used it
    used = [incident for incident in record.incidents if incident.uses_accepted > 0]
    assert used
    for incident in used:
        assert as_expected(incident)
        assert incident.detector is None
        assert incident.expires_s is not None
        assert incident.last_accepted_s is not None
        # certificates end on a whole second
        assert incident.last_accepted_s < incident.expires_s + 1.0
    assert any(incident.end == "expired" for incident in record.incidents)
    assert record.alerts == []


def test_what_the_log_hides_is_named(record: RunRecord) -> None:
    hidden = record.manifest.not_observable
    assert {"incidents.alert_s", "incidents.detector", "superseded-serial"} <= hidden.keys()


def test_a_static_key_is_refused_before_anything_starts() -> None:
    scenario = load(Path("customer-service")).scenario
    with pytest.raises(UsageError, match="static-key needs static-key"):
        drive(scenario, lambda: make_target("spire"), 1, regimes=["static-key"])
