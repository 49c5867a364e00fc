"""One worker: the process that holds a share of the arrivals and sends it.

It talks to the coordinator (``coordinator.py``) by the messages that ``messages.py`` lists.
"""

import importlib
import resource
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, cast

import gevent
import msgspec
from gevent.event import AsyncResult, Event
from gevent.hub import get_hub
from locust.env import Environment
from locust.runners import LocalRunner, WorkerRunner

from loadgen.clock import boot_id
from loadgen.generator.engine import Engine
from loadgen.generator.locust_stats import LocustSink
from loadgen.generator.machine import keep_freed_memory
from loadgen.generator.messages import NOTHING, Data, listen
from loadgen.generator.protocol import GeneratorPlan, WirePlan
from loadgen.generator.recorder import sparse
from loadgen.generator.replacement import replace
from loadgen.generator.schedule import load_schedule
from loadgen.targets.port import Op, Wire
from scenarios.errors import InputError, MidasError, ProcessError

PROGRESS_S = 1.0
GAP_WAIT_S = 0.005
TLS_REFUSAL_S = 0.1
"""under TLS 1.3 a server refuses a client's certificate after the client's handshake has ended"""


def load_wire(plan: WirePlan) -> Wire:
    """Import the adapter's module and make its wire.

    Raises:
        InputError: no such module, or it offers no ``wire``.
    """
    try:
        module = importlib.import_module(plan.module)
    except ImportError as error:
        raise InputError(f"plan.json: wire.module: {plan.module}: {error}") from error
    make = cast("Callable[[dict[str, Any]], Wire] | None", getattr(module, "wire", None))
    if make is None:
        raise InputError(f"plan.json: wire.module: {plan.module} offers no wire(config)")
    return make(plan.config)


