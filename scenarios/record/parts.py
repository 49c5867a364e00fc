"""Finished replications of a run that is still under way, so that an interruption costs little."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from scenarios.record.manifest import Manifest
from scenarios.record.record import RunRecord
from scenarios.record.store import SCHEMA_VERSION, digest, flush, writing


class Parts:
    """Finished replications of a run that is still under way, one file each.

    They lie in a hidden folder beside the run's own, which the run's identity names: a changed
    scenario, seed or code never picks up another run's parts.

    Attributes:
        done: (point, regime, replication) → part, as found on disk and appended since.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.parent / f".{folder.name}.parts"
        self.done: dict[tuple[str, str, int], RunRecord] = {}
        if self.folder.is_dir():
            for path in sorted(self.folder.glob("*.part")):
                self._find(path)

    def _find(self, path: Path) -> None:
        try:
            part = msgspec.msgpack.decode(path.read_bytes(), type=_Part)
        except (OSError, msgspec.MsgspecError):
            return  # damaged: it will be computed again and replaced
        if part.record.manifest.schema_version == SCHEMA_VERSION:
            self.done[(part.point, part.regime, part.replication)] = part.record

    def append(self, point: str, regime: str, replication: int, record: RunRecord) -> None:
        """Keep one finished replication; it survives whatever happens next.

        Raises:
            StoreError: the folder cannot be written.
        """
        key = (point, regime, replication)
        name = f"{digest(list(key))}.part"
        with writing(self.folder.parent):
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = self.folder / f"{name}.{os.getpid()}.tmp"
            try:
                temporary.write_bytes(msgspec.msgpack.encode(_Part(*key, record)))
                flush(temporary)
                temporary.replace(self.folder / name)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        self.done[key] = record

    def collect(self, manifest: Manifest) -> RunRecord:
        """Return everything that is done as one record, in order of point, regime, replication."""
        order = {regime: place for place, regime in enumerate(manifest.regimes)}
        keys = sorted(self.done, key=lambda k: (k[0], order.get(k[1], len(order)), k[1], k[2]))
        return concatenate(manifest, (self.done[key] for key in keys))

    def discard(self) -> None:
        """Remove the part files, once the whole record is saved."""
        shutil.rmtree(self.folder, ignore_errors=True)


def concatenate(manifest: Manifest, records: Iterable[RunRecord]) -> RunRecord:
    """Return one record of all rows; alerts go on pointing at their own incidents."""
    whole = RunRecord(manifest)
    for record in records:
        shift = len(whole.incidents)
        whole.counts += record.counts
        whole.series += record.series
        whole.operations += record.operations
        whole.incidents += record.incidents
        whole.alerts += (
            alert
            if alert.incident is None or not shift
            else msgspec.structs.replace(alert, incident=alert.incident + shift)
            for alert in record.alerts
        )
    return whole


class _Part(msgspec.Struct):
    point: str
    regime: str
    replication: int
    record: RunRecord
