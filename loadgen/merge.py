"""Puts the result files of all workers together: histograms are added, never averaged."""

from collections import defaultdict
from pathlib import Path

import msgspec

from loadgen.generator.protocol import OWN_OPS
from loadgen.histogram import decode, empty, encode
from scenarios.errors import ProcessError
from scenarios.record.tables import OperationRow

Key = tuple[str, str, str, int, int, str]


def read_rows(rundir: Path, stem: str) -> list[OperationRow]:
    """Return the rows of ``<stem>-<worker>.msgpack`` of all workers, one a key.

    Args:
        rundir: the generator's run folder.
        stem: ``operations`` or ``warmup``.

    Raises:
        ProcessError: a file is damaged.
    """
    found: dict[Key, list[OperationRow]] = defaultdict(list)
    for path in sorted(rundir.glob(f"{stem}-*.msgpack")):
        try:
            rows = msgspec.msgpack.decode(path.read_bytes(), type=list[OperationRow])
        except (OSError, msgspec.MsgspecError) as error:
            raise ProcessError(f"{path.name}: not what a generator writes: {error}") from error
        for row in rows:
            found[_key(row)].append(row)
    return [_merged(found[key]) for key in sorted(found)]


def _key(row: OperationRow) -> Key:
    return row.point, row.regime, row.op, row.replication, row.batch, row.code


def _merged(rows: list[OperationRow]) -> OperationRow:
    if len(rows) == 1:
        return rows[0]
    total = empty()
    for row in rows:
        if row.histogram:
            total.add(decode(row.histogram))
    return msgspec.structs.replace(
        rows[0],
        count=sum(row.count for row in rows),
        histogram=encode(total) if total.get_total_count() else b"",
    )


def arrivals_only(rows: list[OperationRow]) -> list[OperationRow]:
    """Return the rows that count arrivals, without the generator's own."""
    return [row for row in rows if row.op not in OWN_OPS]
