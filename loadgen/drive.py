"""``drive``: load a real identity service, rob it, watch it, and bring back a run record.

The calling process stays plain Python: it plans, supervises, steals and watches. The load comes
from a process of its own (``loadgen/generator``) and the service is another one (or was there
already). Whatever happens, the children end before this function returns; if the calling process
is killed outright, they end by themselves, because their stdin closes.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from loadgen import janitor
from loadgen.ignores import IGNORES
from loadgen.incidents import POINT, REPLICATION, alert_rows, incident
from loadgen.measures import counts, series
from loadgen.outcome import Outcome
from loadgen.plan import GeneratorOptions, Plan, needed_capabilities, plan
from loadgen.session import Control, DriveProgress, run_session
from loadgen.shapes import Shape, parse_shape
from loadgen.supervise import Child, StopSignals
from loadgen.targets.port import ISSUING, Target
from loadgen.thefts import parse_attacks
from scenarios.errors import RunError, UsageError
from scenarios.record.manifest import Manifest
from scenarios.record.record import RunRecord
from scenarios.record.store import code_hash, measured_run_id
from scenarios.record.tables import Count, Sample
from scenarios.spec.resolve import dump
from scenarios.spec.schema import Scenario

__all__ = ["DriveProgress", "drive"]

INTERRUPTED = "interrupted"
"""how the reason of a record begins that a signal cut short"""


@dataclass(slots=True)
class _Run:
    """The invocation so far."""

    outcomes: list[Outcome] = field(default_factory=list)
    target: dict[str, str] = field(default_factory=dict)
    broken: str = ""


def drive(
    scenario: Scenario,
    make_target: Callable[[], Target],
    seed: int,
    *,
    regimes: Sequence[str] | None = None,
    rate_hz: float | None = None,
    seconds: float | None = None,
    attacks: Sequence[str] = (),
    arrivals: str = "scenario",
    workers: int = 1,
    warmup_s: float | None = None,
    lag_bound_s: float = 0.010,
    allowed: Collection[str] = (),
    workdir: Path | None = None,
    on_plan: Callable[[Sequence[Plan]], None] | None = None,
    on_progress: Callable[[DriveProgress], None] | None = None,
    sources: Mapping[str, str] | None = None,
    machine: Mapping[str, str] | None = None,
    repetition: int = 0,
) -> RunRecord:
    """Measure a target under the demand of a scenario, one regime after the other.

    Args:
        scenario: the resolved scenario; each regime runs ``window(scenario, regime, …)`` of it.
        make_target: returns a fresh adapter for each regime.
        seed: of arrivals, victims and thieves.
        regimes: names; the scenario's ``drive.regime``, or its first, when None.
        rate_hz: operations a second; the scenario's when None.
        seconds: length of the window; the scenario's when None.
        attacks: ``NAME`` or ``NAME:COUNT`` of personas; each once when empty, none for ``none``.
        arrivals: how they lie in time: ``scenario``, ``constant``, ``poisson``, ``herd``
            (everything restarts at the start) or ``trace:FILE``.
        workers: processes of the load generator.
        warmup_s: reported apart; None for the usual rule (a tenth of the run, at most 5 s).
        lag_bound_s: p99 of the generator's own delay above which the run is not valid.
        allowed: URLs outside loopback that may be loaded.
        workdir: where sockets, data and run files lie meanwhile; a folder of the system's
            temporary one when None. What is made in it is removed.
        on_plan: called with what is about to run, before anything is started.
        on_progress: called about once a second, in the calling thread.
        sources: key path of the scenario → key of ``sources.toml``, for the manifest.
        machine: description of the machine, for the manifest.
        repetition: distinguishes runs that start within one second.

    Returns:
        A record of the measured world. After SIGINT or SIGTERM it is partial: ``complete`` is
        False, ``reason`` begins with ``interrupted`` and the tables hold what there was. A target
        that dies in the middle, or a generator that cannot keep up, gives a record that is not
        ``valid``, with the reason.

    Raises:
        UsageError: an unknown regime or persona, a rate that the scenario cannot offer, a regime
            that the target cannot carry, a target that may not be loaded.
        TargetError, ProcessError: nothing at all could be measured.
    """
    asked = parse_attacks(attacks)
    shape = parse_shape(arrivals)
    plans = plans_of(scenario, seed, regimes, rate_hz, seconds, warmup_s, shape)
    _refuse_incapable(plans, make_target())
    if on_plan is not None:
        on_plan(plans)
    started, began_s = datetime.now(UTC), monotonic()
    run = _Run()
    with StopSignals() as signals, _work_folder(workdir) as folder:
        for number, one in enumerate(plans):
            if signals.stop.is_set():
                run.broken = run.broken or INTERRUPTED
                break
            target = make_target()
            try:
                outcome = run_session(
                    one,
                    target,
                    asked,
                    folder / str(number),
                    options=GeneratorOptions(workers, lag_bound_s),
                    control=Control(signals.stop, on_progress, allowed),
                    about=run.target,
                )
            except RunError as error:
                if not run.outcomes:
                    raise
                run.broken = f"{one.regime.name}: {error}"
                break
            run.outcomes.append(outcome)
    manifest = _manifest(plans, run, seed, started, monotonic() - began_s, repetition)
    manifest.sources, manifest.machine = dict(sources or {}), dict(machine or {})
    record = RunRecord(manifest)
    for outcome in run.outcomes:
        _add_tables(record, outcome)
    return record


@contextmanager
def _work_folder(parent: Path | None) -> Iterator[Path]:
    """Give a folder that is gone afterwards, also when this process is killed outright."""
    folder = Path(tempfile.mkdtemp(prefix=janitor.PREFIX, dir=parent))
    try:
        argv = [sys.executable, "-I", str(janitor.__file__), str(folder)]
        sweeper = Child(argv, name="the janitor", log=folder / "janitor.log")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            sweeper.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _add_tables(record: RunRecord, outcome: Outcome) -> None:
    """Append one regime's rows to a record."""
    regime = outcome.plan.regime.name
    first = len(record.incidents)
    record.operations += outcome.rows
    record.incidents += [incident(outcome, theft) for theft in outcome.happened]
    record.alerts += alert_rows(outcome, first)
    record.counts += [
        Count(POINT, regime, REPLICATION, name, float(value))
        for name, value in counts(outcome).items()
    ]
    record.series += [
        Sample(POINT, regime, REPLICATION, t_s, name, value) for t_s, name, value in series(outcome)
    ]


