"""Audit events from somebody else's log: one JSON object a line, with the fields of ``AuditEvent``.

``identity`` and ``occurred_s`` (seconds of any one clock, the epoch's for example) must be there;
whatever else a log does not know is left out, and detectors that need it stay blind. Fields that
mean nothing here are passed over. A line that is no event is counted and passed over too: a
watcher that dies of one bad line watches nothing.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

import msgspec

from scenarios.detection.audit import AuditEvent, Operation, Outcome
from scenarios.errors import UsageError

POLL_S = 0.05
MAX_LINE = 1_000_000


class Line(msgspec.Struct, frozen=True):
    """What may stand in a line."""

    identity: str
    occurred_s: float
    observed_s: float | None = None
    workload: str = ""
    task: str = ""
    serial: str = ""
    issued_s: float | None = None
    origin: str = ""
    operation: Operation = "use"
    permission: str = ""
    outcome: Outcome = "ok"


@dataclass(slots=True)
class Skipped:
    """Lines that were no events."""

    count: int = 0
    first: str = ""
    """number and fault of the first of them"""

    def note(self, fault: str) -> None:
        """Count one more."""
        self.count += 1
        self.first = self.first or fault


def fields_of(line: bytes) -> frozenset[str]:
    """Return which fields of an audit event a line carries; they decide what detectors can see.

    Raises:
        UsageError: it is no event.
    """
    try:
        keys = msgspec.json.decode(line, type=dict[str, object]).keys()
        msgspec.json.decode(line, type=Line)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"audit log: line 1 is no event: {error}") from error
    return frozenset(keys) & frozenset(AuditEvent.__struct_fields__)


def events(lines: Iterable[bytes], skipped: Skipped) -> Iterator[AuditEvent]:
    """Yield the events of a log in its order; bad lines are noted in ``skipped``."""
    decode = msgspec.json.Decoder(Line).decode
    for number, raw in enumerate(lines, start=1):
        if not raw.strip():
            continue
        try:
            line = decode(raw)
            if not isfinite(line.occurred_s):
                raise msgspec.ValidationError("occurred_s must be finite")
        except (msgspec.MsgspecError, RecursionError) as error:
            skipped.note(f"line {number}: {error}")
            continue
        yield AuditEvent(
            occurred_s=line.occurred_s,
            observed_s=line.occurred_s if line.observed_s is None else line.observed_s,
            identity=line.identity,
            workload=line.workload,
            task=line.task,
            serial=line.serial,
            issued_s=nan if line.issued_s is None else line.issued_s,
            origin=line.origin,
            operation=line.operation,
            permission=line.permission,
            outcome=line.outcome,
        )


def follow(path: Path, stop: Callable[[], bool]) -> Iterator[bytes]:
    """Yield the lines of a growing file from its start until ``stop`` returns True.

    A line counts once its newline is there; what follows a truncation is read as a new file.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            part = b""
            while True:
                ending = stop()
                chunk = file.readline(MAX_LINE)
                if chunk:
                    part += chunk
                    if part.endswith(b"\n") or len(part) >= MAX_LINE:
                        yield part
                        part = b""
                    continue
                if ending:
                    if part:
                        yield part
                    return
                if path.stat().st_size < file.tell():
                    file.seek(0)
                time.sleep(POLL_S)
    except OSError as error:
        raise UsageError(f"audit log: {path}: {error.strerror}") from error
