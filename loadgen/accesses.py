"""Past accesses from an audit log, with the clock and the names that it gives them.

The readers of ``loadgen.logs`` feed detectors, which a bad line must not stop. Here the answer goes
to an auditor, so a line that cannot be read ends it.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from math import isfinite
from pathlib import Path

import msgspec

from loadgen.audit_lines import Line as EventLine
from loadgen.ledger.leaves import is_sqlite
from scenarios.errors import InputError, UsageError

SECRET = "key://"  # noqa: S105  (how the name of a shared secret begins)
WORKLOAD = "spiffe://"


class Access(msgspec.Struct, frozen=True, gc=False):
    """One line of a log: who touched what, as far as it says so."""

    wall_s: float
    """Unix time; whatever clock the log has where it is one of JSON lines"""
    identity: str
    workload: str = ""
    task: str = ""
    on_behalf_of: str = ""
    origin: str = ""
    operation: str = "use"
    permission: str = ""
    outcome: str = "ok"

    @property
    def what(self) -> str:
        """Return what was touched: the permission, or the operation where there is none."""
        return self.permission or f"({self.operation})"

    @property
    def names_secret(self) -> bool:
        """Whether the line names a secret that several may hold, and not a workload."""
        known = self.identity.startswith(WORKLOAD) or bool(self.workload)
        return self.identity.startswith(SECRET) or (bool(self.identity) and not known)


class _Line(EventLine, frozen=True):
    """A line of JSON, with what no detector needs."""

    on_behalf_of: str = ""


_COLUMNS = "occurred_wall_s, identity, workload, task, origin, operation, permission, outcome"
_QUERY = f"SELECT {_COLUMNS} FROM audit ORDER BY seq"  # noqa: S608  (our own columns)


def _embedded(path: Path, _: str) -> Iterator[Access]:
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        with closing(database) as db:
            for wall_s, identity, workload, task, *rest in db.execute(_QUERY):
                yield Access(wall_s, identity, workload, task, "", *rest)
    except sqlite3.Error as exc:
        raise InputError(f"audit log: {path}: is none of the embedded service ({exc})") from exc


def _whole_lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of a text log, each with the beginning of a message about it."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            where = f"audit log: {path}: line {number}"
            if not line.endswith(b"\n"):
                raise InputError(f"{where}: is not whole")
            if line.strip():
                yield where, line


def _lines(path: Path, _: str) -> Iterator[Access]:
    decode = msgspec.json.Decoder(_Line).decode
    for where, raw in _whole_lines(path):
        try:
            line = decode(raw)
        except (msgspec.MsgspecError, RecursionError) as exc:
            raise InputError(f"{where}: is no event: {exc}") from exc
        if not isfinite(line.occurred_s):
            raise InputError(f"{where}: is no event: occurred_s must be finite")
        yield Access(
            line.occurred_s,
            line.identity,
            line.workload,
            line.task,
            line.on_behalf_of,
            line.origin,
            line.operation,
            line.permission,
            line.outcome,
        )


def _openbao(path: Path, trust_domain: str) -> Iterator[Access]:
    from loadgen.targets.openbao.audit import AuditReader

    reader = AuditReader(trust_domain, lambda _: None)
    for where, raw in _whole_lines(path):
        try:
            event = reader.read(raw, 0.0, 0.0)
        except (msgspec.MsgspecError, ValueError, RecursionError) as exc:
            raise InputError(f"{where}: is none of OpenBao's: {exc}") from exc
        if event is not None:
            yield Access(
                event.occurred_s,
                event.identity,
                event.workload,
                event.task,
                "",
                event.origin,
                event.operation,
                event.permission,
                event.outcome,
            )


def _spire(path: Path, _: str) -> Iterator[Access]:
    from loadgen.targets.spire.audit import read

    for where, raw in _whole_lines(path):
        if not raw.lstrip().startswith(b"{"):
            raise InputError(f"{where}: is none of a SPIRE server that logs JSON")
        for event in read(raw, float("inf"), 0.0):
            yield Access(
                event.occurred_s,
                event.identity,
                event.workload,
                event.task,
                "",
                event.origin,
                event.operation,
                event.permission,
                event.outcome,
            )


KINDS: dict[str, Callable[[Path, str], Iterator[Access]]] = {
    "embedded": _embedded,
    "openbao": _openbao,
    "spire": _spire,
    "lines": _lines,
}


def accesses(path: Path, kind: str | None, trust_domain: str) -> Iterator[Access]:
    """Yield the accesses of a log in its order.

    Args:
        path: of the log.
        kind: a key of ``KINDS``; None for embedded where it is a database, else lines.
        trust_domain: of the identities, where the log does not say.

    Raises:
        UsageError: an unknown kind.
        InputError: a file that is missing, or a line that is none of its kind.
    """
    database = is_sqlite(path)
    kind = kind or ("embedded" if database else "lines")
    if kind not in KINDS:
        raise UsageError(f"kind: found {kind!r}, known are {', '.join(KINDS)}")
    if database != (kind == "embedded"):
        found = "a SQLite database" if database else "text"
        raise UsageError(f"kind: found {kind!r}, but {path} is {found}")
    return KINDS[kind](path, trust_domain)
