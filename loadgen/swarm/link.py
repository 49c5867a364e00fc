"""The parent's end of the pipe to the swarm (``loadgen/swarm/protocol.py``)."""

import itertools
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Self

import msgspec

from loadgen.clock import RunClock
from loadgen.lines import Start, encode
from loadgen.supervise import Child
from loadgen.swarm.protocol import (
    PLAN_FILE,
    Command,
    Line,
    Progress,
    Ready,
    Steal,
    Stolen,
    SwarmPlan,
    SwarmResult,
)
from scenarios.errors import ProcessError

READY_S = 120.0
STEAL_S = 5.0


class SwarmLink:
    """Starts a swarm on a folder and follows its lines in a thread.

    Args:
        plan: written into the folder.
        rundir: is made.

    Raises:
        ProcessError: it cannot be started, or does not become ready.
    """

    def __init__(self, plan: SwarmPlan, rundir: Path) -> None:
        rundir.mkdir(parents=True, exist_ok=True)
        (rundir / PLAN_FILE).write_bytes(msgspec.json.encode(plan))
        self.plan, self.rundir = plan, rundir
        self.progress: list[Progress] = []
        self.ready: Ready | None = None
        self.result: SwarmResult | None = None
        self._fault = ""
        self._news = threading.Condition()
        self._ended = False
        self._numbers = itertools.count()
        self._stolen: dict[str, Stolen] = {}
        argv = [sys.executable, "-m", "loadgen.swarm", str(rundir)]
        root = str(Path(__file__).parents[2])
        self.child = Child(
            argv, name="the swarm", log=rundir / "swarm.log", env={"PYTHONPATH": root}
        )
        self._reader = threading.Thread(target=self._follow, name="swarm-lines", daemon=True)
        self._reader.start()
        if not self._wait(lambda: self.ready is not None, READY_S):
            self.close()
            raise ProcessError(f"the swarm was not ready: {self.fault() or 'it took too long'}")

    def _follow(self) -> None:
        decode = msgspec.json.Decoder(Line).decode
        for raw in self.child.lines():
            try:
                line = decode(raw)
            except msgspec.MsgspecError:
                continue
            with self._news:
                self._take(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _take(self, line: Line) -> None:
        self.ready = line.ready or self.ready
        self.result = line.done or self.result
        if line.progress is not None:
            self.progress.append(line.progress)
        if line.stolen is not None:
            self._stolen[line.stolen.id] = line.stolen
        if line.error is not None:
            self._fault = line.error.message

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        with self._news:
            self._news.wait_for(lambda: condition() or self._ended, timeout_s)
            return condition()

    def start(self, clock: RunClock) -> None:
        """Give it the start."""
        self.child.send(encode(Command(start=Start(clock.zero_monotonic_s))))

    def restart(self) -> None:
        """Have every agent start anew at once."""
        self.child.send(encode(Command(restart=True)))

    def steal(self, agent: int) -> Stolen | None:
        """Copy an agent's key and document; None when it holds none."""
        name = str(next(self._numbers))
        self.child.send(encode(Command(steal=Steal(agent, name))))
        self._wait(lambda: name in self._stolen, STEAL_S)
        found = self._stolen.pop(name, None)
        return found if found is not None and found.pem else None

    def until(self, condition: Callable[[Progress], bool], timeout_s: float) -> bool:
        """Wait for a progress line that satisfies a condition; False after ``timeout_s``."""
        return self._wait(lambda: bool(self.progress) and condition(self.progress[-1]), timeout_s)

    def stop(self) -> None:
        """Have it write what there is and end."""
        self.child.send(encode(Command(stop=True)))

    def finish(self, timeout_s: float) -> SwarmResult:
        """Wait for its end.

        Raises:
            ProcessError: it ended without a result, or not in time.
        """
        deadline = monotonic() + timeout_s
        self._wait(lambda: self.result is not None, timeout_s)
        if self.result is None:
            why = self.fault() or f"no result within {timeout_s:g} s"
            raise ProcessError(f"the swarm: {why}")
        self.child.wait(max(0.0, deadline - monotonic()))
        return self.result

    def fault(self) -> str:
        """Return what went wrong, empty when nothing did."""
        return self._fault or ("" if self.result is not None else self.child.last_words())

    def close(self) -> None:
        """Stop process and thread."""
        self.child.stop()
        self._reader.join(5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
