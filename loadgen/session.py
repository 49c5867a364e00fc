"""One regime against one target, from set-up to tear-down.

The order matters: the watcher follows before the first request, the thieves stop before the target
does, and the target stops before its audit stream is read to the end. Every step is undone by an
``ExitStack``, whatever fails.
"""

import socket
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Literal

from loadgen.clock import RunClock
from loadgen.generator.protocol import UNSENT, Progress, WirePlan
from loadgen.link import GeneratorLink
from loadgen.merge import arrivals_only, read_rows
from loadgen.outcome import Outcome
from loadgen.permission import refuse_foreign
from loadgen.personas.stage import Stage
from loadgen.plan import GeneratorOptions, Plan, write
from loadgen.response import Responder
from loadgen.targets.port import ISSUING, Capability, Endpoint, Target
from loadgen.targets.registry import find
from loadgen.thefts import Attack, Thefts, cast
from loadgen.watch import Watcher, sight
from scenarios.detection.suite import detectors
from scenarios.errors import ProcessError, RunError

READY_TIMEOUT_S = 60.0
START_AHEAD_S = 0.3
DRAIN_S = 25.0
"""after the last arrival: the generator's own drain, and writing the results"""
QUIET_S, SETTLE_S = 0.15, 3.0
CHECK_S = 0.1
TTL_SAMPLES = 20
SAMPLE_AT = 0.9
"""share of the window after which granted lifetimes are looked at"""
DEAD_AFTER = 3
"""refused connections in a row, a second apart, after which a target is called dead"""

Phase = Literal["set-up", "prologue", "window", "drain"]


@dataclass(frozen=True, slots=True)
class DriveProgress:
    """How far a measured run is, for whoever watches it."""

    regime: str
    phase: Phase
    t_s: float
    """run clock; negative before the window opens"""
    seconds: float
    thefts: int
    """in which something was taken, so far"""
    alerts: int
    intended: int = 0
    sent: int = 0
    ok: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    lag_p99_s: float | None = None
    p99_s: float | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """How the outside takes part in a run."""

    stop: threading.Event
    """set to end early"""
    on_progress: Callable[[DriveProgress], None] | None = None
    allowed: Collection[str] = ()
    """URLs outside loopback that may be loaded"""


def run_session(
    plan: Plan,
    target: Target,
    attacks: Sequence[Attack],
    workdir: Path,
    *,
    options: GeneratorOptions,
    control: Control,
    about: dict[str, str],
) -> Outcome:
    """Measure one regime.

    Args:
        plan: what to run.
        target: a fresh adapter; it is torn down at the end in any case.
        attacks: thefts to commit.
        workdir: is made; the caller removes it.
        options: how the load is generated.
        control: stop and progress.
        about: takes name and version of the target as soon as they are known.

    Returns:
        What there is; look at ``Outcome.reasons``.

    Raises:
        TargetError, ProcessError: the run never began.
    """
    outcome = Outcome(
        plan, sight(detectors(plan.scenario, plan.regime, measured=True), target.audit_fields)
    )
    rundir = workdir / "run"
    _tell(
        control,
        DriveProgress(plan.regime.name, "set-up", -plan.prologue.seconds, plan.seconds, 0, 0),
    )
    with ExitStack() as stack:
        stack.callback(target.teardown)
        link = _set_up(outcome, target, workdir, options, control, stack, about)
        if link is None:
            outcome.interrupted = True
            return outcome
        robbed = attacks if target.capabilities & ISSUING else ()
        race = _Race(outcome, target, robbed, link, control)
        stack.callback(race.end_thefts.set)
        race.run()
        race.wind_down()
    outcome.progress, outcome.result = link.progress, link.result
    _collect(outcome, rundir, link.fault())
    return outcome


