"""The coordinator: speaks the protocol with the parent and gathers what the workers report.

It lives in the only process of a local run and in the master of a distributed one.
"""

import json
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import gevent
import msgspec
import numpy as np
from gevent.event import Event
from gevent.hub import get_hub
from locust.env import Environment
from locust.runners import STATE_MISSING, LocalRunner, MasterRunner

from loadgen.clock import boot_id
from loadgen.generator.machine import versions
from loadgen.generator.messages import NOTHING, Data, listen
from loadgen.generator.protocol import (
    RESULT_FILE,
    UNSENT,
    Command,
    GeneratorPlan,
    GeneratorResult,
    Line,
    Progress,
    Ready,
    Replace,
    Replaced,
    Steal,
    StolenReply,
    decode_command,
)
from loadgen.generator.recorder import SLOTS, Counts, add_sparse, percentile_s
from loadgen.lines import Fault, encode
from loadgen.targets.port import Stolen

LEAD_S = 0.3
"""how far ahead a run lies that starts by itself: time for the message to reach every worker"""
INTERRUPT_S = 2.0
COUNTING_S = 0.2


class Coordinator:
    """The run as a whole.

    Args:
        environment: Locust's, with a local or a master runner.
        rundir: where results go.
        plan: the plan of the run.
        output: file descriptor for protocol lines, None to write none and start at once.
    """

    def __init__(
        self, environment: Environment, rundir: Path, plan: GeneratorPlan, output: int | None
    ) -> None:
        runner = environment.runner
        assert isinstance(runner, LocalRunner | MasterRunner)  # noqa: S101
        self._environment = environment
        self._runner = runner
        self._rundir = rundir
        self._plan = plan
        self._output = output
        self._zero: float | None = None
        self._ready: dict[str, Data] = {}
        self._progress: dict[str, Data] = {}
        self._rows: dict[str, Data] = {}
        self._steals: dict[str, list[Data]] = {}
        self._replaced: dict[str, int] = {}
        """order → workers that have answered"""
        self._stopped = ""
        self._written = False
        self._gathered = Event()
        self.done = Event()
        """set when the results are on disk"""
        listen(runner, "midas-ready", self._on_ready)
        listen(runner, "midas-progress", self._on_progress)
        listen(runner, "midas-stolen", self._on_stolen)
        listen(runner, "midas-replaced", self._on_replaced)
        listen(runner, "midas-rows", self._on_rows)
        if output is not None and stat.S_ISFIFO(os.fstat(output).st_mode):
            os.set_blocking(output, False)
        gevent.spawn(self._watch)

    # -- the parent

    def obey(self, line: bytes) -> None:
        """Carry out one command line of the parent; a line that is none is answered as a fault."""
        try:
            command = decode_command(line)
        except msgspec.MsgspecError as error:
            self._say(Line(error=Fault(f"not a command: {error}", 0)))
            return
        self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        if command.start is not None and self._zero is None:
            self._start(command.start.zero_monotonic_s)
        if command.steal is not None:
            self._steal(command.steal)
        if command.replace is not None:
            self._replace(command.replace)
        if command.stop:
            self.stop("stopped")

    def stop(self, why: str, *, now: bool = False) -> None:
        """End early; the workers drain (or not, if it must be now) and report."""
        if self.done.is_set():
            self._leave()
        elif not self._stopped or now:
            self._stopped = self._stopped or why
            self._runner.send_message("midas-stop", {"now": now})

    def _leave(self) -> None:
        self._runner.quit()
        if self._environment.web_ui is not None:
            self._environment.web_ui.stop()

    def interrupt(self) -> None:
        """End at once and wait a moment for what the workers have."""
        self._stopped = "interrupted"
        self.stop("interrupted", now=True)
        self._gathered.wait(INTERRUPT_S)

    def _say(self, line: Line, *, droppable: bool = False) -> None:
        if self._output is None:
            return
        data = encode(line)
        while data:
            try:
                data = data[os.write(self._output, data) :]
            except BlockingIOError:
                if droppable:  # the parent does not read; progress is not worth a stall
                    return
                gevent.sleep(0.01)
            except OSError:
                return  # the parent has gone; its leash ends us
            droppable = False  # a line that was begun is finished

    # -- the workers

    def _on_ready(self, sender: str, data: Data) -> None:
        self._ready[sender] = data
        if len(self._ready) < self._plan.workers:
            return
        self._say(
            Line(
                ready=Ready(
                    workers=len(self._ready),
                    arrivals=sum(each["arrivals"] for each in self._ready.values()),
                    connections=sum(each["connections"] for each in self._ready.values()),
                )
            )
        )
        if self._output is None or not self._plan.await_start:
            self._start(monotonic() + LEAD_S)

    def _start(self, zero: float) -> None:
        self._zero = zero
        message = {"zero": zero, "boot": boot_id(), "in_s": zero - monotonic()}
        self._runner.send_message("midas-start", message)

    def _steal(self, steal: Steal) -> None:
        self._steals[steal.id] = []
        self._runner.send_message("midas-steal", msgspec.to_builtins(steal))

    def _on_stolen(self, _sender: str, data: Data) -> None:
        answers = self._steals.get(data["id"])
        if answers is None:
            return
        answers.append(data)
        # one worker holds the credential; the answer is no only when all have said so
        if data["stolen"] is None and len(answers) < max(len(self._ready), 1):
            return
        del self._steals[data["id"]]
        stolen = msgspec.convert(data["stolen"], Stolen | None)
        self._say(Line(stolen=StolenReply(data["id"], data["t_s"], stolen)))

    def _replace(self, replace: Replace) -> None:
        self._replaced[replace.id] = 0
        self._runner.send_message("midas-replace", msgspec.to_builtins(replace))

    def _on_replaced(self, _sender: str, data: Data) -> None:
        if data["id"] not in self._replaced:
            return
        self._replaced[data["id"]] += 1
        # as with a theft: one worker holds the credential, the others have nothing to replace
        if data["code"] == NOTHING and self._replaced[data["id"]] < max(len(self._ready), 1):
            return
        del self._replaced[data["id"]]
        self._say(Line(replaced=Replaced(data["id"], data["t_s"], data["code"])))

    def _on_progress(self, sender: str, data: Data) -> None:
        self._progress[sender] = data

    def _on_rows(self, sender: str, data: Data) -> None:
        self._rows[sender] = data
        if data["fault"]:
            self.stop(data["fault"])
        if set(self._ready) - set(self._lost()) <= set(self._rows):
            self._gathered.set()

    def _lost(self) -> list[str]:
        if isinstance(self._runner, LocalRunner):
            return []
        clients = self._runner.clients
        return [
            node
            for node in self._ready
            if node not in self._rows
            and (node not in clients or clients[node].state == STATE_MISSING)
        ]

    # -- the run

    def _watch(self) -> None:
        tick = 1
        while not self._gathered.wait(self._until(tick)):
            if self._zero is not None and monotonic() - self._zero >= tick:
                self._say(Line(progress=self._summary()), droppable=True)
                tick = int(monotonic() - self._zero) + 1
            if self._ready and set(self._ready) <= set(self._rows) | set(self._lost()):
                break
        self.finish()
        if self._environment.web_ui is None:
            self._runner.quit()
        else:  # the page stays up, to be looked at, until it is told to stop
            self._runner.stop()

    def _until(self, tick: int) -> float:
        if self._zero is None:
            return 0.5
        # after the workers' own count of this second, which waits for gaps between requests
        return min(max(self._zero + tick + COUNTING_S - monotonic(), 0.01), 1.0)

    def _summary(self) -> Progress:
        latest = list(self._progress.values())
        errors: Counter[str] = Counter()
        for part in latest:
            errors.update(part["errors"])
        latency, lag = _summed(latest, "latency"), _summed(latest, "lag")
        ok = _total(latest, "ok")
        in_flight = _total(latest, "in_flight")
        return Progress(
            t_s=monotonic() - self._zero if self._zero is not None else 0.0,
            intended=_total(latest, "intended") - errors[UNSENT],
            sent=ok + in_flight + errors.total() - errors[UNSENT],
            ok=ok,
            errors=dict(errors),
            in_flight=in_flight,
            backlog=_total(latest, "backlog"),
            connections=_total(latest, "connections"),
            lag_p99_s=percentile_s(lag, 99),
            p50_s=percentile_s(latency, 50),
            p99_s=percentile_s(latency, 99),
        )

    def finish(self) -> None:
        """Write the results and say so; once."""
        if self._written:
            return
        self._written = True
        measured = [rows for rows in self._rows.values() if "operations" in rows]
        code = max((rows["exit_code"] for rows in self._rows.values()), default=0)
        if self._stopped == "interrupted":
            code = 130
        fault = next((rows["fault"] for rows in self._rows.values() if rows["fault"]), "")
        if self._lost() or not self._rows:
            code, fault = max(code, 1), fault or "a worker was lost"
        self._progress = dict(enumerate(measured))  # type: ignore[arg-type]
        if self._zero is not None and measured:
            self._say(Line(progress=self._summary()))
            result = self._result(measured, fault)
            for rows in measured:
                for name in ("operations", "warmup"):
                    _write(self._rundir / f"{name}-{rows['index']}.msgpack", rows[name])
            _write(self._rundir / RESULT_FILE, _pretty(result))
            self._say(Line(done=result))
        if fault:
            self._say(Line(error=Fault(fault, code)))
        self._environment.process_exit_code = code
        self.done.set()

    def _result(self, measured: list[Data], fault: str) -> GeneratorResult:
        plan = self._plan
        errors: Counter[str] = Counter()
        over: Counter[str] = Counter()
        for rows in measured:
            errors.update(rows["errors"])
            over.update(rows["over_threshold"])
        ok = _total(measured, "ok")
        lag_p99_s = percentile_s(_summed(measured, "lag_kept"), 99)
        reason = fault or self._stopped
        complete = not reason and not errors[UNSENT]
        if not reason and errors[UNSENT]:
            reason = f"{errors[UNSENT]} arrivals found no connection before the drain ended"
        if not reason and lag_p99_s is not None and lag_p99_s > plan.lag_bound_s:
            reason = (
                f"generator saturated: lag p99 {lag_p99_s * 1e3:.1f} ms, "
                f"allowed {plan.lag_bound_s * 1e3:.1f} ms"
            )
        return GeneratorResult(
            valid=not reason,
            reason=reason,
            complete=complete,
            zero_monotonic_s=self._zero or 0.0,
            seconds=plan.seconds,
            arrivals=_total(measured, "arrivals"),
            sent=ok + errors.total() - errors[UNSENT],
            ok=ok,
            errors=dict(errors),
            over_threshold=dict(over),
            lag_p99_s=lag_p99_s,
            waited_for_connection=_total(measured, "waited"),
            connections_opened=_total(measured, "opened"),
            connections_peak=_total(measured, "peak"),
            retried=_total(measured, "retried"),
            workers=len(measured),
            cpu_s=sum(rows["cpu_s"] for rows in measured),
            warmup_s=plan.warmup_s,
            versions=versions(),
        )


class CommandReader:
    """Reads commands from a pipe in the hub and hands each whole line on."""

    def __init__(
        self, descriptor: int, obey: Callable[[bytes], None], gone: Callable[[], None]
    ) -> None:
        self._descriptor = descriptor
        self._obey = obey
        self._gone = gone
        self._rest = b""
        self._watcher = get_hub().loop.io(descriptor, 1)
        self._watcher.start(self._on_readable)

    def _on_readable(self) -> None:
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:
            data = b""
        if not data:
            self._watcher.stop()
            self._gone()
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip():
                gevent.spawn(self._obey, line)


def _total(parts: list[Data], name: str) -> int:
    return sum(part[name] for part in parts)


def _summed(parts: list[Data], name: str) -> Counts:
    counts = np.zeros(SLOTS, np.int64)
    for part in parts:
        add_sparse(counts, part[name])
    return counts


def _pretty(result: GeneratorResult) -> bytes:
    return json.dumps(msgspec.to_builtins(result), indent=2).encode() + b"\n"


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
