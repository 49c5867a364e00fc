"""The audit log: committed when it says so, append-only, and every change shows."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from loadgen.service.audit import AuditLog, Line, verify
from scenarios.errors import StoreError


def lines(count: int) -> list[Line]:
    return [Line(float(n), float(n), identity=f"spiffe://x/{n}") for n in range(count)]


def written(path: Path, batches: list[list[Line]]) -> None:
    async def run() -> None:
        log = AuditLog(path)
        try:
            await asyncio.gather(*(log.write(batch) for batch in batches))
            with closing(sqlite3.connect(path)) as db:  # another connection sees them at once
                count = db.execute("SELECT count(*) FROM audit").fetchone()[0]
            assert count >= sum(map(len, batches))
        finally:
            log.close()

    asyncio.run(run())


def test_lines_are_there_when_the_write_is_done(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite3"
    written(path, [lines(1), lines(3), lines(0), lines(2)])
    assert verify(path) == 6


def test_a_log_is_continued_with_its_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite3"
    written(path, [lines(2)])
    written(path, [lines(2)])
    assert verify(path) == 4


@pytest.mark.parametrize("sql", ["UPDATE audit SET outcome = 'ok'", "DELETE FROM audit"])
def test_it_is_append_only(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "audit.sqlite3"
    written(path, [lines(2)])
    with (
        closing(sqlite3.connect(path)) as db,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        db.execute(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET identity = 'other' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 1",
        "UPDATE audit SET hash = x'00' WHERE seq = 3",
    ],
)
def test_a_change_behind_its_back_shows(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "audit.sqlite3"
    written(path, [lines(3)])
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; {sql}")
        db.commit()
    with pytest.raises(StoreError, match="hash chain breaks at line"):
        verify(path)


def test_a_write_that_fails_says_so_and_the_next_one_works(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite3"

    async def run() -> None:
        log = AuditLog(path)
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                log._db.execute("PRAGMA busy_timeout = 10")
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StoreError, match="cannot append"):
                    await log.write(lines(1))
                other.execute("ROLLBACK")
            await log.write(lines(2))
        finally:
            log.close()

    asyncio.run(run())
    assert verify(path) == 2


def test_a_file_that_is_no_log_is_named(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite3"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match=r"audit\.sqlite3: cannot be used as an audit log"):
        AuditLog(path)