class Worker:
    """The worker's side of a run; ``run`` is the task of its one Locust user."""

    def __init__(self, environment: Environment, rundir: Path, plan: GeneratorPlan) -> None:
        runner = environment.runner
        assert isinstance(runner, LocalRunner | WorkerRunner)  # noqa: S101
        self._environment = environment
        self._runner = runner
        self._rundir = rundir
        self._plan = plan
        self._sink = LocustSink(environment)
        self._zero: AsyncResult[float] = AsyncResult()
        self._end = Event()
        self._engine: Engine | None = None
        self._wire: Wire | None = None
        self._reported = False
        self._cpu_at_start_s = 0.0
        listen(runner, "midas-start", self._on_start)
        listen(runner, "midas-steal", self._on_steal)
        listen(runner, "midas-replace", self._on_replace)
        listen(runner, "midas-stop", self._on_stop)

    def run(self) -> None:
        """Prepare, wait for the start, send everything, report; to be called in a greenlet."""
        try:
            self._run()
        except MidasError as error:
            self._report(str(error), error.exit_code)
        except (gevent.GreenletExit, KeyboardInterrupt):
            self.abandon()
            raise
        except Exception as error:  # noqa: BLE001  (an adapter's fault; told in one line)
            self._report(_told(error), 1)

    def _run(self) -> None:
        plan = self._plan
        index = max(self._runner.worker_index, 0)
        if index >= plan.workers:
            raise ProcessError(f"worker {index + 1} has joined, but the plan says {plan.workers}")
        keep_freed_memory()
        schedule = load_schedule(self._rundir, plan).share(index, plan.workers, plan.share)
        self._wire = load_wire(plan.wire)
        # in a thread: preparing takes seconds, and Locust's heartbeats must go on meanwhile
        get_hub().threadpool.apply(self._wire.prepare)
        engine = Engine(
            get_hub().loop,
            plan,
            schedule,
            self._wire,
            self._sink,
            self._end.set,
        )
        self._engine = engine
        warm = Event()
        engine.warm_up(warm.set)
        warm.wait()
        if plan.endpoint.tls:
            gevent.sleep(TLS_REFUSAL_S)
        if engine.pool.opened and not engine.pool.members:
            endpoint = plan.endpoint
            reason = engine.refusal or "the server closed every connection at once"
            raise ProcessError(f"{endpoint.host}:{endpoint.port}: {reason}")
        self._tell(
            "midas-ready", {"arrivals": len(schedule), "connections": len(engine.pool.members)}
        )
        zero_s = self._zero.get()
        assert zero_s is not None  # noqa: S101  (get() without a timeout waits for a value)
        engine.start(zero_s)
        self._cpu_at_start_s = _cpu_s()
        self._follow(engine)
        fault = engine.fault
        self._report(_told(fault) if fault else "", 1 if fault else 0)

    def _follow(self, engine: Engine) -> None:
        tick = 1
        while not self._end.wait(max(0.0, tick * PROGRESS_S - engine.now_s)):
            self._await_gap()
            engine.recorder.merge_piece()
            while engine.recorder.merging:
                self._await_gap()
                engine.recorder.merge_piece()
            self._sink.flush(self._await_gap)
            self._await_gap()
            self._tell("midas-progress", self._progress(engine))
            tick += 1
        self._tell("midas-progress", self._merged_progress(engine))

    def _await_gap(self) -> None:
        """Wait until no request is in flight or due, not for ever: a busy run has no gaps."""
        engine, gap = self._engine, Event()
        if engine is not None and not engine.ended:
            chore = gap.set
            engine.chores.append(chore)
            gap.wait(GAP_WAIT_S)
            if not gap.is_set():
                engine.chores.remove(chore)

    def _merged_progress(self, engine: Engine) -> dict[str, Any]:
        engine.recorder.merge()
        self._sink.flush()
        return self._progress(engine)

    def _progress(self, engine: Engine) -> dict[str, Any]:
        return {
            **engine.recorder.snapshot(),
            "intended": engine.dealt_with,
            "in_flight": engine.pool.busy,
            "backlog": len(engine.queue),
            "connections": len(engine.pool.members),
        }

    def abandon(self) -> None:
        """End now and report what there is; safe to call at any time and twice."""
        if self._engine is not None:
            self._engine.close()
        self._report("", 0)

    def _report(self, fault: str, exit_code: int) -> None:
        if self._reported:
            return
        self._reported = True
        rows: dict[str, Any] = {
            "index": max(self._runner.worker_index, 0),
            "fault": fault,
            "exit_code": exit_code,
        }
        engine = self._engine
        if engine is not None:
            recorder = engine.recorder
            every = recorder.rows()
            rows |= {
                **self._merged_progress(engine),
                "lag_kept": sparse(recorder.lag_counts_kept),
                "operations": msgspec.msgpack.encode([row for row in every if row.batch >= 0]),
                "warmup": msgspec.msgpack.encode([row for row in every if row.batch < 0]),
                "arrivals": len(engine.schedule),
                "opened": engine.pool.opened,
                "peak": engine.pool.peak,
                "retried": engine.retried,
                "cpu_s": _cpu_s() - self._cpu_at_start_s if self._cpu_at_start_s else 0.0,
            }
        self._tell("midas-rows", rows)

    def _tell(self, kind: str, data: dict[str, Any]) -> None:
        self._runner.send_message(kind, data)

    # -- what the coordinator says

    def _on_start(self, _sender: str, data: Data) -> None:
        same_clock = data["boot"] and data["boot"] == boot_id()
        # another machine has another clock: there, what counts is how far ahead the start lies
        zero = data["zero"] if same_clock else monotonic() + data["in_s"]
        self._zero.set(zero)

    def _on_steal(self, _sender: str, data: Data) -> None:
        stolen, now = None, 0.0
        if self._wire is not None and self._engine is not None:
            stolen = self._wire.steal(data["agent"], data["task"])
            now = self._engine.now_s
        answer = {"id": data["id"], "t_s": now, "stolen": msgspec.to_builtins(stolen)}
        self._tell("midas-stolen", answer)

    def _on_replace(self, _sender: str, data: Data) -> None:
        gevent.spawn(self._replace, data)

    def _replace(self, data: Data) -> None:
        """Get a fresh credential for an agent of ours, in a greenlet of its own."""
        wire, engine = self._wire, self._engine
        code, now_s = NOTHING, 0.0
        if wire is not None and engine is not None and wire.steal(data["agent"], data["task"]):
            op = Op(data["op"])
            endpoint = self._plan.endpoint
            code = replace(endpoint, wire, op, data["agent"], data["task"], lambda: engine.now_s)
            now_s = engine.now_s
        self._tell("midas-replaced", {"id": data["id"], "t_s": now_s, "code": code})

    def _on_stop(self, _sender: str, data: Data) -> None:
        if data["now"] or self._engine is None or not self._zero.ready():
            self.abandon()
        else:
            self._engine.stop()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
