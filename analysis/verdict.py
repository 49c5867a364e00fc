"""What a record says in plain words, each sentence decided by intervals and by nothing else.

A difference between two regimes is *resolved* when the interval of their difference leaves zero
out (``estimators.difference``). What is not resolved is said to be so; nothing is said twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis import words
from analysis.estimators import difference, ratio
from analysis.metrics import METRICS, Metric
from analysis.summary import Summary
from analysis.thefts import as_expected, outcome
from scenarios.record.estimate import Estimate


@dataclass(slots=True)
class Verdict:
    """A headline and the sentences behind it, each list in order of weight."""

    headline: str
    gains: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)
    cannot_say: list[str] = field(default_factory=list)


def verdict(simulated: Summary | None, measured: Summary | None) -> Verdict:
    """Return what the two records, either of which may be missing, allow to be said."""
    if simulated is None:
        said = Verdict(_measured_headline(measured))
    else:
        said = _compare(simulated)
        said.cannot_say += _limits(simulated)
    if measured is None:
        said.cannot_say.append("Nothing was measured: every number here is simulated.")
    else:
        said.measured += _measured(measured)
        said.cannot_say += _hidden(measured)
    said.cannot_say.append("No money: costs and losses are not part of these records.")
    return said


def baseline(summary: Summary) -> str | None:
    """Return the regime that others are held against: the first without end, else the first."""
    names = list(summary.regimes)
    for regime in summary.manifest.scenario.get("regimes", ()):
        if regime["name"] in names and regime.get("ttl_s") == "never":
            return str(regime["name"])
    return names[0] if names else None


def resolved(a: Estimate | None, b: Estimate | None) -> int | None:
    """Return the sign of a − b if its interval leaves zero out, 0 if not, None if unknown.

    A value without end is more than any other.
    """
    if a is None or b is None:
        return None
    if a.infinite or b.infinite:
        return int(a.infinite) - int(b.infinite)
    apart = difference(a, b)
    if apart.value is None or apart.low is None or apart.high is None:
        return None
    return 1 if apart.low > 0 else -1 if apart.high < 0 else 0


# --- regimes against each other -------------------------------------------------------------------


def _compare(summary: Summary) -> Verdict:
    base = baseline(summary)
    others = [name for name in summary.regimes if name != base]
    if base is None or not others:
        return Verdict("One regime alone: this record has nothing to compare it with.")
    said = Verdict(_headline(summary, base, others))
    _security(summary, base, others, said)
    for metric in METRICS:
        if metric.better:
            _operational(summary, base, others, metric, said)
    if not said.losses:
        said.losses.append(
            f"Nothing that this record counts is worse than under {base} beyond its interval."
        )
    return said


def _headline(summary: Summary, base: str, others: Sequence[str]) -> str:
    name = summary.exposure_name
    found = {regime: of.metrics.get(name) for regime, of in summary.regimes.items()}
    known = {r: e for r, e in found.items() if e is not None and e.value is not None}
    within = words.duration(summary.pooled.time_to_detection.within_s)
    shorter = [r for r in others if resolved(found.get(r), found[base]) == -1]
    if not shorter:
        if base not in known or len(known) < 2:
            return "This record holds too few thefts to compare the regimes."
        return (
            f"Not decided: no regime ends a thief's use of a stolen credential sooner than {base} "
            "beyond the intervals of this record."
        )
    best = min(shorter, key=lambda regime: known[regime].value or 0.0)
    tied = [r for r in shorter if r != best and resolved(known[r], known[best]) == 0]
    also = f" {words.listing(tied)} cannot be told from it." if tied else ""
    return (
        f"{best} limits a theft most: a copied credential stays usable for "
        f"{words.brief(known[best])} on average instead of {words.brief(known[base])} under "
        f"{base}, counting the first {within}{_times(known[base], known[best])}.{also}"
    )


def _times(more: Estimate, less: Estimate) -> str:
    factor = ratio(more, less)
    return "" if factor.value is None else f": {_factor(factor)} times shorter"


def _factor(factor: Estimate) -> str:
    return words.brief(Estimate(factor.value, factor.low, factor.high, factor.n, ""))


def _security(summary: Summary, base: str, others: Sequence[str], said: Verdict) -> None:
    _residual(summary, base, others, said)
    _detection(summary, base, others, said)
    foothold = summary.exposure_name.replace("exposure", "foothold")
    for name, title in (
        ("permissions_per_theft", "Permissions that one theft opens"),
        (foothold, "A thief who lives in the workload keeps his access"),
    ):
        metric = Metric(name, "", lambda _: 0.0, title, -1)
        _operational(summary, base, others, metric, said)


def _residual(summary: Summary, base: str, others: Sequence[str], said: Verdict) -> None:
    name = "residual_validity_s"
    ours = summary.regimes[base].metrics.get(name)
    shorter = [r for r in others if resolved(summary.regimes[r].metrics.get(name), ours) == -1]
    if ours is not None and shorter:
        lives = [f"{words.brief(summary.regimes[r].metrics[name])} under {r}" for r in shorter]
        said.gains.append(
            f"Life left in a credential stolen at a random instant: {words.listing(lives)}, "
            f"{words.brief(ours)} under {base}."
        )


def _detection(summary: Summary, base: str, others: Sequence[str], said: Verdict) -> None:
    """Add what becomes of detection while the credential can still be used, and after."""
    ours = summary.regimes[base].time_to_detection.detected_share
    by_sign: dict[int, list[str]] = {}
    for regime in others:
        theirs = summary.regimes[regime].time_to_detection
        sign = resolved(theirs.detected_share, ours)
        text = f"{words.brief(theirs.detected_share)} under {regime}"
        if sign == -1:
            expired = words.value(_share(theirs.competing["expired"][-1][1]))
            late = words.value(theirs.late_share)
            text += f" ({expired} expire first, an alert comes later for {late})"
        if sign is not None:
            by_sign.setdefault(sign, []).append(text)
    for sign, regimes in by_sign.items():
        text = (
            f"Thefts detected while the copy is still usable: {words.listing(regimes)}, "
            f"{words.brief(ours)} under {base}"
        )
        if sign == 0:
            said.unresolved.append(f"{text}: not resolved.")
        else:
            (said.gains if sign == 1 else said.losses).append(f"{text}.")


def _share(value: float) -> Estimate:
    return Estimate(value, None, None, 0, "1")


def _operational(
    summary: Summary, base: str, others: Sequence[str], metric: Metric, said: Verdict
) -> None:
    """Add one sentence for each way in which a metric's differences came out."""
    ours = summary.regimes[base].metrics.get(metric.name)
    if ours is None:
        return
    by_sign: dict[int, list[str]] = {}
    for regime in others:
        theirs = summary.regimes[regime].metrics.get(metric.name)
        sign = resolved(theirs, ours)
        if theirs is None or sign is None:
            continue
        if sign or theirs.value != ours.value:  # zero against zero is no open question
            by_sign.setdefault(sign, []).append(f"{words.cell(theirs)} under {regime}")
    for sign, regimes in by_sign.items():
        text = f"{metric.title}: {words.listing(regimes)}, {words.cell(ours)} under {base}"
        if sign == 0:
            said.unresolved.append(f"{text}: not resolved.")
        else:
            (said.gains if sign == metric.better else said.losses).append(f"{text}.")


