"""A simulated run from options to a saved record: found again, resumed, or computed."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from midas import provenance, results
from midas.output import Output, Progress

if TYPE_CHECKING:
    from scenarios.record.manifest import Manifest
    from scenarios.record.parts import Parts
    from scenarios.record.record import RunRecord
    from scenarios.spec.resolve import Resolved
    from scenarios.spec.schema import Scenario

DEFAULT_REPLICATIONS = 8
FEWEST_REPLICATIONS = 2
"""without two there is no interval"""
SLOW_S = 10.0
"""a replication of all regimes that takes longer is repeated less often than the default"""
BUDGET_S = DEFAULT_REPLICATIONS * SLOW_S


def simulate(
    resolved: "Resolved",
    engine: str,
    seed: int,
    replications: int | None,
    out: Path | None,
    output: Output,
    enough: "Callable[[RunRecord], bool] | None" = None,
) -> tuple[Path, "RunRecord"]:
    """Return a simulated run and its folder, without computing anything twice.

    ``enough`` is asked after each replication whether the run may end before its last one.

    A run that exists is loaded. Finished replications survive an interruption and are taken up by
    the next attempt. Without ``replications`` there are eight, fewer when one takes over ten
    seconds.

    Raises:
        UsageError: an unknown engine or no replication.
        StoreError: the results folder cannot be written.
    """
    from scenarios.record import store
    from scenarios.record.parts import Parts
    from simulator.simulate import plan

    scenario = resolved.scenario
    wanted = DEFAULT_REPLICATIONS if replications is None else replications
    manifest = plan(scenario, seed, engine, wanted)
    folder = provenance.results_folder(out)
    if (path := folder / manifest.run_id).is_dir():
        output.note(f"Computed before with equal inputs and code; shown from {path}")
        return path, store.load(path)
    manifest.started_utc, began_s = provenance.started_utc(), time.monotonic()
    parts = Parts(folder / plan(scenario, seed, engine, 1).run_id)
    kept = len(parts.done)
    try:
        for replication in _replications(wanted, fixed=replications is not None, output=output):
            _replicate(scenario, manifest, replication, wanted, parts, output)
            wanted = replication + 1
            if enough is not None and enough(_so_far(plan(scenario, seed, engine, wanted), parts)):
                break
    except KeyboardInterrupt:
        if parts.done:
            output.note(f"{len(parts.done)} finished pieces are kept; the same command resumes")
        raise
    done = plan(scenario, seed, engine, wanted)
    done.started_utc, done.wall_s = manifest.started_utc, time.monotonic() - began_s
    done.sources, done.machine = dict(resolved.sources), provenance.machine()
    done.notes = [f"{kept} pieces were kept from an interrupted attempt"] if kept else []
    record = _so_far(done, parts)
    path = folder / done.run_id
    if not path.is_dir():
        results.save(record, out)
    parts.discard()
    return path, record


def _so_far(manifest: "Manifest", parts: "Parts") -> "RunRecord":
    from scenarios.record.parts import concatenate

    ours = [(regime, k) for regime in manifest.regimes for k in range(manifest.replications)]
    return concatenate(manifest, (parts.done["", regime, k] for regime, k in ours))


def _replications(wanted: int, *, fixed: bool, output: Output) -> Iterator[int]:
    """Yield replications to run; after the first, fewer than wanted when they are slow."""
    began_s = time.monotonic()
    yield 0
    one_s = time.monotonic() - began_s
    if not fixed and one_s > SLOW_S:
        wanted = max(FEWEST_REPLICATIONS, min(wanted, int(BUDGET_S / one_s)))
        output.note(f"One replication took {one_s:.0f} s: {wanted} instead of the usual 8")
    if (left_s := one_s * (wanted - 1)) > SLOW_S:
        output.note(f"About {left_s:.0f} s more")
    yield from range(1, wanted)


def _replicate(
    scenario: "Scenario",
    manifest: "Manifest",
    replication: int,
    of: int,
    parts: "Parts",
    output: Output,
) -> None:
    """Run one replication of every regime that is not yet kept."""
    from simulator.simulate import replicate

    with output.progress("") as bar:
        for place, regime in enumerate(manifest.regimes):
            _show(bar, regime, replication, of, place / len(manifest.regimes))
            if ("", regime, replication) not in parts.done:
                piece = replicate(scenario, manifest, regime, replication)
                parts.append("", regime, replication, piece)


def _show(bar: Progress, regime: str, replication: int, of: int, share: float) -> None:
    bar((replication + share) / of, f"replication {replication + 1} of {of}: {regime}")