def plans_of(
    scenario: Scenario,
    seed: int,
    regimes: Sequence[str] | None,
    rate_hz: float | None,
    seconds: float | None,
    warmup_s: float | None,
    shape: Shape,
) -> list[Plan]:
    chosen = list(regimes or [scenario.drive.regime or scenario.regimes[0].name])
    repeated = sorted({name for name in chosen if chosen.count(name) > 1})
    if repeated:
        raise UsageError(f"--regime: {', '.join(repeated)} named more than once")
    return [
        plan(
            scenario,
            name,
            seed,
            rate_hz=scenario.drive.rate_hz if rate_hz is None else rate_hz,
            seconds=scenario.drive.seconds if seconds is None else seconds,
            warmup_s=warmup_s,
            shape=shape,
        )
        for name in chosen
    ]


def _refuse_incapable(plans: Sequence[Plan], target: Target) -> None:
    if not target.capabilities & ISSUING:
        return  # whatever the agents hold, a decision point is only asked about it
    faults = [
        f"{one.regime.name} needs {', '.join(sorted(missing))}"
        for one in plans
        if (missing := needed_capabilities(one.scenario) - target.capabilities)
    ]
    if faults:
        raise UsageError(f"target {target.name} cannot carry: {'; '.join(faults)}")


def _manifest(
    plans: Sequence[Plan],
    run: _Run,
    seed: int,
    started: datetime,
    wall_s: float,
    repetition: int,
) -> Manifest:
    reasons = [
        f"{outcome.plan.regime.name}: {reason}" if len(plans) > 1 else reason
        for outcome in run.outcomes
        for reason in outcome.reasons()
    ]
    reasons += [run.broken] if run.broken else []
    if any(outcome.interrupted for outcome in run.outcomes) or run.broken == INTERRUPTED:
        reasons = [INTERRUPTED, *(reason for reason in reasons if INTERRUPTED not in reason)]
    names = [one.regime.name for one in plans]
    scenario = dump(_window(plans))
    code = code_hash(("scenarios", "loadgen"))
    started_utc = started.isoformat(timespec="seconds")
    return Manifest(
        run_id=measured_run_id(scenario, run.target, [seed], names, code, started_utc, repetition),
        world="measured",
        engine=run.target.get("name", ""),
        scenario=scenario,
        sources={},
        seed=seed,
        replications=1,
        regimes=names,
        code_hash=code,
        started_utc=started_utc,
        wall_s=wall_s,
        wall_at_zero_utc=next((o.wall_at_zero_utc for o in run.outcomes), ""),
        machine={},
        target=dict(run.target),
        valid=not reasons,
        reason="; ".join(reasons),
        complete=_complete(plans, run),
        not_observable=_not_observable(run),
        ignored=dict(IGNORES),
        notes=_notes(run),
    )


def _not_observable(run: _Run) -> dict[str, str]:
    """Return what the audit streams hide: detectors, and where all are blind, every alert."""
    found: dict[str, str] = {}
    for outcome in run.outcomes:
        found |= outcome.sight.blind
        if outcome.sight.blind and not outcome.sight.armed:
            why = f"{outcome.plan.regime.name}: no detector can work on this audit stream"
            found |= {"incidents.alert_s": why, "incidents.detector": why}
    return found


def _window(plans: Sequence[Plan]) -> Scenario:
    """Return the window with all its regimes: as many agents as the first one's rate asks for."""
    regimes = tuple(one.regime for one in plans)
    return plans[0].scenario.model_copy(update={"regimes": regimes})


def _complete(plans: Sequence[Plan], run: _Run) -> bool:
    return (
        not run.broken
        and len(run.outcomes) == len(plans)
        and all(o.result is not None and o.result.complete for o in run.outcomes)
        and not any(o.interrupted or o.faults for o in run.outcomes)
    )


def _life(one: Plan) -> str:
    return "credentials without end" if one.ttl_s is None else f"credentials of {one.ttl_s:g} s"


def _notes(run: _Run) -> list[str]:
    notes: list[str] = []
    for outcome in run.outcomes:
        name, agents = outcome.plan.regime.name, len(outcome.plan.identities)
        if outcome.plan.prologue.squeeze < 1.0:
            notes.append(
                f"{name}: when the window opens, credentials are "
                f"{outcome.plan.prologue.squeeze:.2f} times as old as in the simulator, so that "
                "nobody waits for them to age"
            )
        if outcome.plan.shape.kind != "scenario":
            notes.append(f"{name}: arrivals are not the scenario's own: {outcome.plan.shape.kind}")
        notes.append(
            f"{name}: {agents:,} agents, {_life(outcome.plan)}; their first credentials were "
            "issued in the "
            f"{outcome.plan.prologue.seconds:.1f} s before the window, which opened at "
            f"{outcome.wall_at_zero_utc}; its first {outcome.plan.warmup_s:.1f} s are reported "
            "apart"
        )
        notes += outcome.notes
    return notes
