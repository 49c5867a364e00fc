"""What a record says in plain words, each sentence decided by intervals and by nothing else.

A difference between two regimes is *resolved* when the interval of their difference leaves zero
out (``estimators.difference``), judged as if the regimes were independent: under common random
numbers that is on the safe side (``paired.py`` is sharper). What is not resolved is said to be so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis import words
from analysis.headline import baseline, of_one, of_several, resolved
from analysis.questions import QUESTIONS, Question, estimate, title
from analysis.split import Splits
from analysis.summary import Summary
from analysis.thefts import as_expected, outcome
from scenarios.record.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim in plain words, and the numbers that it stands on."""

    claim: str
    evidence: str

    def __str__(self) -> str:
        """Return both as one sentence."""
        return f"{self.claim}. {self.evidence}" if self.claim else self.evidence


@dataclass(slots=True)
class Verdict:
    """A headline and the findings behind it, each list in order of weight."""

    headline: str
    gains: list[Finding] = field(default_factory=list)
    losses: list[Finding] = field(default_factory=list)
    unresolved: list[Finding] = field(default_factory=list)
    measured: list[Finding] = field(default_factory=list)
    cannot_say: list[Finding] = field(default_factory=list)
    comparisons: int = 0
    """differences that were judged, each at 95 %"""


def verdict(simulated: Summary | None, measured: Summary | None) -> Verdict:
    """Return what the two records, either of which may be missing, allow to be said."""
    if simulated is None:
        said = Verdict(_measured_headline(measured))
    else:
        said = _compare(simulated)
        said.cannot_say += _limits(simulated)
    if measured is None:
        said.cannot_say.append(Finding("Nothing was measured", "Every number here is simulated."))
    else:
        said.measured += _measured(measured)
        said.cannot_say += _hidden(measured)
    said.cannot_say.append(
        Finding("Whether it pays", "Costs and losses in money are not part of these records.")
    )
    return said


# --- regimes against each other -------------------------------------------------------------------


def _compare(summary: Summary) -> Verdict:
    base = baseline(summary)
    others = [name for name in summary.regimes if name != base]
    if base is None or not others:
        return Verdict(of_one(summary))
    headline, best = of_several(summary, base, others)
    said = Verdict(headline)
    prices = [
        question.loss
        for question in QUESTIONS
        if best in _ask(summary, base, others, question, said)
    ]
    if best is not None:
        said.headline += _price(prices)
    if not said.losses:
        said.losses.append(
            Finding("Nothing that this record counts", f"is worse than under {base} beyond doubt.")
        )
    return said


def _price(losses: Sequence[str]) -> str:
    """Return what the best regime is paid with, in the words of its losses."""
    if not losses:
        return " No price of it was seen in this record."
    return f" The price: {'; '.join(loss[0].lower() + loss[1:] for loss in losses)}."


def _ask(
    summary: Summary, base: str, others: Sequence[str], question: Question, said: Verdict
) -> list[str]:
    """Add one finding for each way in which the answers came out; return the regimes that lose."""
    losing: list[str] = []
    ours = estimate(summary, base, question.metric)
    if ours is None:
        return losing
    by_sign: dict[int, list[str]] = {}
    for regime in others:
        theirs = estimate(summary, regime, question.metric)
        sign = resolved(theirs, ours)
        if theirs is None or sign is None:
            continue
        said.comparisons += 1
        if abs((theirs.value or 0.0) - (ours.value or 0.0)) < question.least:
            sign = 0
        if sign == -question.better:
            losing.append(regime)
        if sign or theirs.value != ours.value:  # zero against zero is no open question
            text = f"{regime} {words.cell(theirs)}{_aside(summary, regime, question, sign)}"
            by_sign.setdefault(sign, []).append(text)
    for sign, regimes in by_sign.items():
        about = title(summary, question.metric)
        evidence = f"{about}: {'; '.join(regimes)}; {base} {words.cell(ours)}"
        if sign == 0:
            said.unresolved.append(Finding("", evidence))
        elif sign == question.better:
            said.gains.append(Finding(question.gain, evidence))
        else:
            said.losses.append(Finding(question.loss, evidence))
    return losing


