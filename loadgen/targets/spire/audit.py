"""SPIRE's server log as audit events: who was issued what, and which agent came from where.

SPIRE writes one line ``API accessed`` for each call, and a line at level error where it turns an
agent away. Neither carries the serial of a document that was issued or accepted, and no line is
about a document's use between workloads: SPIRE is not there.
"""

import math
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from scenarios.detection.audit import AuditEvent, Outcome

POLL_S = 0.003
WORKLOAD_FIELDS = frozenset(
    {"occurred_s", "observed_s", "identity", "workload", "operation", "outcome"}
)
"""what lines about workloads carry"""
AGENT_FIELDS = WORKLOAD_FIELDS | {"origin", "permission"}
"""what lines about agents carry; ``permission`` is the method called, or why it was refused"""

NOT_ACTIVE, BANNED, EXPIRED = "agent:not-active", "agent:banned", "agent:expired"
_REFUSALS = {
    "Agent SVID is not active": NOT_ACTIVE,
    "Agent is banned": BANNED,
    "Agent SVID is expired": EXPIRED,
    "Agent is not attested": "agent:not-attested",
}
_ISSUES = frozenset({"MintX509SVID", "MintJWTSVID", "BatchNewX509SVID", "NewJWTSVID"})
_ACCESS = "API accessed"


class Line(msgspec.Struct, frozen=True, gc=False):
    """The part of a JSON log line that matters here."""

    time: str = ""
    msg: str = ""
    method: str = ""
    spiffe_id: str = ""
    caller_id: str = ""
    caller_addr: str = ""
    status: str = ""
    status_code: str | int = ""
    svid_serial_num: str = ""


_decode = msgspec.json.Decoder(Line).decode


def read(line: bytes, observed_s: float, wall_to_run_s: float) -> list[AuditEvent]:
    """Return the events of one log line: of the workload it issued to, of the agent that called.

    Args:
        line: one line, as SPIRE writes it with ``log_format = "json"``; others give nothing.
        observed_s: run clock, when it was read.
        wall_to_run_s: added to Unix time gives the run clock.
    """
    try:
        found = _decode(line)
    except msgspec.DecodeError:
        return []
    refusal = _REFUSALS.get(found.msg, "")
    if found.msg != _ACCESS and not refusal:
        return []
    try:
        occurred_s = datetime.fromisoformat(found.time).timestamp() + wall_to_run_s
    except ValueError:
        return []
    when = min(occurred_s, observed_s), observed_s
    outcome: Outcome = "ok" if found.status == "success" else "error"
    events = []
    if found.method in _ISSUES and found.spiffe_id and not refusal:
        events.append(_issue(found, when, outcome))
    if found.caller_id and (refusal or found.status != "error"):
        # a refused call has an access line too; the line with the reason is the better one
        events.append(_call(found, when, refusal))
    return events


def _issue(line: Line, when: tuple[float, float], outcome: Outcome) -> AuditEvent:
    path = line.spiffe_id.removeprefix("spiffe://").split("/")
    return AuditEvent(
        occurred_s=when[0],
        observed_s=when[1],
        identity="/".join(["spiffe:/", *path[:3]]),
        workload=path[1] if len(path) > 1 else "",
        task=path[3] if len(path) > 3 else "",
        serial="",
        issued_s=math.nan,
        origin=_host(line.caller_addr),
        operation="issue",
        permission="",
        outcome=outcome,
    )


def _call(line: Line, when: tuple[float, float], refusal: str) -> AuditEvent:
    return AuditEvent(
        occurred_s=when[0],
        observed_s=when[1],
        identity=line.caller_id,
        workload="spire-agent",
        task="",
        serial=line.svid_serial_num,
        issued_s=math.nan,
        origin=_host(line.caller_addr),
        operation="use",
        permission=refusal or f"spire:{line.method}",
        outcome="denied" if refusal else "ok",
    )


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def follow(
    path: Path, zero_monotonic_s: float, stopping: threading.Event, *, from_start: bool = True
) -> Iterator[AuditEvent]:
    """Follow a server log, looking every 3 ms; ends when ``stopping`` is set and it was read out.

    Args:
        path: the log; it may not be there yet.
        zero_monotonic_s: zero of the run clock on CLOCK_MONOTONIC.
        stopping: set to end.
        from_start: read what is there already.

    Raises:
        OSError: the log cannot be read.
    """
    wall_to_run_s = time.monotonic() - zero_monotonic_s - time.time()
    while not path.exists():
        if stopping.wait(POLL_S):
            return
    with path.open("rb") as log:
        if not from_start:
            log.seek(0, 2)
        rest = b""
        while True:
            last = stopping.is_set()
            data = log.read(1 << 20)
            if data:
                observed_s = time.monotonic() - zero_monotonic_s
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield from read(line, observed_s, wall_to_run_s)
            elif last:
                return
            else:
                stopping.wait(POLL_S)
