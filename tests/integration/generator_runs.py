"""What the generator's tests share: a server process, a run folder, a run."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from loadgen.generator.protocol import (
    OWN_OPS,
    Command,
    GeneratorPlan,
    GeneratorResult,
    Line,
    Progress,
    WirePlan,
    decode_line,
)
from loadgen.histogram import decode
from loadgen.lines import Fault, encode
from loadgen.targets.port import Endpoint, Op
from scenarios.record.tables import OperationRow

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def rogue_server(*arguments: str) -> Iterator[tuple[int, int]]:
    """Run ``rogue_server.py``; yields its port and pid."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("rogue_server.py")), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield int(child.stdout.readline()), child.pid
    finally:
        child.stdin.close()
        child.stdout.close()
        child.kill()
        child.wait()


def write_run(
    rundir: Path,
    endpoint: Endpoint,
    t_s: Sequence[float] | NDArray[np.float64],
    paths: list[str],
    **plan: object,
) -> None:
    """Write plan and demand: arrival i is agent i and asks for path i mod n."""
    rundir.mkdir(exist_ok=True)
    n = len(t_s)
    np.savez(
        rundir / "demand.npz",
        t_s=np.asarray(t_s, np.float64),
        agent=np.arange(n, dtype=np.int64),
        task=np.zeros(n, np.int32),
        op=np.zeros(n, np.uint8),
    )
    requests = [
        {"path": path.split("#")[0], "body_bytes": int(path.partition("#")[2] or 0)}
        for path in paths
    ]
    defaults: dict[str, Any] = {
        "wire": WirePlan("loadgen.bench.plain_wire", {"requests": requests}),
        "ops": [Op.AUTHORIZE],
        "seconds": float(t_s[-1]) + 0.01,
        "await_start": False,
        "lag_bound_s": 5.0,  # these tests run on busy machines; the bound has a test of its own
    }
    written = GeneratorPlan(endpoint=endpoint, **(defaults | plan))
    (rundir / "plan.json").write_bytes(msgspec.json.encode(written))


@dataclass
class Run:
    """What a generator process said and wrote."""

    code: int
    lines: list[Line]
    rundir: Path
    log: str
    progress: list[Progress] = field(default_factory=list)

    @property
    def result(self) -> GeneratorResult:
        done = [line.done for line in self.lines if line.done is not None]
        assert len(done) == 1, (self.code, self.lines, self.log)
        return done[0]

    @property
    def fault(self) -> Fault:
        faults = [line.error for line in self.lines if line.error is not None]
        assert len(faults) == 1, (self.code, self.lines, self.log)
        return faults[0]

    def rows(self) -> list[OperationRow]:
        rows: list[OperationRow] = []
        for path in self.rundir.glob("*-*.msgpack"):
            rows += msgspec.msgpack.decode(path.read_bytes(), type=list[OperationRow])
        return rows

    def counts(self) -> dict[str, int]:
        """Arrivals by code, warm-up included."""
        counts: dict[str, int] = {}
        for row in self.rows():
            if row.op not in OWN_OPS:
                counts[row.code] = counts.get(row.code, 0) + row.count
        return counts

    def histogram(self, op: str = "authorize", code: str = "ok") -> HdrHistogram:
        total = HdrHistogram(1, 3_600_000_000, 3)
        for row in self.rows():
            if row.op == op and row.code == code:
                total.add(decode(row.histogram))
        return total


class Generator:
    """A running generator process."""

    def __init__(self, rundir: Path, *options: str) -> None:
        self.rundir = rundir
        self.log = rundir / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "loadgen.generator", str(rundir), *options],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONWARNINGS": ""},
            )
        self.lines: list[Line] = []
        self._watchdog = threading.Timer(60, self.process.kill)
        self._watchdog.start()

    def say(self, command: Command) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(encode(command))
        self.process.stdin.flush()

    def until(self, name: str) -> Line:
        """Read lines up to one with this field."""
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = decode_line(raw)
            self.lines.append(line)
            if getattr(line, name) is not None:
                return line
        raise AssertionError((name, self.lines, self.log.read_text()))

    def finish(self) -> Run:
        """Read to the end."""
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        self.lines += [decode_line(raw) for raw in self.process.stdout]
        code = self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()
        progress = [line.progress for line in self.lines if line.progress is not None]
        return Run(code, self.lines, self.rundir, self.log.read_text(), progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def run(rundir: Path, *options: str) -> Run:
    """Run the generator on a run folder to its end."""
    with Generator(rundir, *options) as generator:
        return generator.finish()
