"""A measured run from options to a saved record: drive, summarise, judge, save."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from midas import provenance, results
from midas.output import Output, Progress
from midas.render.scenario import duration

if TYPE_CHECKING:
    from analysis.summary import Summary
    from loadgen.plan import Plan
    from loadgen.session import DriveProgress
    from loadgen.threshold import Judgement
    from scenarios.spec.resolve import Resolved
    from scenarios.spec.schema import Scenario

INTERRUPTED = 130
START_S = 3.0
"""what target and generator need to start, roughly: for people who wait"""


class Options(NamedTuple):
    """What of the scenario's ``[drive]`` the command line replaces."""

    regimes: list[str] | None = None
    rate_hz: float | None = None
    seconds: float | None = None
    attacks: Sequence[str] = ()
    workers: int = 1
    allowed: Collection[str] = ()
    """URLs outside this machine that may be loaded"""
    arrivals: str = "scenario"
    """how arrivals lie in time: ``loadgen.shapes.parse_shape``"""
    warmup_s: float | None = None
    """reported apart; None for the usual rule"""
    lag_bound_s: float = 0.010
    """p99 of the generator's own delay above which the run is not valid"""


@dataclass(frozen=True, slots=True)
class Measured:
    """A saved measured run with its estimates and what its thresholds say."""

    summary: "Summary"
    path: Path
    judgements: list[tuple[str, "Judgement"]]
    """(regime, judgement)"""

    @property
    def code(self) -> int:
        """Return the exit code that the run deserves."""
        manifest = self.summary.manifest
        if manifest.reason.startswith("interrupted"):
            return INTERRUPTED
        kept = all(judgement.verdict.value == "kept" for _, judgement in self.judgements)
        return 0 if manifest.valid and kept else 1

    def document(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        from midas.render.run import document

        return document(self.summary, self.path) | {
            "thresholds": [
                {
                    "regime": regime,
                    "expression": judgement.threshold.text,
                    "verdict": judgement.verdict.value,
                    "value": judgement.value,
                    "low": judgement.low,
                    "high": judgement.high,
                    "n": judgement.n,
                }
                for regime, judgement in self.judgements
            ]
        }

    def judged(self) -> Iterator[str]:
        """Return one line for each threshold."""
        for regime, judgement in self.judgements:
            yield f"{regime}: {judgement.sentence()}"


def measure(
    resolved: "Resolved",
    target: str,
    seed: int,
    options: Options,
    fail_if: Sequence[str],
    out: Path | None,
    output: Output,
) -> Measured:
    """Drive a target and save the record, a partial one too.

    Raises:
        UsageError: options that make no sense, before anything is started.
        TargetError, ProcessError: nothing could be measured.
        StoreError: the record could not be saved.
    """
    from analysis.summary import summarise
    from loadgen import threshold
    from loadgen.drive import drive
    from loadgen.targets.registry import find, make_target

    thresholds = [threshold.parse(text) for text in fail_if]
    known = find(target)
    for warning in resolved.warnings:
        output.warn(warning)
    with output.progress(f"driving {known.name}") as bar:
        record = drive(
            resolved.scenario,
            lambda: make_target(target, allowed_urls=options.allowed),
            seed,
            **options._asdict(),
            on_plan=lambda plans: _foretell(plans, resolved.scenario, output),
            on_progress=_shown(bar),
            sources=resolved.sources,
            machine=provenance.machine(),
        )
    path = results.save(record, out)
    summary = summarise(record)
    judgements = [
        (name, threshold.judge(one, [row for row in record.operations if row.regime == name]))
        for name in record.manifest.regimes
        for one in thresholds
    ]
    return Measured(summary, path, judgements)


def _foretell(plans: "Sequence[Plan]", asked: "Scenario", output: Output) -> None:
    """Say how long it will take, and what of the scenario a measured run leaves out."""
    from loadgen.ignores import unused
    from scenarios.demand.window import mean_renewal_age_s

    windows_s = sum(plan.seconds for plan in plans)
    before_s = sum(plan.prologue.seconds for plan in plans)
    output.note(
        f"About {windows_s + before_s + START_S * len(plans):.0f} s: {windows_s:.0f} s of load, "
        f"before it {before_s:.0f} s in which agents get their first credentials, and the start"
    )
    shortened = [
        f"{plan.regime.name} {duration(plan.regime.ttl_s)} instead of {duration(regime.ttl_s)}"
        for plan in plans
        for regime in asked.regimes
        if regime.name == plan.regime.name and regime.ttl_s != plan.regime.ttl_s
    ]
    if shortened:
        output.note(f"Lifetime for this window, by [drive.override]: {', '.join(shortened)}")
    for plan in plans:
        age_s = mean_renewal_age_s(plan.regime)
        if plan.seconds < age_s < inf:
            output.note(
                f"{plan.regime.name} is renewed every {duration(age_s)} on average: one agent in "
                f"{age_s / plan.seconds:.0f} does so in this window. [drive.override] ttl_s "
                "shortens lives for it"
            )
    if given := unused(asked):
        output.note(
            f"A measured run does not use these keys of the scenario: {', '.join(given)} "
            "(midas scenario window says why)"
        )


def _shown(bar: Progress) -> Callable[["DriveProgress"], None]:
    def show(now: "DriveProgress") -> None:
        errors = sum(now.errors.values())
        p99 = "–" if now.p99_s is None else f"{now.p99_s * 1e3:.1f} ms"
        doing = (
            f"{now.regime} {now.phase}: {now.sent:,} sent, {errors:,} errors, p99 {p99}, "
            f"{now.thefts} thefts, {now.alerts} alerts"
        )
        bar(min(1.0, max(0.0, now.t_s / now.seconds)), doing)

    return show
