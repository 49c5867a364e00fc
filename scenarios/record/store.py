"""A run record on disk: ``manifest.json`` and five Parquet tables in a folder named by the run.

A folder is written whole or not at all: under a hidden temporary name in the same parent, every
file flushed to the disk, then renamed. What is interrupted between replications is kept as part
files (``parts.py``) and found again by the next attempt at the same run.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from scenarios.errors import RecordError, StoreError
from scenarios.record import parquet
from scenarios.record.manifest import Manifest
from scenarios.record.record import RunRecord

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"


class _Version(msgspec.Struct):
    schema_version: int


class Listed(NamedTuple):
    """One folder below a results folder."""

    path: Path
    manifest: Manifest | None
    """None when the folder is no record"""
    problem: str
    """why it is none, else empty"""


# --- saving and loading ---------------------------------------------------------------------------


def save(record: RunRecord, folder: Path) -> Path:
    """Write a record as ``folder``, whole or not at all, and return the folder.

    Args:
        record: manifest and tables; ``manifest.scenario`` holds finite JSON data only.
        folder: the run's own folder, which must not exist; its parents are made.

    Raises:
        StoreError: the folder exists, or its parent cannot be written (full, read-only, no folder).
    """
    with writing(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            raise StoreError(
                f"{folder} exists and is not overwritten; remove it or choose another --out"
            )
        temporary = Path(
            tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent)
        )
        try:
            for name, kind in parquet.TABLES.items():
                parquet.write(temporary / f"{name}.parquet", kind, getattr(record, name))
            (temporary / MANIFEST).write_bytes(_manifest_bytes(record.manifest))
            for file in (*temporary.iterdir(), temporary):
                flush(file)
            temporary.chmod(0o755)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        flush(folder.parent)
    return folder


def load(folder: Path) -> RunRecord:
    """Return the record that ``save`` wrote; save followed by load changes nothing.

    Raises:
        RecordError: a folder that is missing, has no manifest, was written by another version, or
            holds a damaged or foreign table; the message names the file.
    """
    manifest = load_manifest(folder)
    tables = {
        name: parquet.read(folder / f"{name}.parquet", kind)
        for name, kind in parquet.TABLES.items()
    }
    return RunRecord(manifest, **tables)


def load_manifest(folder: Path) -> Manifest:
    """Return the manifest of a record without reading its tables; raises RecordError as `load`."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as exc:
        what = f"no {MANIFEST}" if folder.is_dir() else "no such folder"
        raise RecordError(f"{folder}: {what}, so this is no run record of midas") from exc
    try:
        version = msgspec.json.decode(raw, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            raise RecordError(
                f"{path}: schema_version {version}, this midas reads {SCHEMA_VERSION}; "
                "repeat the run or read it with the midas that wrote it"
            )
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise RecordError(f"{path}: damaged manifest: {_first_line(exc)}") from exc


def list_runs(results: Path) -> list[Listed]:
    """Return what lies in a results folder, oldest first; hidden folders are left out.

    A missing results folder is an empty list; folders that are no records come with the reason.
    """
    if not results.is_dir():
        return []
    found: list[Listed] = []
    for path in sorted(results.iterdir()):
        if path.name.startswith(".") or not path.is_dir():
            continue
        try:
            found.append(Listed(path, load_manifest(path), ""))
        except RecordError as exc:
            found.append(Listed(path, None, str(exc)))
    return sorted(found, key=lambda run: run.manifest.started_utc if run.manifest else "")


# --- what identifies a run ------------------------------------------------------------------------


def code_hash(rooms: Sequence[str] = ("scenarios", "simulator")) -> str:
    """Return the SHA-256 (hex) of the Python sources of ``rooms``: what decides a result.

    Data files are left out, because what they say is part of the resolved scenario.
    """
    whole = hashlib.sha256()
    for room in rooms:
        spec = find_spec(room)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no package {room} with sources")
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
            source = path.read_bytes()
            whole.update(f"{room}/{path.relative_to(root).as_posix()} {len(source)}\n".encode())
            whole.update(source)
    return whole.hexdigest()


def simulated_run_id(
    scenario: Mapping[str, Any],
    engine: str,
    seeds: Sequence[int],
    regimes: Sequence[str],
    code: str,
) -> str:
    """Return the identity of a simulated run: the same inputs and code give the same 16 hex digits.

    Args:
        scenario: resolved form as plain JSON data (a lifetime without end is ``"never"``).
        engine: ``reference`` or ``fleet``.
        seeds: seed and number of replications, or whatever list of seeds decides the draws.
        regimes: names of those that were run, in order.
        code: `code_hash` of what decides the result.

    Raises:
        ValueError: inf or nan in the scenario, which JSON cannot say.
    """
    return digest([dict(scenario), engine, list(seeds), list(regimes), code])


def measured_run_id(
    scenario: Mapping[str, Any],
    target: Mapping[str, str],
    seeds: Sequence[int],
    regimes: Sequence[str],
    code: str,
    started_utc: str,
    repetition: int = 0,
) -> str:
    """Return the identity of a measured run, which no other measurement shares.

    As `simulated_run_id`, with name and version of the target, start and repetition beside it.
    """
    parts = [
        dict(scenario),
        dict(target),
        list(seeds),
        list(regimes),
        code,
        started_utc,
        repetition,
    ]
    return digest(parts)


def digest(parts: list[Any]) -> str:
    """Return 16 hex digits of the SHA-256 of canonical JSON; ValueError on inf or nan."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _manifest_bytes(manifest: Manifest) -> bytes:
    written = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    if msgspec.json.decode(written, type=Manifest) != manifest:
        raise ValueError("manifest holds what JSON cannot say: inf, nan, tuples or other types")
    return written


# --- the disk -------------------------------------------------------------------------------------

_REMEDY = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that can be written",
    errno.EPERM: "choose a folder that can be written",
    errno.ENOTDIR: "choose a path whose parents are folders",
    errno.EEXIST: "choose a path whose parents are folders",
}


@contextmanager
def writing(parent: Path) -> Iterator[None]:
    """Turn every failure to write below ``parent`` into one line that names it and the remedy."""
    try:
        yield
    except OSError as exc:
        remedy = _REMEDY.get(exc.errno or 0, "check the folder")
        why = exc.strerror or str(exc)
        raise StoreError(_unwritable(parent, why, remedy)) from exc
    except duckdb.IOException as exc:
        raise StoreError(_unwritable(parent, _first_line(exc), "free some space")) from exc


def _unwritable(parent: Path, why: str, remedy: str) -> str:
    return f"results cannot be written to {parent}: {why}; {remedy} or set --out or MIDAS_RESULTS"


def flush(path: Path) -> None:
    """Force a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_line(exc: BaseException) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0]
