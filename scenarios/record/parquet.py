"""Rows of a record's tables to Parquet and back, through DuckDB.

The columns are the fields of the row types in ``tables.py``; nothing is described twice.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import duckdb
import msgspec

from scenarios.errors import RecordError
from scenarios.record.manifest import Manifest
from scenarios.record.tables import AlertRow, Count, Incident, OperationRow, Sample

TABLES: dict[str, type[msgspec.Struct]] = {
    "counts": Count,
    "series": Sample,
    "operations": OperationRow,
    "incidents": Incident,
    "alerts": AlertRow,
}
"""table (and attribute of ``RunRecord``) → type of its rows"""

_SQL = {str: "VARCHAR", float: "DOUBLE", int: "BIGINT", bool: "BOOLEAN", bytes: "BLOB"}
_ROWS_AT_ONCE = 200_000


class Column(NamedTuple):
    """A column as DuckDB and Parquet know it."""

    name: str
    sql: str
    nullable: bool

    def spec(self) -> str:
        """Return the column's type as SQL declares it."""
        return self.sql if self.nullable else f"{self.sql} NOT NULL"


def columns(kind: type[msgspec.Struct]) -> tuple[Column, ...]:
    """Return the columns that rows of ``kind`` make, in order."""
    return tuple(_column(name, hint) for name, hint in get_type_hints(kind).items())


def _column(name: str, hint: type) -> Column:
    nullable = NoneType in get_args(hint)
    plain = next(a for a in get_args(hint) if a is not NoneType) if nullable else hint
    return Column(name, "VARCHAR" if get_origin(plain) is Literal else _SQL[plain], nullable)


def write(path: Path, kind: type[msgspec.Struct], rows: Sequence[msgspec.Struct]) -> None:
    """Write rows of ``kind`` as one Parquet file, zstd-compressed, in the order given.

    Raises:
        duckdb.IOException: the file could not be written.
    """
    made = columns(kind)
    spec = ", ".join(f'"{column.name}" {column.spec()}' for column in made)
    lists = ", ".join(f"unnest(${i}::{column.sql}[])" for i, column in enumerate(made, start=1))
    target = str(path).replace("'", "''")
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute(f"CREATE TABLE t ({spec})")
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            values = [[getattr(row, column.name) for row in some] for column in made]
            db.execute(f"INSERT INTO t SELECT {lists}", values)
        db.execute(f"COPY t TO '{target}' (FORMAT parquet, COMPRESSION zstd)")


def read(path: Path, kind: type[msgspec.Struct]) -> list[Any]:
    """Return the rows of ``kind`` that ``write`` wrote, in order.

    Raises:
        RecordError: the file is missing, damaged or has other columns.
    """
    if not path.is_file():
        raise RecordError(f"{path}: missing; the record is incomplete")
    pattern = re.sub(r"([*?\[])", r"[\1]", str(path))  # read_parquet takes a glob
    expected = [(column.name, column.sql) for column in columns(kind)]
    try:
        with duckdb.connect(config={"threads": 1}) as db:
            result = db.execute("SELECT * FROM read_parquet($1)", [pattern])
            found = [(name, str(sql)) for name, sql, *_ in result.description or ()]
            if found != expected:
                raise RecordError(f"{path}: found columns {found}, allowed {expected}")
            return [kind(*row) for row in result.fetchall()]
    except duckdb.Error as exc:
        raise RecordError(f"{path}: damaged table: {str(exc).splitlines()[0]}") from exc


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schema (2020-12) of the manifest and of a row of each table, by name.

    ``x-parquet`` gives the table's columns as they are stored.
    """
    found = {"manifest": msgspec.json.schema(Manifest)}
    for name, kind in TABLES.items():
        stored = {column.name: column.spec() for column in columns(kind)}
        found[name] = msgspec.json.schema(kind) | {"x-parquet": stored}
    return found