# --- what was measured ----------------------------------------------------------------------------


def _measured_headline(measured: Summary | None) -> str:
    if measured is None:
        return "There is no record to report on."
    if not measured.manifest.valid:
        return f"The measured run is not valid: {measured.manifest.reason}."
    right, wrong, _ = _expected(measured)
    return (
        f"One target was measured: {right} of {right + wrong} thefts came out as designed. "
        "Which regime is better needs a simulated record beside it."
    )


def _expected(measured: Summary) -> tuple[int, int, list[str]]:
    judged = [(theft, as_expected(theft)) for theft in measured.thefts]
    wrong = [
        f"{theft.persona} was expected to end as {theft.expected} and ended as {outcome(theft)}"
        for theft, right in judged
        if right is False
    ]
    return sum(right is True for _, right in judged), len(wrong), wrong


def _measured(measured: Summary) -> list[str]:
    manifest = measured.manifest
    said: list[str] = []
    if not manifest.valid:
        said.append(f"The run is not valid ({manifest.reason}): use none of its latencies.")
    for op, of in measured.pooled.operations.items():
        p99 = of.percentiles.get("p99_s")
        errors = sum(of.errors.values())
        answered = f"p99 {words.brief(p99)}" if p99 is not None else "no answer"
        if p99 is not None and p99.low is None:
            answered += " (too few for an interval)"
        said.append(f"{op}: {of.sent:,} sent, {errors:,} errors, {answered}.")
    right, wrong, how = _expected(measured)
    if right + wrong:
        said.append(f"{right} of {right + wrong} thefts came out as designed.")
        said += [f"{text}." for text in how]
    latency = measured.pooled.metrics.get("detector_latency_s")
    if latency is not None and latency.value is not None:
        said.append(f"From the event to the alert it took {words.full(latency)}, median.")
    return said


# --- what the records cannot say ------------------------------------------------------------------


def _limits(summary: Summary) -> list[str]:
    manifest = summary.manifest
    said: list[str] = []
    if manifest.sources:
        said.append(
            f"Intervals cover sampling only. {len(set(manifest.sources.values()))} inputs come "
            "from the world and are known to a range (see the assumptions); the verdict is for "
            "their central values."
        )
    put = sum(theft.injected for theft in summary.thefts)
    before = sum(theft.stolen_s < 0 for theft in summary.thefts if not theft.injected)
    rest = len(summary.thefts) - put - before
    said.append(
        f"How often credentials are stolen is an input, not a result: of {len(summary.thefts):,} "
        f"thefts {put:,} were put there to see what follows, {before:,} were open when the runs "
        f"began and {rest:,} happened by themselves."
    )
    if manifest.replications == 1:
        said.append("One replication: most differences between regimes have no interval.")
    if not manifest.complete:
        said.append("The run was interrupted: what is shown is the part that had finished.")
    return said + _hidden(summary)


def _hidden(summary: Summary) -> list[str]:
    return [
        f"{what} could not be observed by {summary.manifest.engine}: {why}."
        for what, why in summary.manifest.not_observable.items()
    ]
