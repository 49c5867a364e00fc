"""A storm that was measured, as a record and beside its simulation; here the storm is made up."""

from pathlib import Path

import msgspec
import pytest

from analysis.summary import summarise
from loadgen.swarm.kinds import Kind
from loadgen.swarm.protocol import Progress
from loadgen.swarm.records import storm_record, zero_of
from loadgen.swarm.storm import Storm, StormReport
from loadgen.swarm.window import COLD, knock_s, storm_window
from midas.storms import predict
from scenarios.record import store
from scenarios.spec.resolve import dump, load_resolved

AGENTS, IDENTITIES, TTL_S = 10, 2, 60
HALF_S, FAULT_S, DOWN_S, END_S = 5.0, 25.0, 45.0, 90.0
REPORT = StormReport(
    kind=Kind.SERVER_KILLED,
    agents=AGENTS,
    identities=IDENTITIES,
    x509_ttl_s=TTL_S,
    attestor="x509pop",
    backoff=False,
    control_frame_limit=None,
    down_s=DOWN_S,
    start_s=0.0,
    watched_s=END_S - FAULT_S,
    up_s=4.0,
    recovery_s=8.0,
    recovered=True,
    failed_signings=0,
    failed_calls={"connect:refused": 880, "connect:closed": 20, "sync:closed": 3},
    retry_amplification=3.0,
    peak_signed_per_s=20.0,
    expired_identity_s=200.0,
    server_cpu_s=1.0,
    server_rss_mb=100.0,
    swarm_lag_p99_s=0.01,
    swarm_valid=True,
)


@pytest.fixture(autouse=True)
def _few_replications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midas.storms.REPLICATIONS", 5)


def progress(t_s: float) -> Progress:
    signed = 0 if t_s < HALF_S else 20 if t_s < 78.0 else 40
    return Progress(
        t_s=t_s,
        attested=AGENTS,
        connected=AGENTS,
        synced=AGENTS,
        identities=min(20, signed),
        expired=0,
        calls={},
        ok={},
        errors={},
        signed=signed,
        lag_p99_s=None,
        cpu_s=0.0,
        rss_bytes=0,
    )


def storm(**changes: object) -> Storm:
    report = msgspec.structs.replace(REPORT, **changes)
    lines = [progress(float(t_s)) for t_s in range(1, int(END_S) + 1)]
    return Storm(report, lines, FAULT_S, [], "2026-01-01T00:00:00+00:00", 100.0)


def test_the_record_is_kept_whole_and_summarised(tmp_path: Path) -> None:
    record = storm_record(storm(), 7, {"cores": "2"})
    kept = store.load(store.save(record, tmp_path / record.manifest.run_id))
    assert kept == record
    manifest = kept.manifest
    assert (manifest.world, manifest.engine, manifest.seed) == ("measured", "spire", 7)
    counts = {count.name: count.value for count in kept.counts}
    assert counts["recovery_s"] == 8.0
    assert counts["failed connect:refused"] == 880.0
    # the clock's zero is the first wave, which the window begins with; ten agents renewed later
    issued = {s.t_s: s.value for s in kept.series if s.name == "issued" and s.value}
    assert issued == {78.0 - HALF_S - 1.0: 10.0}
    metrics = summarise(kept).regimes[f"x509-svid-{TTL_S}s"].metrics
    horizon_s = END_S - HALF_S
    assert metrics["issuances_per_s"].value == pytest.approx(10.0 / horizon_s, rel=0.05)
    per_day = 200.0 / IDENTITIES / AGENTS / horizon_s * 86_400.0
    assert metrics["expired_s_per_agent_day"].value == pytest.approx(per_day)


@pytest.mark.parametrize("kind", Kind)
def test_every_storms_window_is_a_scenario(kind: Kind) -> None:
    scenario = storm_window(msgspec.structs.replace(REPORT, kind=kind), 20.0)
    assert load_resolved(dump(scenario)) == scenario


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (Kind.DATASTORE_LOCKED, "tell reads from writes"),
        (Kind.CA_ROTATED, "makes nothing due"),
        (Kind.CA_REVOKED, "not at a set instant"),
    ],
)
def test_a_storm_that_the_model_does_not_have_says_so(kind: Kind, why: str) -> None:
    found = predict(storm(kind=kind), 1)
    assert found.recovery_s is None
    assert why in found.note


