"""From runs to a page: choose them, simulate the measured window, write the page whole."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from midas import results as folder
from midas import simulated
from midas.output import Output
from midas.provenance import results_folder

if TYPE_CHECKING:
    from analysis.verdict import Verdict
    from scenarios.record.record import RunRecord

WINDOW_REPLICATIONS = 4


class Report(NamedTuple):
    """A page and what it was made of."""

    page: Path
    runs: list[str]
    verdict: "Verdict"


def make(names: Sequence[str], results: Path | None, page: Path | None, output: Output) -> Report:
    """Write the report on the named runs, or on the latest of each world.

    Raises:
        RecordError: a run that does not exist, or two of one world.
        StoreError: the page cannot be written.
    """
    from analysis.report import report
    from analysis.summary import summarise
    from analysis.verdict import verdict

    simulation, measurement = _chosen(names, results)
    window = None if measurement is None else _window(measurement, results, output)
    html = report(simulation, measurement, window)
    records = [record for record in (simulation, measurement) if record is not None]
    ids = [record.manifest.run_id for record in records]
    path = page or results_folder(results) / f"report-{'-'.join(ids)}.html"
    write(path, html)
    sides = [None if record is None else summarise(record) for record in (simulation, measurement)]
    return Report(path, ids, verdict(*sides))


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all; raises StoreError naming it and the remedy."""
    from scenarios.record import store

    with store.writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _chosen(
    names: Sequence[str], results: Path | None
) -> tuple["RunRecord | None", "RunRecord | None"]:
    """Return the simulated and the measured record."""
    from scenarios.errors import RecordError, UsageError
    from scenarios.record import store

    if not names:
        names = folder.latest_of_each_world(results)
    by_world: dict[str, RunRecord] = {}
    for name in names:
        record = store.load(folder.locate(name, results))
        world = record.manifest.world
        if world in by_world:
            raise UsageError(f"{name}: a second {world} run; a report takes one of each world")
        by_world[world] = record
    if not by_world:
        raise RecordError(f"{results_folder(results)}: holds no run yet; start with: midas demo")
    return by_world.get("simulated"), by_world.get("measured")


def _window(measured: "RunRecord", results: Path | None, output: Output) -> "RunRecord":
    """Return the simulated twin of a measured run: the same window, simulated."""
    from scenarios.spec import resolve

    manifest = measured.manifest
    scenario = resolve.load_resolved(manifest.scenario)
    twin = resolve.Resolved(scenario, manifest.sources)
    _, record = simulated.simulate(
        twin, "reference", manifest.seed, WINDOW_REPLICATIONS, results, output
    )
    return record
