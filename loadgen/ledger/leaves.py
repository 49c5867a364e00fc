"""The lines of an audit log as the leaves of a tree: of the embedded service, or of any text.

A leaf of the embedded service is its row as a JSON array, without number and hash; a leaf of a text
log is a line without its newline.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from scenarios.errors import InputError

SQLITE_MAGIC = b"SQLite format 3\x00"
COLUMNS = (
    "occurred_monotonic_s, occurred_wall_s, identity, workload, task, serial, issued_wall_s, "
    "origin, operation, permission, outcome, reason"
)
_QUERY = f"SELECT {COLUMNS} FROM audit ORDER BY seq"  # noqa: S608  (our own columns)
_encode = msgspec.json.Encoder().encode


class UnreadableLine(Exception):  # noqa: N818  (what it is)
    """A log that can be read up to a line, and no further."""


def is_sqlite(path: Path) -> bool:
    """Return whether a file is a SQLite database; raises InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except OSError as exc:
        raise InputError(f"audit log: {path}: {exc.strerror}") from exc


def leaves(path: Path) -> Iterator[bytes]:
    """Yield the leaves of a log in its order.

    Raises:
        InputError: it is missing, or a database without an audit log.
        UnreadableLine: on the way.
    """
    return _rows(path) if is_sqlite(path) else _lines(path)


def _rows(path: Path) -> Iterator[bytes]:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        database = sqlite3.connect(uri, uri=True)
        cursor = database.execute(_QUERY)
    except sqlite3.Error as exc:
        raise InputError(f"audit log: {path}: is none of the embedded service ({exc})") from exc
    with closing(database):
        try:
            for row in cursor:
                yield _encode(row)
        except (sqlite3.Error, msgspec.MsgspecError, UnicodeDecodeError) as exc:
            raise UnreadableLine(str(exc)) from exc


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                raise UnreadableLine(f"line {number} is not whole")
            yield line[:-1]
