"""The results folder: where a run is saved and how it is found again."""

from pathlib import Path
from typing import TYPE_CHECKING

from midas.provenance import results_folder

if TYPE_CHECKING:
    from scenarios.record.record import RunRecord
    from scenarios.record.store import Listed

LATEST = "latest"


def save(record: "RunRecord", out: Path | None) -> Path:
    """Save a record under its run id and return its folder.

    Raises:
        StoreError: the folder cannot be written.
    """
    from scenarios.record import store

    return store.save(record, results_folder(out) / record.manifest.run_id)


def save_figure(folder: Path, name: str, svg: str) -> Path:
    """Write a figure beside a run's tables, whole or not at all, and return its path.

    Raises:
        StoreError: the folder cannot be written.
    """
    from scenarios.record import store

    path = folder / f"{name}.svg"
    with store.writing(folder):
        temporary = path.with_suffix(".tmp")
        temporary.write_text(svg, encoding="utf-8")
        temporary.replace(path)
    return path


def find(name: str, out: Path | None = None) -> tuple[Path, "RunRecord"]:
    """Load a run by id, beginning of an id, folder, or ``latest``.

    Raises:
        RecordError: there is no such run, or several begin so.
    """
    from scenarios.record import store

    path = locate(name, out)
    return path, store.load(path)


def latest_of_each_world(out: Path | None = None) -> list[str]:
    """Return the folders of the latest simulated and the latest measured run of one scenario."""
    from scenarios.record import store

    runs = [run for run in store.list_runs(results_folder(out)) if run.manifest is not None]
    if not runs:
        return []
    name = _scenario(runs[-1])
    ours = [run for run in runs if _scenario(run) == name and not _is_twin(run, runs)]
    latest = {run.manifest.world: str(run.path) for run in ours if run.manifest is not None}
    return list(latest.values())


def _scenario(run: "Listed") -> str:
    return "" if run.manifest is None else str(run.manifest.scenario.get("name"))


def _is_twin(run: "Listed", runs: "list[Listed]") -> bool:
    """Return whether a simulated run only repeats the window of a measured one."""
    return any(
        other.manifest.world == "measured" and other.manifest.scenario == run.manifest.scenario
        for other in runs
        if other.manifest is not None and run.manifest is not None
        if run.manifest.world == "simulated"
    )


def locate(name: str, out: Path | None = None) -> Path:
    """Return the folder of a run; raises RecordError as `find` does."""
    from scenarios.errors import RecordError
    from scenarios.record import store

    if Path(name).is_dir():
        return Path(name)
    folder = results_folder(out)
    runs = [run for run in store.list_runs(folder) if run.manifest is not None]
    if name == LATEST:
        if not runs:
            raise RecordError(f"{folder}: holds no run yet; make one with midas simulate or drive")
        return runs[-1].path
    found = [run.path for run in runs if run.path.name.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RecordError(f"{name}: no such run in {folder}; see: midas runs list")
    raise RecordError(f"{name}: {len(found)} runs begin so: {', '.join(p.name for p in found)}")
