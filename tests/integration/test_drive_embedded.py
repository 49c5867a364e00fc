"""The whole way once: load, thefts, watcher and response on the embedded service."""

from pathlib import Path

import psutil
import pytest

from loadgen.drive import DriveProgress, drive
from loadgen.histogram import decode
from loadgen.incidents import as_expected
from loadgen.targets.registry import make_target
from loadgen.threshold import Verdict, judge, parse
from scenarios.demand.window import window
from scenarios.record.record import RunRecord
from scenarios.record.store import load as load_record
from scenarios.record.store import save
from scenarios.spec.resolve import load
from simulator.simulate import simulate

SECONDS, RATE_HZ = 6.0, 80.0
ARRIVAL_OPS = ("issue-x509", "authorize")


@pytest.fixture(scope="module")
def told() -> list[DriveProgress]:
    return []


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drive")


@pytest.fixture(scope="module")
def record(told: list[DriveProgress], workdir: Path) -> RunRecord:
    return drive(
        load(Path("customer-service")).scenario,
        lambda: make_target("embedded"),
        7,
        regimes=["x509-svid-1h"],
        rate_hz=RATE_HZ,
        seconds=SECONDS,
        lag_bound_s=0.25,  # the machine that runs tests has other things to do
        workdir=workdir,
        on_progress=told.append,
    )


def count(record: RunRecord, name: str) -> float:
    (value,) = (row.value for row in record.counts if row.name == name)
    return value


def test_the_run_is_valid_and_the_service_made_no_error(record: RunRecord) -> None:
    assert record.manifest.valid, record.manifest.reason
    assert record.manifest.complete
    assert {row.code for row in record.operations} == {"ok"}
    assert count(record, "warmup_errors") == 0


def test_no_arrival_is_missing(record: RunRecord) -> None:
    assert count(record, "arrivals_missing") == 0
    assert count(record, "arrivals_unsent") == 0
    counted = sum(row.count for row in record.operations if row.op in ARRIVAL_OPS)
    assert counted + count(record, "arrivals_warmup") == count(record, "arrivals")


def test_every_latency_is_in_a_histogram(record: RunRecord) -> None:
    for row in record.operations:
        assert decode(row.histogram).get_total_count() == row.count


def test_each_theft_reaches_its_expected_outcome(record: RunRecord) -> None:
    assert len(record.incidents) >= 3
    assert all(as_expected(row) for row in record.incidents), record.incidents
    assert {row.detector for row in record.incidents} >= {"superseded-serial", "two-origins"}


def test_a_detected_theft_has_every_instant_in_order(record: RunRecord) -> None:
    detected = [row for row in record.incidents if row.detector is not None]
    for row in detected:
        instants = (row.stolen_s, row.first_use_s, row.alert_s, row.decided_s, row.revoked_s)
        assert None not in instants
        assert list(instants) == sorted(instants, key=lambda t: t or 0.0)
        assert row.end == "revoked"
        assert row.uses_refused >= 1
        assert row.last_accepted_s is not None
        assert row.revoked_s is not None
        assert row.last_accepted_s < row.revoked_s


def test_nobody_else_is_suspected(record: RunRecord) -> None:
    assert count(record, "false_alarms") == 0
    assert count(record, "healthy_revoked") == 0
    for alert in record.alerts:
        assert alert.incident is not None
        assert alert.event_s <= alert.t_s
        assert record.incidents[alert.incident].stolen_s <= alert.event_s


def test_the_service_granted_what_was_asked(record: RunRecord) -> None:
    assert count(record, "ttl_sampled") > 0
    assert count(record, "ttl_granted_otherwise") == 0


def test_the_simulator_runs_the_same_window(record: RunRecord) -> None:
    small = window(load(Path("customer-service")).scenario, "x509-svid-1h", RATE_HZ, SECONDS)
    simulated = simulate(small, 7, "reference", replications=1)
    for name in ("agents", "switches", "horizon_s"):
        assert count(record, name) == count(simulated, name)
    issued = count(simulated, "issued")
    late = 0.05 * issued  # a slow answer may fall behind the end of the window
    assert issued - late <= count(record, "issued") <= issued + late


def test_thresholds_read_the_same_tables(record: RunRecord) -> None:
    assert judge(parse("all.errors > 10%"), record.operations).verdict is Verdict.KEPT
    assert judge(parse("issue.p50 > 1us"), record.operations).verdict is Verdict.BROKEN


def test_progress_goes_through_the_phases(record: RunRecord, told: list[DriveProgress]) -> None:
    assert record.manifest.valid
    assert [told[0].phase, told[-1].phase] == ["set-up", "drain"]
    window = [line for line in told if line.phase == "window"]
    assert len(window) >= SECONDS - 2
    assert told[-1].thefts == len(record.incidents)
    assert told[-1].alerts == len(record.alerts)


def test_the_record_can_be_kept_and_read_back(record: RunRecord, tmp_path: Path) -> None:
    again = load_record(save(record, tmp_path / record.manifest.run_id))
    assert again.manifest == record.manifest
    assert again.incidents == record.incidents
    assert len(again.operations) == len(record.operations)


def test_nothing_is_left_behind(record: RunRecord, workdir: Path) -> None:
    assert record.manifest.target["name"] == "embedded"
    assert list(workdir.iterdir()) == []
    assert psutil.Process().children(recursive=True) == []