def _set_up(
    outcome: Outcome,
    target: Target,
    workdir: Path,
    options: GeneratorOptions,
    control: Control,
    stack: ExitStack,
    about: dict[str, str],
) -> GeneratorLink | None:
    """Bring target and generator to the start line; None when told to stop on the way."""
    plan, rundir, data = outcome.plan, workdir / "run", workdir / "target"
    for folder in (workdir, rundir, data):
        folder.mkdir(mode=0o700)
    target.setup(data, plan.scenario.trust_domain)
    about.update({"name": target.name} | target.version())
    if control.stop.is_set():
        return None
    target.provision(plan.identities, plan.ttl_s, plan.task_scope)
    wire = WirePlan(module=find(target.name).wire_module, config=target.wire_plan())
    refuse_foreign(target.endpoint(), control.allowed)
    uses = Capability.AUTHORIZE in target.capabilities
    issues = bool(target.capabilities & ISSUING)
    outcome.arrivals = write(
        plan, rundir, target.endpoint(), wire, options, uses=uses, issues=issues
    )
    if not issues:
        outcome.notes.append(
            f"{target.name} issues nothing: only uses were sent, and there was nothing to steal"
        )
    if not uses:
        outcome.notes.append(
            f"{target.name} takes no part in uses of a document: only issuances were sent"
        )
    link = GeneratorLink(rundir, offset_s=plan.prologue.seconds)
    stack.callback(link.close)
    return link if link.wait_ready(READY_TIMEOUT_S, control.stop) else None


def _collect(outcome: Outcome, rundir: Path, fault: str) -> None:
    """Read what the generator wrote; its end has been waited for."""
    with suppress(ProcessError):
        outcome.rows = read_rows(rundir, "operations")
        outcome.warmup = read_rows(rundir, "warmup")
    early = arrivals_only(outcome.warmup)
    failed = sum(row.count for row in early if row.code not in ("ok", UNSENT))
    if failed:
        outcome.notes.append(f"{failed} arrivals failed before the measured part began")
    if fault and not outcome.faults and not outcome.interrupted:
        outcome.faults.append(fault)


def _tell(control: Control, progress: DriveProgress) -> None:
    if control.on_progress is not None:
        control.on_progress(progress)