def _aside(summary: Summary, regime: str, question: Question, sign: int) -> str:
    """Return what became of thefts that were not detected in time."""
    if question.metric != "detected_share" or sign != -1:
        return ""
    of = summary.regimes[regime].time_to_detection
    expired = Estimate(of.competing["expired"][-1][1], None, None, 0, "1")
    return (
        f", {words.value(expired)} expire first, an alert comes later for "
        f"{words.value(of.late_share)}"
    )


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
        f"{theft.persona}: expected {theft.expected}, became {outcome(theft)}"
        for theft, right in judged
        if right is False
    ]
    return sum(right is True for _, right in judged), len(wrong), wrong


def _measured(measured: Summary) -> list[Finding]:
    manifest = measured.manifest
    said: list[Finding] = []
    if not manifest.valid:
        claim = "The run is not valid: use none of its latencies"
        said.append(Finding(claim, f"{manifest.reason}."))
    for op, of in measured.labelled_operations().items():
        p99 = of.percentiles.get("p99_s")
        claim = f"{op}: no answer" if p99 is None else f"{op}: p99 {words.brief(p99)}"
        without = (
            " no interval: too few for batches;" if p99 is not None and p99.low is None else ""
        )
        errors = f"{of.sent:,} sent, {sum(of.errors.values()):,} without success"
        said.append(Finding(claim, f"From the intended start;{without} {errors}."))
    right, wrong, how = _expected(measured)
    if right + wrong:
        detail = "; ".join(how) or "Each reached the outcome for which it was made"
        said.append(
            Finding(f"{right} of {right + wrong} thefts came out as designed", f"{detail}.")
        )
    if measured.splits is not None and measured.splits.measured_s.value is not None:
        said.append(_split(measured.splits))
    return said


def _split(of: Splits) -> Finding:
    """Tell what of the time to detection was measured and what was not."""
    evidence = (
        f"Median, {words.full(of.measured_s)}. The thief's own delay before that event, median "
        f"{words.value(of.assumed_s)}, is assumed"
    )
    if of.revoked_s.value is not None:
        evidence += f"; from the alert to the first refusal {words.full(of.revoked_s)}"
    if of.added_floor_s is not None:
        evidence += (
            f"; a production log would add {words.duration(of.added_floor_s)} of delivery, an input"
        )
    return Finding(f"From the event to the alert: {words.value(of.measured_s)}", f"{evidence}.")


# --- what the records cannot say ------------------------------------------------------------------


def _limits(summary: Summary) -> list[Finding]:
    manifest = summary.manifest
    said: list[Finding] = []
    if manifest.sources:
        evidence = (
            f"Intervals cover sampling only. {len(set(manifest.sources.values()))} inputs come "
            "from the world and are known to a range (see the assumptions); this verdict is for "
            "their central values."
        )
        said.append(Finding("Whether it holds for other inputs", evidence))
    if not summary.thefts:
        said.append(Finding("What a thief can do", "Nothing was stolen in these runs."))
        return said + _circumstances(summary)
    put = sum(theft.injected for theft in summary.thefts)
    before = sum(theft.stolen_s < 0 for theft in summary.thefts if not theft.injected)
    rest = len(summary.thefts) - put - before
    evidence = (
        f"That is an input, not a result: of {len(summary.thefts):,} thefts {put:,} were put there "
        f"to see what follows, {before:,} were open when the runs began and {rest:,} happened by "
        "themselves."
    )
    said.append(Finding("How often credentials are stolen", evidence))
    return said + _circumstances(summary)


def _circumstances(summary: Summary) -> list[Finding]:
    manifest = summary.manifest
    said: list[Finding] = []
    if not manifest.scenario.get("faults"):
        evidence = (
            "Nothing broke in these runs. A credential that ends depends on an issuer that "
            "answers, a static key does not: this is where short lifetimes lose."
        )
        said.append(Finding("What an outage of the issuer costs", evidence))
    if manifest.replications == 1:
        evidence = "Most differences between regimes have no interval."
        said.append(Finding("Only one replication", evidence))
    if not manifest.complete:
        evidence = "What is shown is the part that had finished."
        said.append(Finding("The run was interrupted", evidence))
    return said + _hidden(summary)


def _hidden(summary: Summary) -> list[Finding]:
    manifest = summary.manifest
    if not manifest.not_observable:
        return []
    claim = f"What this {manifest.world} run could not see"
    reasons = dict.fromkeys(manifest.not_observable.values())
    return [Finding(claim, f"{_sentence('; '.join(reasons))} (details on the last page).")]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
