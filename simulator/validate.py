"""The simulator against closed forms: equivalence tests with stated margins (model.md §8).

Each of m checks is made at coverage 0.99^(1/m), so a right engine fails the suite one time in a
hundred. A check holds when its whole interval lies within the margin about the theory. It is
refused as underpowered when the interval is wider than the margin: then it could not fail.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Final, Literal

import msgspec
from scipy import special

from scenarios.record.estimate import Estimate
from simulator.checks import (
    authority,
    benign,
    bundles,
    clusters,
    issuer,
    lateral,
    lifetimes,
    renewal,
    restarts,
    sight,
    stages,
    syncs,
    thefts,
    watching,
)
from simulator.checks.finding import Finding
from simulator.simulate import Engine, engine_named

SUITE_COVERAGE: Final = 0.99
"""probability that a right engine passes the whole suite"""

CHECKS: Final[tuple[Callable[[Engine], list[Finding]], ...]] = (
    renewal.residual_validity,
    renewal.last_of_node,
    renewal.renewal_age,
    renewal.availability_target,
    renewal.by_hand,
    renewal.directed,
    renewal.per_request,
    renewal.switches,
    restarts.first_credential,
    restarts.churn,
    issuer.waiting,
    issuer.outage,
    issuer.drain,
    stages.bound,
    stages.tandem,
    stages.deadline,
    stages.turns,
    stages.cold_start,
    syncs.wait,
    syncs.batch,
    syncs.work,
    syncs.backoff,
    thefts.notice,
    thefts.superseded,
    thefts.foothold,
    thefts.agent_key,
    thefts.open_at_start,
    thefts.noticed_after_start,
    thefts.common_random_numbers,
    clusters.counts,
    clusters.open_at_start,
    benign.false_alarms,
    lateral.reach,
    lateral.breakout,
    watching.single_lines,
    watching.run_length,
    watching.shared_documents,
    watching.queue,
    watching.guard,
    sight.first_seen,
    sight.superseded_seen,
    lifetimes.truncation,
    lifetimes.federation,
    lifetimes.skew,
    lifetimes.shared,
    authority.forged,
    authority.overtaken,
    bundles.repaired,
    bundles.hijacked,
    bundles.abroad,
)
"""experiments, each with one or more quantities"""


class Validation(msgspec.Struct, frozen=True):
    """One quantity held against its closed form."""

    quantity: str
    population: str
    simulated: Estimate
    theory: float
    margin: float
    margin_words: str
    verdict: Literal["ok", "differs", "underpowered"]
    ok: bool


def validate(
    population: str,
    checks: Sequence[Callable[[Engine], list[Finding]]] = CHECKS,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Validation]:
    """Run the checks on a population and judge them together.

    Args:
        population: name of an engine.
        checks: experiments to run, all by default.
        on_progress: called with the numbers of finished and of all experiments.

    Raises:
        UsageError: an unknown engine.
    """
    engine = engine_named(population)
    findings: list[Finding] = []
    for done, check in enumerate(checks, start=1):
        findings += check(engine)
        if on_progress is not None:
            on_progress(done, len(checks))
    level = SUITE_COVERAGE ** (1.0 / len(findings))
    return [judge(finding, population, level) for finding in findings]


def judge(finding: Finding, population: str, level: float) -> Validation:
    """Hold one finding against its theory at a coverage."""
    simulated = mean_estimate(finding, level)
    verdict = _verdict(finding, simulated)
    return Validation(
        quantity=finding.quantity,
        population=population,
        simulated=simulated,
        theory=finding.theory,
        margin=finding.margin,
        margin_words=finding.margin_words,
        verdict=verdict,
        ok=verdict == "ok",
    )


def mean_estimate(finding: Finding, level: float) -> Estimate:
    """Return the mean of the observations with Student's interval."""
    observed = finding.observed
    n = len(observed)
    if n < 2:
        return Estimate(None, None, None, n, finding.unit, level=level)
    mean = float(observed.mean())
    half = float(special.stdtrit(n - 1, 0.5 + level / 2.0) * observed.std(ddof=1) / sqrt(n))
    return Estimate(mean, mean - half, mean + half, n, finding.unit, level=level)


def _verdict(finding: Finding, simulated: Estimate) -> Literal["ok", "differs", "underpowered"]:
    if simulated.low is None or simulated.high is None:
        return "underpowered"
    if simulated.high - simulated.low > finding.margin:
        return "underpowered"
    inside = (
        finding.theory - finding.margin <= simulated.low
        and simulated.high <= finding.theory + finding.margin
    )
    return "ok" if inside else "differs"