class _Race:
    """What happens between the start and the end of the load."""

    def __init__(
        self,
        outcome: Outcome,
        target: Target,
        attacks: Sequence[Attack],
        link: GeneratorLink,
        control: Control,
    ) -> None:
        plan = outcome.plan
        self.end_thefts = threading.Event()
        self._outcome, self._plan, self._target = outcome, plan, target
        self._link, self._control = link, control
        self._endpoint = target.endpoint()
        self._told = 0
        self._clock = clock = RunClock.starting_in(plan.prologue.seconds + START_AHEAD_S)
        outcome.wall_at_zero_utc = clock.wall_at_zero_utc()
        stage = Stage(plan, outcome.sight.names, owner_origin=self._endpoint.host)
        outcome.thefts, notes = cast(stage, attacks)
        outcome.notes += notes
        self._thefts = Thefts(
            outcome.thefts,
            stage,
            steal=link.steal,
            use=target.use,
            now_s=clock.now_s,
            stop=self.end_thefts,
        )
        self._responder = Responder(target.revoke, clock.now_s, self._forget, self._replace)
        audited = Capability.AUDIT in target.capabilities
        self._watcher = Watcher(
            target.audit_stream(clock.zero_monotonic_s) if audited else iter(()),
            outcome.sight.armed,
            self._responder.respond,
        )

    def _forget(self, identity: str) -> None:
        self._watcher.forget(identity)

    def _replace(self, identity: str, serial: str) -> tuple[float, ...]:
        """Give those who still hold a revoked document another one; return when each had it."""
        plan, found = self._plan, []
        for agent in plan.holders.get(identity, ()):
            for task in range(len(plan.identities[agent].permissions) if plan.task_scope else 1):
                held = self._link.steal(agent, task)
                if held is None or held[1].serial != serial:
                    continue  # renewed meanwhile, or by another holder of the same secret
                answer = self._link.replace(agent, task, plan.issue_op)
                code = "no answer" if answer is None else answer[1]
                if answer is not None and code == "ok":
                    found.append(answer[0])
                else:
                    self._outcome.notes.append(f"{identity} got no new credential: {code}")
        return tuple(found)

    def run(self) -> None:
        """Start everybody on one clock and wait for the end of the load."""
        self._watcher.start()
        self._responder.start()
        self._link.start(self._clock)
        self._thefts.start()
        self._follow()
        if not self._link.ended():
            self._link.stop_sending()
        if self._outcome.interrupted or self._outcome.faults or self._link.died():
            self.end_thefts.set()
        self._link.wait_end(DRAIN_S)
        self._pass_on_progress()

    def _follow(self) -> None:
        """Watch over the load until it ends, or until there is a reason to end it."""
        outcome, seconds = self._outcome, self._plan.seconds
        watchdog = _Watchdog(self._endpoint)
        sampled = False
        while not self._link.wait_end(CHECK_S):
            now_s = self._clock.now_s()
            self._pass_on_progress()
            if self._control.stop.is_set():
                outcome.interrupted = True
                return
            if not sampled and now_s > SAMPLE_AT * seconds:
                sampled = True
                self._sample_lifetimes()
            if self._failing() and watchdog.is_dead():
                outcome.faults.append(f"the target stopped listening at about {now_s:.0f} s")
                return
            if now_s > seconds + DRAIN_S:
                outcome.faults.append("the load generator did not end in time")
                return

    def _failing(self) -> bool:
        progress = self._link.progress
        return bool(progress) and bool(progress[-1].errors)

    def _sample_lifetimes(self) -> None:
        """Copy a few live credentials to see what lifetime the service granted."""
        active = self._plan.active
        for agent in active[:: max(1, len(active) // TTL_SAMPLES)]:
            held = self._link.steal(agent, 0)
            if held is not None and held[1].expires_s is not None:
                self._outcome.granted_ttl_s.append(held[1].expires_s - held[1].issued_s)

    def wind_down(self) -> None:
        """End thieves, responses and the service, in this order, and read the log to its end."""
        outcome, watcher = self._outcome, self._watcher
        left_s = max(0.0, self._plan.seconds - self._clock.now_s())
        self._thefts.join(left_s + 2.0)
        watcher.settle(QUIET_S, SETTLE_S)
        self._responder.close()
        watcher.settle(QUIET_S, SETTLE_S)
        try:
            self._target.teardown()
        except RunError as error:
            outcome.notes.append(f"{self._target.name}: {error}")
        if not watcher.join(5.0):
            outcome.notes.append("the audit stream did not end with its target")
        outcome.seen, outcome.alerts = watcher.seen, list(watcher.alerts)
        outcome.revocations = dict(self._responder.done)
        outcome.faults += self._thefts.faults
        if watcher.fault and not outcome.faults:
            outcome.faults.append(watcher.fault)
        failed = {one.fault for one in outcome.revocations.values() if one.fault}
        outcome.notes += [f"revocation failed: {fault}" for fault in sorted(failed)]

    def _pass_on_progress(self) -> None:
        new = self._link.progress[self._told :]
        self._told += len(new)
        for progress in new:
            self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        phase: Phase = "prologue" if progress.t_s < 0.0 else "window"
        _tell(
            self._control,
            DriveProgress(
                regime=self._plan.regime.name,
                phase="drain" if progress.t_s > self._plan.seconds else phase,
                t_s=progress.t_s,
                seconds=self._plan.seconds,
                thefts=len(self._outcome.happened),
                alerts=len(self._watcher.alerts),
                intended=progress.intended,
                sent=progress.sent,
                ok=progress.ok,
                errors=dict(progress.errors),
                lag_p99_s=progress.lag_p99_s,
                p99_s=progress.p99_s,
            ),
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
