"""Append-only audit log in SQLite, committed before the answer, chained by hash.

Rows that wait in the same turn of the event loop share one commit (group commit), so a row costs
about 10 µs under load. With ``synchronous=NORMAL`` a committed row survives the death of the
process; ``FULL`` also survives a power cut, at one fsync a commit. Triggers refuse UPDATE and
DELETE. Each row carries SHA-256 of the row before and its own fields: whoever rewrites one has to
rewrite all that follow, and ``verify`` says where the chain breaks. Whoever can rewrite them all is
found out by a notary, who signs what was there into a second place (``loadgen.ledger``).
"""

import asyncio
import hashlib
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from scenarios.errors import StoreError

SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY,
    occurred_monotonic_s REAL NOT NULL,
    occurred_wall_s REAL NOT NULL,
    identity TEXT NOT NULL,
    workload TEXT NOT NULL,
    task TEXT NOT NULL,
    serial TEXT NOT NULL,
    issued_wall_s REAL,
    origin TEXT NOT NULL,
    operation TEXT NOT NULL,
    permission TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER IF NOT EXISTS audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
"""
_INSERT = f"INSERT INTO audit VALUES ({', '.join('?' * 14)})"  # noqa: S608  (only marks)
_CHECKPOINT_EVERY_S = 1.0
GENESIS = bytes(32)


class Line(msgspec.Struct, array_like=True, gc=False):
    """One audit line, in column order; what is not known is empty."""

    occurred_monotonic_s: float
    """CLOCK_MONOTONIC, comparable between processes of one machine"""
    occurred_wall_s: float
    identity: str = ""
    workload: str = ""
    task: str = ""
    serial: str = ""
    issued_wall_s: float | None = None
    origin: str = ""
    operation: str = "use"
    permission: str = ""
    outcome: str = "ok"
    reason: str = ""
    """stable code of a refusal"""


class Notary(Protocol):
    """Who vouches for lines that have been committed."""

    def take(self, lines: Sequence[bytes]) -> None:
        """Take lines, each in JSON; raises StoreError when it cannot vouch."""
        ...

    def close(self) -> None:
        """Vouch for all lines; raises StoreError."""
        ...


_encode = msgspec.json.Encoder().encode


def _link(previous: bytes, line: bytes) -> bytes:
    return hashlib.sha256(previous + line).digest()


class AuditLog:
    """The writer: belongs to one event loop, which it blocks for the time of a commit.

    Args:
        path: SQLite file; an existing log is continued.
        power_safe: fsync every commit.
        notary: takes every line once it is on disk, and before its write is done.
    """

    def __init__(
        self, path: Path, *, power_safe: bool = False, notary: Notary | None = None
    ) -> None:
        self.path = path
        self._notary = notary
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {'FULL' if power_safe else 'NORMAL'}")
            self._db.execute("PRAGMA wal_autocheckpoint = 0")  # its fsync would stall the loop
            self._db.executescript(SCHEMA)
            last = self._db.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
            self._seq: int
            self._hash: bytes
            self._seq, self._hash = last.fetchone() or (0, GENESIS)
        except sqlite3.Error as exc:
            raise StoreError(f"{path}: cannot be used as an audit log ({exc})") from exc
        self._waiting: list[Line] = []
        self._committed: asyncio.Future[None] | None = None
        self._closing = threading.Event()
        self._checkpointer = threading.Thread(target=self._checkpoint, daemon=True)
        self._checkpointer.start()

    def write(self, lines: list[Line]) -> "asyncio.Future[None]":
        """Queue lines for the next commit; the future is done once they are on disk.

        Raises StoreError (from the future) when SQLite cannot write.
        """
        if self._committed is None:
            loop = asyncio.get_running_loop()
            self._committed = loop.create_future()
            loop.call_soon(self._commit)
        self._waiting += lines
        return self._committed

    def _commit(self) -> None:
        lines, future = self._waiting, self._committed
        self._waiting, self._committed = [], None
        seq, link, rows = self._seq, self._hash, []
        encoded = [_encode(line) for line in lines]
        for line, text in zip(lines, encoded, strict=True):
            seq, link = seq + 1, _link(link, text)
            rows.append((seq, *msgspec.structs.astuple(line), link))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_INSERT, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as exc:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            failure: StoreError | None = StoreError(f"{self.path}: cannot append ({exc})")
        else:
            self._seq, self._hash = seq, link
            failure = self._vouch(encoded)
        if future is None or future.done():
            return
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(failure)

    def _vouch(self, lines: list[bytes]) -> StoreError | None:
        if self._notary is not None:
            try:
                self._notary.take(lines)
            except StoreError as exc:
                return exc
        return None

    def _checkpoint(self) -> None:
        """Move the write-ahead log into the file, off the event loop; readers and writer go on."""
        db = sqlite3.connect(self.path, isolation_level=None)
        while not self._closing.wait(_CHECKPOINT_EVERY_S):
            try:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error:  # the disk is full or the folder gone; the writer reports it
                continue
        db.close()

    def close(self) -> None:
        """Write what waits and close the file. Raises StoreError when nobody vouches for it."""
        if self._waiting:
            self._commit()
        self._closing.set()
        self._checkpointer.join()
        self._db.close()
        if self._notary is not None:
            self._notary.close()


def now_line() -> Line:
    """Return an empty line of this instant."""
    return Line(time.monotonic(), time.time())


def verify(path: Path) -> int:
    """Return the number of lines of a log whose chain is whole.

    Raises StoreError naming the first line that does not fit.
    """
    with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True) as db:
        link, count = GENESIS, 0
        for seq, *fields, stored in db.execute("SELECT * FROM audit ORDER BY seq"):
            count += 1
            link = _link(link, _encode(Line(*fields)))
            if seq != count or stored != link:
                raise StoreError(f"{path}: the hash chain breaks at line {count}")
    db.close()
    return count
