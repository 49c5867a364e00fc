"""One regime against one target, from set-up to tear-down.

The order matters: the watcher follows before the first request, the thieves stop before the target
does, the target stops before its audit stream is read to the end, and the generator is ended last
if it has not ended by itself. Every step is undone by an ``ExitStack``, whatever fails.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from loadgen.clock import RunClock
from loadgen.generator.protocol import Progress, WirePlan
from loadgen.link import GeneratorLink
from loadgen.merge import read_rows
from loadgen.outcome import Outcome
from loadgen.personas.persona import Stage
from loadgen.plan import Plan, write
from loadgen.response import Responder
from loadgen.targets.port import Endpoint, Target
from loadgen.thefts import Attack, Thefts, cast
from loadgen.watch import Watcher, sight
from scenarios.detection.suite import detectors
from scenarios.errors import ProcessError, RunError, TargetUnavailable

READY_TIMEOUT_S = 60.0
START_AHEAD_S = 0.3
DRAIN_S = 25.0
"""after the last arrival: the generator's own drain, and writing the results"""
QUIET_S, SETTLE_S = 0.15, 3.0
CHECK_S = 0.1
TTL_SAMPLES = 20
DEAD_AFTER = 3
"""failed connections in a row, a second apart, after which a target is called dead"""

Phase = Literal["set-up", "prologue", "window", "drain"]


@dataclass(frozen=True, slots=True)
class DriveProgress:
    """How far a measured run is, for whoever watches it."""

    regime: str
    phase: Phase
    t_s: float
    """run clock; negative before the window opens"""
    seconds: float
    intended: int
    sent: int
    ok: int
    errors: dict[str, int]
    lag_p99_s: float | None
    p99_s: float | None
    thefts: int
    """in which something was taken, so far"""
    alerts: int


def run_session(
    plan: Plan,
    target: Target,
    attacks: Sequence[Attack],
    workdir: Path,
    *,
    workers: int,
    stop: threading.Event,
    on_progress: Callable[[DriveProgress], None] | None,
    about: dict[str, str],
) -> Outcome:
    """Measure one regime.

    Args:
        plan: what to run.
        target: a fresh adapter; it is torn down at the end in any case.
        attacks: thefts to commit.
        workdir: is made; the caller removes it.
        workers: processes of the load generator.
        stop: set from outside to end early.
        on_progress: called from other threads.
        about: takes name and version of the target as soon as they are known.

    Returns:
        What there is; look at ``Outcome.reasons``.

    Raises:
        TargetError, ProcessError: the run never began.
    """
    session = _Session(plan, target, attacks, workdir, stop, on_progress)
    with ExitStack() as stack:
        stack.callback(target.teardown)
        stack.callback(session.give_up)
        if session.set_up(stack, about, workers):
            session.run()
            session.wind_down()
    session.collect()
    return session.outcome


