"""Logs that are watched without load: each kind read by its own reader, by the same detectors."""

import asyncio
import json
import threading
from pathlib import Path

import pytest

from loadgen.logs import LOGS, watch_log
from loadgen.service.audit import AuditLog, Line
from scenarios.detection.audit import Alert
from scenarios.errors import TargetProtocol, UsageError
from scenarios.spec.resolve import load


def ended() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def line(**fields: object) -> bytes:
    return json.dumps({"identity": "spiffe://a/b", "occurred_s": 1.0, **fields}).encode() + b"\n"


def test_a_growing_log_of_lines_is_followed(tmp_path: Path) -> None:
    path, stopping = tmp_path / "audit.jsonl", threading.Event()
    path.write_bytes(line(serial="1", origin="10.0.0.1"))
    watch = watch_log("lines", path, stopping)
    assert watch.sight.names == {"two-origins"}
    assert list(watch.sight.blind) == ["superseded-serial"]
    raised: list[Alert] = []

    def run() -> None:
        raised.extend(alert for _, alerts in watch.stream for alert in alerts)

    thread = threading.Thread(target=run)
    thread.start()
    with path.open("ab", buffering=0) as file:
        second = line(serial="1", origin="10.9.9.9", occurred_s=5.0)
        file.write(b"rubbish\n" + second[:20])
        file.write(second[20:])
    stopping.set()
    thread.join(10.0)
    assert [(alert.detector, alert.alert_s) for alert in raised] == [("two-origins", 5.0)]
    assert watch.skipped.count == 1


def embedded_log(path: Path) -> None:
    async def write() -> None:
        log = AuditLog(path)
        for second, origin in enumerate(("127.0.0.1", "127.9.9.9")):
            await log.write(
                [Line(float(second), 1e9 + second, "spiffe://a/b", "w", "", "01", 1e9, origin)]
            )
        log.close()

    asyncio.run(write())


def test_the_embedded_services_log_is_watched_and_its_times_precede_the_watch(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.sqlite"
    embedded_log(path)
    watch = watch_log("embedded", path, ended())
    seen = list(watch.stream)
    assert [event.origin for event, _ in seen] == ["127.0.0.1", "127.9.9.9"]
    assert all(event.occurred_s < 0 for event, _ in seen)
    assert [alert.detector for _, alerts in seen for alert in alerts] == ["two-origins"]


def test_a_scenario_arms_the_permission_detector(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(line(workload="cashier", permission="accounts:lock"))
    scenario = load(Path("customer-service")).scenario
    watch = watch_log("lines", path, ended(), scenario=scenario)
    assert [alert.detector for _, alerts in watch.stream for alert in alerts] == ["new-permission"]


def spire(**fields: object) -> bytes:
    told = {"time": "2026-11-24T07:00:00Z", "msg": "API accessed", "status": "success", **fields}
    return json.dumps(told).encode() + b"\n"


def test_a_spire_log_tells_of_agents(tmp_path: Path) -> None:
    path, agent = tmp_path / "server.log", "spiffe://a/spire/agent/n1"
    path.write_bytes(
        b"not json\n"
        + spire(method="SyncAuthorizedEntries", caller_id=agent, caller_addr="10.0.0.1:400")
        + spire(method="SyncAuthorizedEntries", caller_id=agent, caller_addr="10.9.9.9:400")
    )
    watch = watch_log("spire", path, ended())
    raised = [alert for _, alerts in watch.stream for alert in alerts]
    assert [(alert.detector, alert.identity) for alert in raised] == [("two-agent-origins", agent)]


def test_an_openbao_log_of_other_things_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    told = {"time": "2026-11-24T07:00:00Z", "type": "response", "request": {"path": "sys/health"}}
    path.write_bytes(json.dumps(told).encode() + b"\nrubbish\n")
    watch = watch_log("openbao", path, ended())
    assert list(watch.stream) == []
    assert watch.skipped.count == 1


@pytest.mark.parametrize("kind", sorted(LOGS))
def test_a_log_that_is_not_there_is_one_line(kind: str, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError, match="is no file") as caught:
            watch_log(kind, path, ended())
        assert "\n" not in str(caught.value)


def test_an_unknown_kind_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="known are embedded, openbao, spire, lines"):
        watch_log("syslog", tmp_path, ended())


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite"
    path.write_bytes(b"this is no database, whatever its name says" * 50)
    with pytest.raises(TargetProtocol, match="cannot be read as an audit log"):
        list(watch_log("embedded", path, ended()).stream)


def test_a_scenario_arms_what_it_asks_for_and_a_log_shows_whether_it_can_see(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    touch = line(workload="agent", permission="canary:read", outcome="denied")
    path.write_bytes(touch + line(workload="agent", permission="things:read") * 40)
    asked = load(Path("which-detector")).scenario
    watch = watch_log("lines", path, ended(), scenario=asked)
    assert watch.sight.names == {"new-permission", "canary", "rate-change"}
    assert set(watch.sight.blind) == {"superseded-serial", "two-origins", "new-origin"}
    raised = [alert.detector for _, alerts in watch.stream for alert in alerts]
    # one moment holds all lines: the sum reaches 20 with the twentieth
    assert raised == ["new-permission", "canary", "rate-change"]
