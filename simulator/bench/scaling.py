"""``midas bench engines --scaling``: does the fleet's time stay linear in the number of its agents?

Each size runs in a process of its own, so that one's memory is not another's.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec
import psutil

from scenarios.errors import ProcessError
from simulator.bench import model_m1
from simulator.bench.engines import SEED, Case, EngineTable, Ratio
from simulator.simulate import engine_named

SIZES: Final = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
AGENTS: Final[int] = SIZES[-1]
SPAN_S: Final = 3600.0
NOTE: Final = "an hour with its outage, start included"
_KIBIBYTES: Final = 1 if sys.platform == "darwin" else 1024
"""what ``ru_maxrss`` counts in"""


class Size(NamedTuple):
    """What one run of one size took."""

    wall_s: float
    cpu_s: float
    events: int
    bytes_per_agent: float
    """peak of the process above what it held before there was an agent"""


def bench_engines(
    rounds: int = 3,
    agents: int = AGENTS,
    on_step: Callable[[str], None] = lambda _: None,
) -> EngineTable:
    """Measure the fleet at each of ``SIZES`` up to ``agents``, the sizes taking turns.

    The ratios are the time of an agent at each size over that at the size before it: one where the
    whole is linear.

    Args:
        rounds: how often each is measured.
        agents: the largest number of agents.
        on_step: told what is being done.
    """
    sizes = [size for size in SIZES if size <= agents] or [agents]
    runs: dict[int, list[Size]] = {size: [] for size in sizes}
    for number in range(rounds):
        for size in sizes:
            on_step(f"round {number + 1} of {rounds}: {size:,} agents")
            runs[size].append(_apart(size, SPAN_S))
    cases = [case for size, found in runs.items() for case in _cases(size, found)]
    ratios = {
        f"time_per_agent_{_short(size)}_over_{_short(before)}": _ratio(
            [
                b.wall_s / size * before / a.wall_s
                for a, b in zip(runs[before], runs[size], strict=True)
            ]
        )
        for before, size in pairwise(sizes)
    }
    return EngineTable(cases, ratios, [], sizes[-1])


def expected_s(rounds: int, agents: int = AGENTS) -> float:
    """Return roughly how long it takes."""
    return rounds * sum(2.0 + 3e-6 * size for size in SIZES if size <= agents)


def _short(agents: int) -> str:
    return f"{agents // 1_000_000}M" if agents >= 1_000_000 else f"{agents // 1000}k"


def _ratio(rounds: list[float]) -> Ratio:
    return Ratio(median(rounds), min(rounds), max(rounds))


def _cases(size: int, found: list[Size]) -> list[Case]:
    measures = (
        ("wall", [of.wall_s for of in found], "s"),
        ("CPU", [of.cpu_s for of in found], "s"),
        ("events", [of.events / of.wall_s for of in found], "1/s"),
        ("peak memory per agent", [of.bytes_per_agent for of in found], "B"),
    )
    return [
        Case(f"{size:,} agents", "fleet", metric, median(values), unit, values, NOTE)
        for metric, values, unit in measures
    ]


def _apart(agents: int, span_s: float) -> Size:
    """Return what a run takes in a process of its own, its kernels compiled beforehand."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, str(agents), str(span_s)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        )
    except subprocess.CalledProcessError as exc:
        last = exc.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ProcessError(
            f"{agents:,} agents: {(last or [f'exit code {exc.returncode}'])[0]}"
        ) from exc
    return msgspec.json.decode(done.stdout, type=Size)


def measure(agents: int, span_s: float) -> Size:
    """Run M1 once in this process, which has run nothing else."""
    engine = engine_named("fleet")
    small = model_m1.scenario(1000, 60.0)
    model_m1.events_until(
        model_m1.begin(engine, small, SEED), small, 60.0
    )  # compile, start threads
    of = model_m1.scenario(agents, span_s)
    base_bytes = psutil.Process().memory_info().rss
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    events = model_m1.events_until(model_m1.begin(engine, of, SEED), of, span_s)
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIBIBYTES
    return Size(wall_s, cpu_s, events, (peak_bytes - base_bytes) / agents)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(measure(int(sys.argv[1]), float(sys.argv[2]))))
