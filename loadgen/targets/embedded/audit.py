"""The embedded service's SQLite audit log as audit events."""

import contextlib
import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from scenarios.detection.audit import AuditEvent, Operation, Outcome
from scenarios.errors import TargetProtocol

POLL_S = 0.003
_CHUNK = 2000
_COLUMNS = (
    "seq, occurred_monotonic_s, identity, workload, task, serial, issued_wall_s, origin, "
    "operation, permission, outcome"
)
_QUERY = f"SELECT {_COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT {_CHUNK}"  # noqa: S608


def follow(
    path: Path, zero_monotonic_s: float, wall_to_run_s: float, stopping: threading.Event
) -> Iterator[AuditEvent]:
    """Follow a log from its start, looking every 3 ms; ends once ``stopping`` is set and all read.

    Args:
        path: the SQLite file of a service of this boot of this machine.
        zero_monotonic_s: zero of the run clock on CLOCK_MONOTONIC.
        wall_to_run_s: added to Unix time gives the run clock.
        stopping: set to end.

    Raises:
        TargetProtocol: it is no audit log, or cannot be read.
    """
    seq = 0
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        database = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as exc:
        raise TargetProtocol(f"{path}: cannot be read as an audit log ({exc})") from exc
    with contextlib.closing(database) as db:
        while True:
            ending = stopping.is_set()
            try:
                rows = db.execute(_QUERY, (seq,)).fetchall()
            except sqlite3.Error as exc:
                if stopping.is_set() and not path.exists():
                    return  # torn down, with its data
                raise TargetProtocol(f"{path}: cannot be read as an audit log ({exc})") from exc
            observed_s = time.monotonic() - zero_monotonic_s
            for row in rows:
                yield _event(row, observed_s, zero_monotonic_s, wall_to_run_s)
            if rows:
                seq = rows[-1][0]
            if len(rows) == _CHUNK:
                continue
            if ending:
                return
            stopping.wait(POLL_S)


def _event(
    row: tuple[Any, ...], observed_s: float, zero_monotonic_s: float, wall_to_run_s: float
) -> AuditEvent:
    (
        _,
        occurred,
        identity,
        workload,
        task,
        serial,
        issued,
        origin,
        operation,
        permission,
        outcome,
    ) = row
    return AuditEvent(
        occurred_s=occurred - zero_monotonic_s,
        observed_s=observed_s,
        identity=identity,
        workload=workload,
        task=task,
        serial=serial,
        issued_s=math.nan if issued is None else issued + wall_to_run_s,
        origin=origin,
        operation=cast("Operation", operation),
        permission=permission,
        outcome=cast("Outcome", outcome),
    )
