"""The audit log of a described service: JSON lines in a file of this machine, read by pointers."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from loadgen.targets.http.description import Audit
from loadgen.targets.http.template import pointer
from scenarios.detection.audit import AuditEvent, Operation
from scenarios.errors import TargetProtocol

POLL_S = 0.003
_CHUNK = 1 << 20
_REMEMBERED = 100_000


def audit_fields(audit: Audit, *, task_scope: bool) -> frozenset[str]:
    """Return which fields of an audit event a described log carries.

    The issue instant of a document is known from the line of its issue. Where the service does not
    limit documents to tasks, no line needs to name one.
    """
    found = {"occurred_s", "observed_s", "identity", "operation"}
    for field in ("workload", "task", "serial", "origin", "permission", "outcome"):
        if getattr(audit, field) is not None:
            found.add(field)
    if audit.resource is not None:
        found.add("permission")
    if audit.serial is not None and audit.issue:
        found.add("issued_s")
    if not task_scope:
        found.add("task")
    return frozenset(found)


class AuditReader:
    """Turns the lines of a described log into events."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._issued_wall_s: OrderedDict[str, float] = OrderedDict()

    def read(self, line: bytes, observed_s: float, wall_to_run_s: float) -> AuditEvent | None:
        """Return the event of a line, None when it tells of something else.

        Raises msgspec.DecodeError, LookupError or ValueError for a line that is none.
        """
        entry = msgspec.json.decode(line)
        operation = self._operation(entry)
        identity = self._text(entry, self._audit.identity)
        if operation is None or not identity:
            return None
        occurred_wall_s = _wall_s(pointer(entry, self._audit.time))
        serial = self._text(entry, self._audit.serial)
        if operation == "issue" and serial:
            self._issued_wall_s[serial] = occurred_wall_s
            if len(self._issued_wall_s) > _REMEMBERED:
                self._issued_wall_s.popitem(last=False)
        return AuditEvent(
            occurred_s=occurred_wall_s + wall_to_run_s,
            observed_s=observed_s,
            identity=identity,
            workload=self._text(entry, self._audit.workload),
            task=self._text(entry, self._audit.task),
            serial=serial,
            issued_s=self._issued_wall_s.get(serial, math.nan) + wall_to_run_s,
            origin=self._text(entry, self._audit.origin),
            operation=operation,
            permission=self._permission(entry),
            outcome="ok" if self._is_ok(entry) else "denied",
        )

    def _operation(self, entry: object) -> Operation | None:
        if self._audit.operation is None:
            return "use"
        kind = self._text(entry, self._audit.operation)
        if kind in self._audit.issue:
            return "issue"
        return "use" if kind in self._audit.use else None

    def _permission(self, entry: object) -> str:
        if self._audit.resource is None:
            return self._text(entry, self._audit.permission)
        resource = self._text(entry, self._audit.resource)
        return f"{resource}:{self._text(entry, self._audit.action)}" if resource else ""

    def _is_ok(self, entry: object) -> bool:
        if self._audit.outcome is None:
            return True
        return self._text(entry, self._audit.outcome) in self._audit.ok

    @staticmethod
    def _text(entry: object, path: str | None) -> str:
        """Return what a pointer names as text, empty when it names nothing."""
        if path is None:
            return ""
        try:
            found = pointer(entry, path)
        except LookupError:
            return ""
        if isinstance(found, bool):
            return str(found).lower()
        return "" if found is None else str(found)


def _wall_s(value: object) -> float:
    """Return epoch seconds of a number or an RFC 3339 text. Raises ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("a time without offset")
    return moment.timestamp()


def follow(
    name: str,
    audit: Audit,
    start: int,
    zero_monotonic_s: float,
    stopping: threading.Event,
) -> Iterator[AuditEvent]:
    """Follow a described log from an offset, looking every 3 ms, until told to stop.

    Raises TargetProtocol when the file cannot be read or a line is none.
    """
    reader, rest = AuditReader(audit), b""
    wall_to_run_s = time.monotonic() - zero_monotonic_s - time.time()
    try:
        with Path(audit.file).open("rb") as log:
            log.seek(start)
            while True:
                ending = stopping.is_set()
                chunk = log.read(_CHUNK)
                observed_s = time.monotonic() - zero_monotonic_s
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = reader.read(line, observed_s, wall_to_run_s)
                    if event is not None:
                        yield event
                if not chunk:
                    if ending:
                        return
                    stopping.wait(POLL_S)
    except (OSError, LookupError, ValueError, msgspec.DecodeError) as exc:
        raise TargetProtocol(f"{name}: cannot read {audit.file} as its audit log ({exc})") from exc
