"""Our generator as a tool of the bench."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from loadgen.bench.process import running, start
from loadgen.generator.protocol import GeneratorPlan, GeneratorResult, WirePlan, decode_line
from loadgen.histogram import decode, empty
from loadgen.targets.port import Endpoint, Op
from scenarios.errors import ProcessError
from scenarios.record.tables import OperationRow

LAG_BOUND_S = 0.005
DRAINED_S = 0.25
"""a run whose last answer comes later than this after its end has fallen behind"""


@dataclass(frozen=True, slots=True)
class OurRun:
    """What one run gave."""

    result: GeneratorResult
    latency: HdrHistogram
    """µs from the intended start"""
    intended_s: NDArray[np.float64]
    ended_s: float
    """run clock when everything was answered"""

    @property
    def kept_up(self) -> bool:
        """Whether every arrival was answered, the lag bound held, and no backlog remained."""
        result = self.result
        whole = result.valid and result.ok == result.arrivals
        return whole and self.ended_s < result.seconds + DRAINED_S

    def percentile_s(self, percent: float) -> float:
        """Return a percentile of the latency from the intended start."""
        return float(self.latency.get_value_at_percentile(percent)) / 1e6


@contextlib.contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def constant_arrivals(rate_hz: float, seconds: float) -> NDArray[np.float64]:
    """Return equally spaced intended starts."""
    return np.arange(round(rate_hz * seconds)) / rate_hz


def run_ours(
    folder: Path,
    port: int,
    core: int,
    intended_s: NDArray[np.float64],
    seconds: float,
    *,
    warmup_s: float = 0.0,
    connections: int | None = None,
    on_ready: Callable[[int], None] | None = None,
) -> OurRun:
    """Run the generator against ``GET /`` on loopback.

    Args:
        folder: an existing folder; files are made and removed in it.
        port: of the server.
        core: the generator's.
        intended_s: intended starts.
        seconds: length of the run.
        warmup_s: not counted in the latency and the lag.
        connections: so many, all opened before the start; None is what a plan has by default.
        on_ready: called with the process id when the generator is about to start.

    Raises:
        ProcessError: it gave no result.
    """
    n = len(intended_s)
    plan = GeneratorPlan(
        endpoint=Endpoint("127.0.0.1", port),
        wire=WirePlan("loadgen.bench.plain_wire"),
        ops=[Op.AUTHORIZE],
        seconds=seconds,
        warmup_s=warmup_s,
        lag_bound_s=LAG_BOUND_S,
        await_start=False,
    )
    if connections is not None:
        plan = msgspec.structs.replace(plan, connections=connections, max_connections=connections)
    log = folder / "ours.log"
    with _fresh(folder / "ours") as rundir:
        (rundir / "plan.json").write_bytes(msgspec.json.encode(plan))
        np.savez(
            rundir / "demand.npz",
            t_s=intended_s,
            agent=np.zeros(n, np.int64),
            task=np.zeros(n, np.int32),
            op=np.zeros(n, np.uint8),
        )
        command = [sys.executable, "-m", "loadgen.generator", str(rundir)]
        with running(start(command, core, log, pipes=True)) as process:
            assert process.stdout is not None  # noqa: S101  (opened as a pipe)
            result, ended_s, fault = None, 0.0, ""
            for line in map(decode_line, process.stdout):
                if line.ready is not None and on_ready is not None:
                    on_ready(process.pid)
                if line.progress is not None:
                    ended_s = line.progress.t_s
                result = line.done or result
                fault = line.error.message if line.error is not None else fault
        if result is None:
            last = fault or log.read_text("utf-8", "replace").strip()[-200:]
            raise ProcessError(f"the load generator gave no result: {last}")
        latency = empty()
        rows = (rundir / "operations-0.msgpack").read_bytes()
        for row in msgspec.msgpack.decode(rows, type=list[OperationRow]):
            if row.op == Op.AUTHORIZE and row.histogram:
                latency.add(decode(row.histogram))
    return OurRun(result, latency, intended_s, ended_s)