@pytest.mark.parametrize("kind", COLD)
def test_a_cold_fleet_waits_for_the_entry_cache_and_a_sync(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of 300 agents waits for nearly all of 5 + 5 s: P(sum > 9) = 1/50 for each of them.

    So but for 0.98³⁰⁰ = 0.2 % it is more than 9 s; signing (300 · 2 · 0.79 ms) goes on beside it,
    and what is looked at every second is found a second later.
    """
    monkeypatch.setattr("midas.storms.REPLICATIONS", 2)
    said = predict(storm(kind=kind, agents=300), 1).recovery_s
    assert said is not None
    assert said.value is not None
    assert 9.0 < said.value <= 11.5


def test_without_backoff_agents_knock_as_often_as_was_measured() -> None:
    """Ten agents knocked 900 times in 45 s: once in 0.5 s each.

    Their documents are due 25 to 35 s after the issue and expire after 60 s, all while the server
    is down (from 20 to 65 s). So each is renewed within 0.5 s of the return and what the queue
    takes (10 · 2 · 0.79 ms), and expired for 5 to 5.6 s.
    """
    found = storm()
    assert zero_of(found) == HALF_S
    assert knock_s(found.report) == pytest.approx(0.5)
    said = predict(found, 3)
    assert said.recovery_s is not None
    assert said.recovery_s.value is not None
    assert 0.0 < said.recovery_s.value <= 1.0  # the series counts whole seconds
    assert said.expired_identity_s is not None
    assert said.expired_identity_s.value is not None
    assert 5.0 <= said.expired_identity_s.value / (AGENTS * IDENTITIES) <= 5.6
    assert "every 0.50 s" in said.note


def test_with_backoff_recovery_takes_longer_than_without() -> None:
    """SPIRE's back-off has grown to 11 s and more by then (5 · 1.5ⁿ after 30 s)."""
    with_it, without = predict(storm(backoff=True), 3), predict(storm(), 3)
    assert with_it.recovery_s is not None
    assert without.recovery_s is not None
    assert (with_it.recovery_s.low or 0.0) > (without.recovery_s.high or 0.0)


def test_agents_that_notice_at_their_sync_are_deep_in_backoff_when_the_server_returns() -> None:
    """Syncs fail at u, u + 5, + 12.5, + 23.75, + 40.6 and + 65.9 s, each wait ±10 %, u ≤ 5.5 s.

    The server is back after 45 s. An agent with u + 40.6 ≥ 45 is soon back; of ten with uniform u
    one at least is not (but for 0.2¹⁰), and waits until u + 65.9. So the last is back between
    0.9 · 65.9 − 45 = 14.3 s and 5.5 + 1.1 · 65.9 − 45 = 33 s after the server, or a second later,
    when somebody looks.
    """
    said = predict(storm(backoff=True), 3).noticed_at_sync
    assert said is not None
    assert said.recovery_s is not None
    assert said.recovery_s.value is not None
    assert 14.3 <= said.recovery_s.value <= 34.0
    # documents end 60 s after their issue, 40 s after the fault
    assert said.expired_identity_s is not None
    assert said.expired_identity_s.value is not None
    assert 5.0 <= said.expired_identity_s.value / (AGENTS * IDENTITIES) <= 5.0 + 34.0


def test_a_slow_start_of_the_server_is_part_of_the_simulated_outage() -> None:
    slow, quick = predict(storm(start_s=10.0), 3), predict(storm(), 3)
    assert slow.recovery_s is not None
    assert quick.recovery_s is not None
    assert (slow.recovery_s.value or 0.0) - (quick.recovery_s.value or 0.0) == pytest.approx(
        10, abs=1
    )
