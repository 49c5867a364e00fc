"""A simulated run from options to a saved record: found again, resumed, or computed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from midas import provenance, results
from midas.output import Output, Progress
from midas.render.scenario import duration

if TYPE_CHECKING:
    from scenarios.record.manifest import Manifest
    from scenarios.record.parts import Parts
    from scenarios.record.record import RunRecord
    from scenarios.spec.resolve import Resolved
    from scenarios.spec.schema import Scenario

DEFAULT_REPLICATIONS = 8
FEWEST_REPLICATIONS = 2
"""without two there is no interval"""
SLOW_S = 6.0
"""a replication of all regimes that takes longer is repeated less often than the default: what a
catalogue scenario takes at its default size is to stay within a minute"""
BUDGET_S = DEFAULT_REPLICATIONS * SLOW_S


def simulate(
    resolved: "Resolved",
    engine: str,
    seed: int,
    replications: int | None,
    out: Path | None,
    output: Output,
    enough: "Callable[[RunRecord], bool] | None" = None,
    yes: bool = False,
) -> tuple[Path, "RunRecord"]:
    """Return a simulated run and its folder, without computing anything twice.

    ``enough`` is asked after each replication whether the run may end before its last one.

    A run that exists is loaded. Finished replications survive an interruption and are taken up by
    the next attempt. Without ``replications`` there are eight, fewer when one takes over six
    seconds. What will take long says beforehand how long; what needs more memory than the machine
    has is refused unless ``yes``.

    Raises:
        UsageError: an unknown engine, no replication, or not enough memory.
        StoreError: the results folder cannot be written.
    """
    from scenarios.record import store
    from scenarios.record.parts import Parts
    from simulator.simulate import plan

    wanted = DEFAULT_REPLICATIONS if replications is None else replications
    manifest = plan(resolved.scenario, seed, engine, wanted)
    folder = provenance.results_folder(out)
    if (path := folder / manifest.run_id).is_dir():
        output.note(f"Computed before with equal inputs and code; shown from {path}")
        return path, store.load(path)
    _forewarn(resolved.scenario, engine, wanted, output, yes=yes)
    started_utc, began_s = provenance.started_utc(), time.monotonic()
    parts = Parts(folder / plan(resolved.scenario, seed, engine, 1).run_id)
    kept = len(parts.done)
    work = _Work(resolved.scenario, manifest, parts, output, wanted, fixed=replications is not None)
    try:
        record = work.run(enough)
    except KeyboardInterrupt:
        if parts.done:
            output.note(f"{len(parts.done)} finished pieces are kept; the same command resumes")
        raise
    done = record.manifest
    done.started_utc, done.wall_s = started_utc, time.monotonic() - began_s
    done.sources, done.machine = dict(resolved.sources), provenance.machine()
    if kept:
        done.notes.append(f"{kept} pieces were kept from an interrupted attempt")
    path = folder / done.run_id
    if not path.is_dir():
        results.save(record, out)
    parts.discard()
    return path, record


def _forewarn(
    scenario: "Scenario", engine: str, replications: int, output: Output, *, yes: bool
) -> None:
    from simulator.forecast import forecast, refuse_beyond_memory

    expected = forecast(scenario, engine, replications)
    if not yes:
        refuse_beyond_memory(expected)
    if expected.total_s > SLOW_S:
        output.note(
            f"{replications} replications will take about {duration(expected.total_s)} and "
            f"{expected.peak_bytes / 1e9:.1f} GB of memory, {expected.events:.2g} events each"
        )


@dataclass(slots=True)
class _Work:
    """The replications of one run, each of every regime."""

    scenario: "Scenario"
    manifest: "Manifest"
    parts: "Parts"
    output: Output
    of: int
    """replications in all"""
    fixed: bool
    """whether ``of`` is an order, not a default"""
    pieces_s: list[float] = field(default_factory=list)
    """how long each computed piece took"""

    def run(self, enough: "Callable[[RunRecord], bool] | None") -> "RunRecord":
        """Compute what is not yet kept and return everything as one record."""
        replication = 0
        with self.output.progress("") as bar:
            while replication < self.of:
                known = bool(self.pieces_s)
                self._replicate(replication, bar)
                replication += 1
                if not known:
                    self._foresee(replication)
                if enough is not None and enough(self._record(replication)):
                    break
        return self._record(replication)

    def _replicate(self, replication: int, bar: Progress) -> None:
        from simulator.simulate import replicate

        regimes = self.manifest.regimes
        for place, regime in enumerate(regimes):
            share = (replication + place / len(regimes)) / self.of
            bar(share, f"replication {replication + 1} of {self.of}: {regime}")
            if ("", regime, replication) not in self.parts.done:
                began_s = time.monotonic()
                piece = replicate(self.scenario, self.manifest, regime, replication)
                self.pieces_s.append(time.monotonic() - began_s)
                self.parts.append("", regime, replication, piece)

    def _foresee(self, done: int) -> None:
        """Say how long the rest will take; take fewer replications where they are slow."""
        if not self.pieces_s:
            return
        steady_s = self.pieces_s[1:] or self.pieces_s  # the first one may have compiled something
        one_s = sum(steady_s) / len(steady_s) * len(self.manifest.regimes)
        if not self.fixed and one_s > SLOW_S:
            fewer = max(FEWEST_REPLICATIONS, done, int(BUDGET_S / one_s))
            if fewer < self.of:
                self.of = fewer
                self.output.note(f"One replication takes {one_s:.0f} s: {fewer} instead of 8")
        if (left_s := one_s * (self.of - done)) > SLOW_S:
            self.output.note(f"About {duration(left_s)} more")

    def _record(self, replications: int) -> "RunRecord":
        from scenarios.record.parts import concatenate
        from simulator.simulate import plan

        manifest = self.manifest
        whole = plan(self.scenario, manifest.seed, manifest.engine, replications, manifest.regimes)
        ours = [(regime, k) for regime in whole.regimes for k in range(replications)]
        return concatenate(whole, (self.parts.done["", regime, k] for regime, k in ours))
