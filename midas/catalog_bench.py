"""``midas bench catalog``: what every question of the catalogue costs, as a user would ask it.

Each scenario runs at its default size by ``midas simulate`` in a process of its own, one after the
other. A run that had to compile kernels is repeated, so that the figures are those of a machine
that has run midas before; what a cold kernel cache adds is measured apart.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from scenarios.errors import ProcessError, UsageError
from scenarios.spec import resolve

BOUND_S: Final = 60.0
LARGE_BOUND_S: Final = 240.0
LARGE_AGENTS: Final = 10_000_000
"""agents from which on a run may take ``LARGE_BOUND_S``"""
BUSY: Final = 0.05
"""share of the processor from which on other processes may be why a bound was not kept"""
COLD_SCENARIO: Final = "customer-service"
_KIBIBYTES: Final = 1 if sys.platform == "darwin" else 1024
"""what ``ru_maxrss`` counts in"""


class Timed(msgspec.Struct, frozen=True):
    """What one scenario took at its default size."""

    scenario: str
    agents: int
    hours: float
    regimes: int
    replications: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    bound_s: float
    verdict: str
    """``kept``, ``not kept``, or ``undecided``: over the bound while others had the processor"""
    others: float
    """share of the machine's processor time that other processes had meanwhile"""
    compiled: int
    """kernels that came up in the cache meanwhile; 0 unless another midas compiled beside it"""


class Cold(msgspec.Struct, frozen=True):
    """The first run on a machine, whose kernels are compiled in it, beside the next one."""

    scenario: str
    wall_s: float
    warm_wall_s: float
    compiled: int


class CatalogTable(msgspec.Struct, frozen=True):
    """The result; the caller adds the machine."""

    scenarios: list[Timed]
    cold: Cold | None
    """None where the scenario that it is measured with was not asked for"""

    @property
    def kept(self) -> bool:
        """Whether every scenario kept its bound."""
        return all(row.verdict == "kept" for row in self.scenarios)


class _Process(msgspec.Struct, frozen=True):
    """What one ``midas simulate`` took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    replications: int
    others: float
    compiled: int


def chosen(only: Sequence[str]) -> list[str]:
    """Return the scenarios to run: those named, the whole catalogue when none is.

    Raises:
        UsageError: for a name that the catalogue does not have.
    """
    known = resolve.catalog()
    if unknown := [name for name in only if name not in known]:
        raise UsageError(f"--only: found {unknown[0]!r}, must be one of {', '.join(known)}")
    return [name for name in known if not only or name in only]


def expected_s(names: Sequence[str]) -> float:
    """Return roughly how long it takes, by the simulator's own forecast."""
    from midas.simulated import BUDGET_S, DEFAULT_REPLICATIONS
    from simulator.forecast import forecast

    known = resolve.catalog()
    scenarios = (resolve.load(known[name]).scenario for name in names)
    each = (forecast(one, "fleet", DEFAULT_REPLICATIONS).total_s for one in scenarios)
    return 20.0 + sum(2.0 + min(one_s, BUDGET_S) for one_s in each)


def bench_catalog(
    names: Sequence[str], on_step: Callable[[str], None] = lambda _: None
) -> CatalogTable:
    """Run catalogue scenarios at their default size, one after the other.

    Args:
        names: of the scenarios.
        on_step: told what is being done.

    Raises:
        ProcessError: a run failed.
    """
    cold = _cold(on_step) if COLD_SCENARIO in names else None
    rows = []
    for number, name in enumerate(names):
        on_step(f"{number + 1} of {len(names)}: {name}")
        run = _simulate(name)
        if run.compiled:
            on_step(f"{name}: again, it compiled {run.compiled} kernels")
            run = _simulate(name)
        rows.append(_row(name, run))
        on_step(f"{name}: {run.wall_s:.1f} s, {rows[-1].verdict}")
    return CatalogTable(rows, cold)


def verdict(wall_s: float, bound_s: float, others: float) -> str:
    """Return whether a run kept its bound, ``undecided`` where others may be why it did not."""
    if wall_s <= bound_s:
        return "kept"
    return "undecided" if others > BUSY else "not kept"


def _row(name: str, run: _Process) -> Timed:
    scenario = resolve.load(resolve.catalog()[name]).scenario
    bound_s = LARGE_BOUND_S if scenario.agents >= LARGE_AGENTS else BOUND_S
    return Timed(
        scenario=name,
        agents=scenario.agents,
        hours=scenario.horizon_s / 3600.0,
        regimes=len(scenario.regimes),
        replications=run.replications,
        wall_s=run.wall_s,
        cpu_s=run.cpu_s,
        peak_bytes=run.peak_bytes,
        bound_s=bound_s,
        verdict=verdict(run.wall_s, bound_s, run.others),
        others=run.others,
        compiled=run.compiled,
    )


def _cold(on_step: Callable[[str], None]) -> Cold:
    """Run one scenario with an empty kernel cache, and once more with what that left there."""
    on_step(f"{COLD_SCENARIO} with a cold kernel cache")
    with tempfile.TemporaryDirectory() as cache:
        first = _simulate(COLD_SCENARIO, Path(cache))
        second = _simulate(COLD_SCENARIO, Path(cache))
    return Cold(COLD_SCENARIO, first.wall_s, second.wall_s, first.compiled)


def _simulate(name: str, cache: Path | None = None) -> _Process:
    """Run ``midas simulate`` once, in a process that has run nothing before.

    Args:
        name: of a catalogue scenario.
        cache: the user's cache folder in place of the real one; only Linux lets us choose it.
    """
    from simulator.fleet import kernel_cache

    kernels = kernel_cache() if cache is None else cache
    environment = dict(os.environ) | ({} if cache is None else {"XDG_CACHE_HOME": str(cache)})
    with tempfile.TemporaryDirectory() as folder:
        printed, said = Path(folder, "printed"), Path(folder, "said")
        results = Path(folder, "results")
        command = [sys.executable, "-m", "midas", "simulate", name, "--json", "--out", str(results)]
        before, busy = _compiled(kernels), psutil.cpu_times()
        began_s = time.perf_counter()
        with printed.open("wb") as out, said.open("wb") as err:
            child = subprocess.Popen(
                command,
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
            )
            try:
                _, status, used = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
            except BaseException:
                child.kill()
                child.wait()
                raise
        wall_s = time.perf_counter() - began_s
        if child.returncode != 0:
            last = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise ProcessError(f"{name}: {(last or [f'exit code {child.returncode}'])[0]}")
        manifest = next(results.glob("*/manifest.json"))
        replications = msgspec.json.decode(manifest.read_bytes())["replications"]
        cpu_s = used.ru_utime + used.ru_stime
        return _Process(
            wall_s,
            cpu_s,
            used.ru_maxrss * _KIBIBYTES,
            replications,
            _others(busy, cpu_s),
            _compiled(kernels) - before,
        )


def _compiled(folder: Path) -> int:
    """Return how many compiled kernels lie in a folder."""
    return sum(1 for _ in folder.rglob("*.nbc"))


def _others(before: Any, ours_s: float) -> float:  # noqa: ANN401  (psutil's has no public name)
    """Return the share of all processor time since then that neither idled nor was ours."""
    now = psutil.cpu_times()
    span_s = max(sum(now) - sum(before), 1e-9)
    idle_s: float = (
        now.idle - before.idle + getattr(now, "iowait", 0.0) - getattr(before, "iowait", 0.0)
    )
    return float(max(0.0, span_s - idle_s - ours_s) / span_s)
