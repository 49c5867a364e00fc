"""What ``--json`` promises, on records whose contents are known."""

import json

import msgspec
import pytest

from analysis import document, terse
from analysis.summary import summarise
from tests.records import measured, simulated, theft

ESTIMATE = {"value", "low", "high", "n", "unit", "covers"}
METRICS = {
    "residual_validity_s",
    "exposure_s",
    "issuances_per_s",
    "peak_issuances_per_s",
    "time_to_first_credential_s",
    "auth_failures_per_agent_day",
    "attribution_share",
    "incidents_per_agent_year",
    "false_alarms_per_identity_day",
}


def test_simulate_prints_what_it_promises() -> None:
    found = document.simulated(summarise(simulated()), "results/runs/x")
    assert {"run_id", "path", "engine", "events_executed", "switches_counted", "wall_s"} <= set(
        found
    )
    assert found["events_executed"] == 8000
    for regime in found["regimes"].values():
        assert set(regime) >= METRICS
        for name in METRICS:
            assert set(regime[name]) >= ESTIMATE
        assert set(regime["time_to_detection"]) >= {"detected_share", "median_s", "p90_s", "curve"}
        assert all(len(point) == 4 for point in regime["time_to_detection"]["curve"])
    assert found["regimes"]["static-key"]["residual_validity_s"]["infinite"] is True
    json.dumps(found, allow_nan=False)


def test_drive_prints_what_it_promises() -> None:
    found = document.measured(summarise(measured()), "results/runs/x")
    assert found["valid"] is True
    assert found["lag_p99_s"] == pytest.approx(0.0023, rel=0.2)
    for op in found["operations"].values():
        assert set(op) == {"sent", "ok", "errors", "p50_s", "p95_s", "p99_s", "max_s"}
        assert set(op["p99_s"]) >= ESTIMATE
    assert [row["outcome"] for row in found["thefts"]] == [
        "two-origins",
        "superseded-serial",
        "undetected",
        "undetected",
    ]
    assert found["thefts"][3]["alert_s"] is None
    assert set(found["detector_latency_s"]) >= ESTIMATE
    assert set(found["false_alarms_per_identity_day"]) >= ESTIMATE
    json.dumps(found, allow_nan=False)


def test_what_cannot_be_seen_is_said_and_what_did_not_happen_is_null() -> None:
    hidden = {"incidents.revoked_s": "no verb", "new-permission": "the audit carries no permission"}
    row = document.theft(theft(expected="new-permission"), hidden)
    assert row["revoked_s"] == row["alert_s"] == row["detector"] == "not observable"
    assert row["last_accepted_s"] is None
    assert document.theft(theft(expected="two-origins"), {})["alert_s"] is None


def test_tables_say_what_the_document_says() -> None:
    summary = summarise(simulated())
    table = terse.regimes(summary)
    assert table.columns == ("", "static-key", "svid")
    assert {len(row) for row in table.rows} == {3}
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["Life left in a credential stolen now"][0] == "without end"
    assert "Wait for the first credential" not in rows
    real = summarise(measured())
    assert {len(row) for row in terse.operations(real).rows} == {7}
    assert [row[-1] for row in terse.thefts(real).rows] == ["yes", "yes", "yes", "NO"]


def test_a_summary_survives_its_own_encoding() -> None:
    summary = summarise(simulated(n=10))
    assert msgspec.json.decode(msgspec.json.encode(summary), type=type(summary)) == summary
