"""SPIRE's log lines, as v1.15.3 writes them, as audit events; what detectors make of them."""

import json
import math
import threading
from pathlib import Path
from typing import Any

from loadgen.targets.spire import audit
from loadgen.targets.spire.audit import NOT_ACTIVE, read
from loadgen.targets.spire.detectors import InactiveAgentSvid, TwoAgentOrigins
from scenarios.detection.audit import AuditEvent
from scenarios.detection.detector import Detector

AGENT = "spiffe://example.org/spire/agent/join_token/1"
MINT = {
    "authorized_as": "local",
    "csr": "c2",
    "expires_at": "2026-11-24T07:12:00Z",
    "level": "info",
    "method": "MintX509SVID",
    "msg": "API accessed",
    "service": "svid.v1.SVID",
    "spiffe_id": "spiffe://example.org/support/7",
    "status": "success",
    "time": "2026-11-24T07:11:08.34415971Z",
    "ttl": 600,
    "type": "audit",
}
SYNC = {
    "authorized_as": "agent",
    "caller_addr": "127.0.0.9:53802",
    "caller_id": AGENT,
    "method": "SyncAuthorizedEntries",
    "msg": "API accessed",
    "status": "success",
    "time": "2026-11-24T07:11:09Z",
    "type": "audit",
}
INACTIVE = {
    "caller_addr": "127.0.0.66:1",
    "caller_id": AGENT,
    "level": "error",
    "method": "SyncAuthorizedEntries",
    "msg": "Agent SVID is not active",
    "serial_num": "2",
    "svid_serial_num": "1",
    "time": "2026-11-24T07:11:10Z",
}
ZERO_WALL_S = 1_795_504_260.0  # 2026-11-24T07:11:00Z


def line(fields: dict[str, Any], **changes: object) -> bytes:
    return json.dumps(fields | changes).encode()


def events(*lines: bytes, observed_s: float = 20.0) -> list[AuditEvent]:
    return [event for one in lines for event in read(one, observed_s, -ZERO_WALL_S)]


def test_a_minted_document_is_an_issue_to_its_workload() -> None:
    (event,) = events(line(MINT))
    assert (event.identity, event.workload, event.task) == (
        "spiffe://example.org/support/7",
        "support",
        "",
    )
    assert (event.operation, event.outcome, event.origin, event.serial) == ("issue", "ok", "", "")
    assert math.isnan(event.issued_s)
    assert abs(event.occurred_s - 8.34415971) < 1e-5


def test_a_document_for_one_task_belongs_to_its_workload() -> None:
    (event,) = events(line(MINT, spiffe_id="spiffe://example.org/support/7/night"))
    assert (event.identity, event.task) == ("spiffe://example.org/support/7", "night")


def test_a_refused_minting_is_an_error() -> None:
    (event,) = events(line(MINT, status="error", status_code="Internal"))
    assert event.outcome == "error"


def test_an_agents_call_is_a_use_from_its_address() -> None:
    (event,) = events(line(SYNC))
    assert (event.identity, event.operation, event.outcome) == (AGENT, "use", "ok")
    assert (event.origin, event.permission) == ("127.0.0.9", "spire:SyncAuthorizedEntries")


def test_an_agents_signing_is_both() -> None:
    signing = line(SYNC, method="BatchNewX509SVID", spiffe_id="spiffe://example.org/support/7")
    issued, called = events(signing)
    assert (issued.operation, issued.identity) == ("issue", "spiffe://example.org/support/7")
    assert (called.operation, called.identity) == ("use", AGENT)


def test_a_replaced_document_is_a_refusal_with_its_serial_and_counts_once() -> None:
    access = line(SYNC, status="error", status_code="PermissionDenied")
    (event,) = events(line(INACTIVE), access)
    assert (event.outcome, event.permission, event.serial) == ("denied", NOT_ACTIVE, "1")


def test_other_lines_give_nothing() -> None:
    assert events(b"", b"{", b"[]", b'{"msg": "Starting"}', line(MINT, time="yesterday")) == []


def test_nothing_happens_after_it_was_seen() -> None:
    (event,) = events(line(MINT), observed_s=1.0)
    assert event.occurred_s == event.observed_s == 1.0


def test_the_certain_sign_is_reported_once_an_agent() -> None:
    detector = InactiveAgentSvid()
    found = [detector.update(event) for event in events(line(SYNC), line(INACTIVE), line(INACTIVE))]
    assert [alert is not None for alert in found] == [False, True, False]
    assert found[1] is not None
    assert "serial 1 from 127.0.0.66" in found[1].evidence
    detector.forget(AGENT)
    assert detector.update(events(line(INACTIVE))[0]) is not None


def test_the_uncertain_sign_needs_a_second_address() -> None:
    detector = TwoAgentOrigins()
    elsewhere = line(SYNC, caller_addr="127.0.0.66:9")
    other = line(SYNC, caller_id="spiffe://example.org/spire/agent/join_token/2")
    found = [detector.update(event) for event in events(line(SYNC), other, line(SYNC), elsewhere)]
    assert [alert is not None for alert in found] == [False, False, False, True]


def test_detectors_keep_identities_apart_and_fit_the_port() -> None:
    other = "spiffe://example.org/spire/agent/join_token/2"
    mine = events(line(SYNC), line(SYNC, caller_addr="127.0.0.66:9"), line(INACTIVE))
    theirs = events(line(SYNC, caller_id=other), line(INACTIVE, caller_id=other))
    for kind in (InactiveAgentSvid, TwoAgentOrigins):
        alone, mixed = kind(), kind()
        assert isinstance(alone, Detector)
        assert alone.needs <= audit.AGENT_FIELDS
        before = [alert for event in mine if (alert := alone.update(event))]
        interleaved = [theirs[0], mine[0], mine[1], theirs[1], mine[2]]
        after = [
            alert
            for event in interleaved
            if (alert := mixed.update(event)) and alert.identity == AGENT
        ]
        assert before == after


def test_a_log_is_followed_across_half_lines_until_told_to_stop(tmp_path: Path) -> None:
    path, stopping, found = tmp_path / "server.log", threading.Event(), []
    first_seen = threading.Event()

    def follow() -> None:
        for event in audit.follow(path, 0.0, stopping):
            found.append(event.identity)
            first_seen.set()

    thread = threading.Thread(target=follow)
    thread.start()
    whole = line(MINT) + b"\n"
    with path.open("wb", buffering=0) as log:
        log.write(whole + whole[:50])
        assert first_seen.wait(5)
        log.write(whole[50:] + line(SYNC) + b"\n")
        stopping.set()
        thread.join(5)
    assert found == ["spiffe://example.org/support/7"] * 2 + [AGENT]


def test_following_what_never_comes_can_be_stopped(tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    assert list(audit.follow(tmp_path / "none", 0.0, stopping)) == []
