"""The list of runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midas.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scenarios.record.store import Listed


def row(run: "Listed") -> dict[str, Any]:
    """Return one run as a document; ``problem`` says why a folder is none."""
    manifest = run.manifest
    if manifest is None:
        return {"run_id": None, "path": str(run.path), "problem": run.problem}
    return {
        "run_id": manifest.run_id,
        "path": str(run.path),
        "problem": None,
        "world": manifest.world,
        "engine": manifest.engine,
        "scenario": manifest.scenario.get("name"),
        "regimes": manifest.regimes,
        "seed": manifest.seed,
        "replications": manifest.replications,
        "started_utc": manifest.started_utc,
        "valid": manifest.valid,
        "complete": manifest.complete,
    }


def lines(runs: Sequence["Listed"], folder: Path) -> Iterator["RenderableType"]:
    """Return the list for a terminal."""
    if not runs:
        yield f"No runs in {folder} yet.\nNext: midas demo"
        return
    rows: list[tuple[str, ...]] = []
    for run in runs:
        one = row(run)
        if one["problem"]:
            continue
        state = "ok" if one["valid"] and one["complete"] else "partial" if one["valid"] else "no"
        started = one["started_utc"][:16].replace("T", " ")
        rows.append((one["run_id"], started, one["engine"], one["scenario"], state))
    yield table(("run", "started (UTC)", "engine", "scenario", "valid"), rows)
    for run in runs:
        if run.problem:
            yield f"not a run: {run.problem}"
    yield f"\n{len(rows)} runs in {folder}\nNext: midas runs show RUN, or midas report RUN"