class _Session:
    def __init__(
        self,
        plan: Plan,
        target: Target,
        attacks: Sequence[Attack],
        workdir: Path,
        stop: threading.Event,
        on_progress: Callable[[DriveProgress], None] | None,
    ) -> None:
        self._plan, self._target, self._attacks = plan, target, attacks
        self._workdir, self._stop, self._on_progress = workdir, stop, on_progress
        self._rundir = workdir / "run"
        armed = detectors(plan.scenario, plan.regime)
        self.outcome = Outcome(plan, sight(armed, target.audit_fields))
        self._end_thefts = threading.Event()
        self._link: GeneratorLink
        self._clock: RunClock
        self._endpoint: Endpoint
        self._watcher: Watcher
        self._responder: Responder
        self._thefts: Thefts

    def set_up(self, stack: ExitStack, about: dict[str, str], workers: int) -> bool:
        """Bring everything to the start line; False when told to stop on the way."""
        plan, target = self._plan, self._target
        self._tell("set-up", None)
        data = self._workdir / "target"
        for folder in (self._workdir, self._rundir, data):
            folder.mkdir(mode=0o700)
        target.setup(data, plan.scenario.trust_domain)
        about.update(target.version())
        about.setdefault("name", target.name)
        if self._stopped():
            return False
        target.provision(plan.identities, plan.ttl_s, plan.task_scope)
        self._endpoint = target.endpoint()
        wire = WirePlan(module=wire_module(target), config=target.wire_plan())
        self.outcome.arrivals = write(plan, self._rundir, self._endpoint, wire, workers)
        self._link = GeneratorLink(
            self._rundir, offset_s=plan.prologue_s, on_progress=self._take_progress
        )
        stack.callback(self._link.close)
        return self._link.wait_ready(READY_TIMEOUT_S, self._stop) or not self._stopped()

    def run(self) -> None:
        """Start everybody on one clock and wait for the end of the load."""
        plan, link = self._plan, self._link
        self._clock = RunClock.starting_in(plan.prologue_s + START_AHEAD_S)
        self.outcome.wall_at_zero_utc = self._clock.wall_at_zero_utc()
        stage = Stage(plan, self.outcome.sight.names, owner_origin=self._endpoint.host)
        self.outcome.thefts, notes = cast(stage, self._attacks)
        self.outcome.notes += notes
        self._responder = Responder(self._target.revoke, self._clock.now_s, self._forget)
        self._watcher = Watcher(
            self._target.audit_stream(self._clock.zero_monotonic_s),
            self.outcome.sight.armed,
            self._responder.respond,
        )
        self._thefts = Thefts(
            self.outcome.thefts,
            stage,
            steal=link.steal,
            use=self._target.use,
            now_s=self._clock.now_s,
            stop=self._end_thefts,
        )
        self._watcher.start()
        self._responder.start()
        link.start(self._clock)
        self._thefts.start()
        self._follow()

    def give_up(self) -> None:
        """End the thieves; the last resort of a run that breaks."""
        self._end_thefts.set()

    def _forget(self, identity: str) -> None:
        self._watcher.forget(identity)

    def _follow(self) -> None:
        link, outcome = self._link, self.outcome
        deadline_s = self._plan.seconds + DRAIN_S
        sampled = False
        watchdog = _Watchdog(self._endpoint)
        while not link.wait_end(CHECK_S):
            now_s = self._clock.now_s()
            if self._stopped():
                break
            if not sampled and now_s > 0.9 * self._plan.seconds:
                sampled = True
                self._sample_lifetimes()
            if self._failing() and watchdog.is_dead():
                outcome.faults.append(f"the target stopped listening at about {now_s:.0f} s")
                break
            if now_s > deadline_s:
                outcome.faults.append("the load generator did not end in time")
                break
        if not link.ended():
            link.stop_sending()
        if outcome.interrupted or outcome.faults:
            self._end_thefts.set()
        link.wait_end(DRAIN_S)

    def _failing(self) -> bool:
        progress = self.outcome.progress
        return bool(progress) and bool(progress[-1].errors)

    def _sample_lifetimes(self) -> None:
        """Copy a few live credentials to see what lifetime the service granted."""
        agents, slots = len(self._plan.identities), 1
        step = max(1, agents // TTL_SAMPLES)
        for agent in range(0, agents, step):
            for task in range(slots):
                held = self._link.steal(agent, task)
                if held is not None and held[1].expires_s is not None:
                    granted_s = held[1].expires_s - held[1].issued_s
                    self.outcome.granted_ttl_s.append(granted_s)

    def wind_down(self) -> None:
        """End thieves, responses and the service, in this order, and read the log to its end."""
        left_s = max(0.0, self._plan.seconds - self._clock.now_s())
        self._thefts.join(left_s + 2.0)
        self._watcher.settle(QUIET_S, SETTLE_S)
        self._responder.close()
        self._watcher.settle(QUIET_S, SETTLE_S)
        try:
            self._target.teardown()
        except RunError as error:
            self.outcome.notes.append(f"{self._target.name}: {error}")
        if not self._watcher.join(5.0):
            self.outcome.notes.append("the audit stream did not end with its target")
        outcome, watcher = self.outcome, self._watcher
        outcome.seen, outcome.alerts = watcher.seen, list(watcher.alerts)
        outcome.revocations = dict(self._responder.done)
        outcome.faults += self._thefts.faults
        if watcher.fault and not outcome.faults:
            outcome.faults.append(watcher.fault)
        failed = {r.fault for r in outcome.revocations.values() if r.fault}
        outcome.notes += [f"revocation failed: {fault}" for fault in sorted(failed)]

    def collect(self) -> None:
        """Read what the generator wrote; its end has been waited for."""
        outcome = self.outcome
        if outcome.interrupted and not hasattr(self, "_link"):
            return
        self._link.close()
        outcome.result = self._link.result
        with suppress(ProcessError):
            outcome.rows = read_rows(self._rundir, "operations")
            outcome.warmup = read_rows(self._rundir, "warmup")
        fault = self._link.fault()
        if fault and not outcome.faults and not outcome.interrupted:
            outcome.faults.append(fault)

    def _stopped(self) -> bool:
        if self._stop.is_set():
            self.outcome.interrupted = True
        return self.outcome.interrupted

    def _take_progress(self, progress: Progress) -> None:
        self.outcome.progress.append(progress)
        phase: Phase = "prologue" if progress.t_s < 0.0 else "window"
        self._tell("drain" if progress.t_s > self._plan.seconds else phase, progress)

    def _tell(self, phase: Phase, progress: Progress | None) -> None:
        if self._on_progress is None:
            return
        self._on_progress(
            DriveProgress(
                regime=self._plan.regime.name,
                phase=phase,
                t_s=progress.t_s if progress else -self._plan.prologue_s,
                seconds=self._plan.seconds,
                intended=progress.intended if progress else 0,
                sent=progress.sent if progress else 0,
                ok=progress.ok if progress else 0,
                errors=dict(progress.errors) if progress else {},
                lag_p99_s=progress.lag_p99_s if progress else None,
                p99_s=progress.p99_s if progress else None,
                thefts=len(self.outcome.happened),
                alerts=len(self._watcher.alerts) if hasattr(self, "_watcher") else 0,
            )
        )


class _Watchdog:
    """Tells a dead target from a slow one: nobody listens any more, several seconds in a row."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._checked_s = 0.0
        self._refusals = 0

    def is_dead(self) -> bool:
        now_s = monotonic()
        if now_s - self._checked_s < 1.0:
            return False
        self._checked_s = now_s
        try:
            with socket.create_connection((self._endpoint.host, self._endpoint.port), 1.0):
                self._refusals = 0
        except ConnectionRefusedError:
            self._refusals += 1
        except OSError:
            self._refusals = 0
        return self._refusals >= DEAD_AFTER


def wire_module(target: Target) -> str:
    """Return the module of a target's wire: ``wire`` in the adapter's own folder.

    Raises:
        TargetUnavailable: the adapter is no folder.
    """
    package, _, _ = type(target).__module__.rpartition(".")
    if not package:
        raise TargetUnavailable(f"target {target.name} has no wire module beside its adapter")
    return f"{package}.wire"
