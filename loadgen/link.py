"""The parent's end of the pipe to the generator (``loadgen/generator/protocol.py``)."""

import itertools
import sys
import threading
from pathlib import Path
from typing import Self

import msgspec

from loadgen.clock import RunClock
from loadgen.generator.protocol import (
    Command,
    GeneratorResult,
    Line,
    Progress,
    Replace,
    Replaced,
    Steal,
    StolenReply,
    decode_line,
)
from loadgen.lines import Start, encode
from loadgen.supervise import Child
from loadgen.targets.port import Op, Stolen
from scenarios.errors import ProcessError

STEAL_TIMEOUT_S, REPLACE_TIMEOUT_S = 2.0, 6.0


class GeneratorLink:
    """Starts the generator on a run folder, relays orders and follows its lines in a thread.

    Args:
        rundir: folder that holds ``plan.json`` and ``demand.npz``.
        offset_s: generator clock − run clock: its zero is the start of the prologue.

    Raises:
        ProcessError: it cannot be started.
    """

    def __init__(self, rundir: Path, *, offset_s: float = 0.0) -> None:
        self._offset_s = offset_s
        self._ready = threading.Event()
        self._ended = threading.Event()
        self._fault = ""
        self._numbers = itertools.count()
        self._answers: dict[str, StolenReply | Replaced] = {}
        self._answered = threading.Condition()
        self.progress: list[Progress] = []
        """one a second, on the run clock; grows while the load runs"""
        self.result: GeneratorResult | None = None
        argv = [sys.executable, "-m", "loadgen.generator", str(rundir)]
        self.child = Child(argv, name="the load generator", log=rundir / "generator.log")
        self._reader = threading.Thread(target=self._follow, name="generator-lines", daemon=True)
        self._reader.start()

    def _follow(self) -> None:
        try:
            for raw in self.child.lines():
                try:
                    self._take(decode_line(raw))
                except msgspec.MsgspecError:
                    self._fault = f"the load generator wrote {raw[:80]!r}"
        finally:
            self._ended.set()
            self._ready.set()
            with self._answered:
                self._answered.notify_all()

    def _take(self, line: Line) -> None:
        if line.ready is not None:
            self._ready.set()
        elif line.progress is not None:
            run_s = line.progress.t_s - self._offset_s
            self.progress.append(msgspec.structs.replace(line.progress, t_s=run_s))
        elif (reply := line.stolen or line.replaced) is not None:
            with self._answered:
                self._answers[reply.id] = reply
                self._answered.notify_all()
        elif line.done is not None:
            self.result = line.done
        elif line.error is not None:
            self._fault = line.error.message

    def wait_ready(self, timeout_s: float, stop: threading.Event) -> bool:
        """Wait until it is connected; return False when ``stop`` was set meanwhile.

        Raises:
            ProcessError: it ended, or took longer than ``timeout_s``.
        """
        waited = 0.0
        while not self._ready.wait(0.05):
            waited += 0.05
            if stop.is_set():
                return False
            if waited >= timeout_s:
                raise ProcessError(f"the load generator was not ready after {timeout_s:g} s")
        if self._ended.is_set():
            raise ProcessError(self.fault() or "the load generator ended before it was ready")
        return True

    def start(self, clock: RunClock) -> None:
        """Give it the start; the clock's zero should lie a little ahead."""
        zero = clock.zero_monotonic_s - self._offset_s
        self.child.send(encode(Command(start=Start(zero))))

    def steal(self, agent: int, task: int) -> tuple[float, Stolen] | None:
        """Copy what an agent holds: (run time, credential), or None when there is nothing."""
        name = str(next(self._numbers))
        reply = self._answer(Command(steal=Steal(agent, task, name)), name, STEAL_TIMEOUT_S)
        if not isinstance(reply, StolenReply) or reply.stolen is None:
            return None
        stolen = reply.stolen
        stolen.issued_s -= self._offset_s
        if stolen.expires_s is not None:
            stolen.expires_s -= self._offset_s
        return reply.t_s - self._offset_s, stolen

    def replace(self, agent: int, task: int, op: Op) -> tuple[float, str] | None:
        """Have an agent ask for a fresh credential; (run time, code), or None without an answer."""
        name = str(next(self._numbers))
        order = Command(replace=Replace(agent, task, op, name))
        reply = self._answer(order, name, REPLACE_TIMEOUT_S)
        return (reply.t_s - self._offset_s, reply.code) if isinstance(reply, Replaced) else None

    def _answer(self, order: Command, name: str, timeout_s: float) -> StolenReply | Replaced | None:
        """Give an order and wait for the line that answers it."""
        try:
            self.child.send(encode(order))
        except ProcessError:
            return None
        with self._answered:
            self._answered.wait_for(
                lambda: name in self._answers or self._ended.is_set(), timeout_s
            )
            return self._answers.pop(name, None)

    def stop_sending(self) -> None:
        """Ask it to end early; it drains and writes what it has."""
        try:
            self.child.send(encode(Command(stop=True)))
        except ProcessError as error:  # it has ended already, which is what was asked
            self._fault = self._fault or str(error)

    def ended(self) -> bool:
        """Return whether it has closed its stdout."""
        return self._ended.is_set()

    def died(self) -> bool:
        """Return whether it has ended without a result."""
        return self._ended.is_set() and self.result is None

    def wait_end(self, timeout_s: float) -> bool:
        """Return whether it ended within ``timeout_s``."""
        return self._ended.wait(timeout_s)

    def fault(self) -> str:
        """Return what went wrong, empty when nothing did."""
        if self._fault or self.result is not None:
            return self._fault
        return f"the load generator left no result; its log ends: {self.child.last_words()}"

    def close(self) -> None:
        """Stop the process and the thread."""
        self.child.stop()
        self._reader.join(5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
