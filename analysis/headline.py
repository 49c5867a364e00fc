"""The first sentences of a verdict: what a record shows, in the terms of its own question.

Where credentials were stolen that is how long they stay usable; elsewhere what the issuer, its
faults and its keys did to the fleet.
"""

from collections.abc import Collection, Iterator, Sequence

from analysis import recovery, terse, words
from analysis.estimators import difference, ratio
from analysis.summary import Summary
from scenarios.record.estimate import Estimate

_OF_THE_FLEET = {
    "auth_failures_per_agent_day": 0.0,
    "expired_s_per_agent_day": 1.0,
    "time_to_first_credential_s": 0.0,
    "refusals_per_s": 0.0,
    "queue_wait_mean_s": 1e-3,
    "peak_issuances_per_s": 0.0,
    "issuances_per_s": 0.0,
}
"""what a record without thefts is about, in order of weight, told where it is more than this"""
MOST_METRICS = 3
"""that a headline names"""


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


def of_several(summary: Summary, base: str, others: Sequence[str]) -> tuple[str, str | None]:
    """Return what several regimes do, and the one that limits a theft most where there is one."""
    name = summary.exposure_name
    found = {regime: of.metrics.get(name) for regime, of in summary.regimes.items()}
    known = {r: e for r, e in found.items() if e is not None and e.value is not None}
    within = words.duration(summary.within_s)
    if len(known) < 2:
        nothing = "" if summary.thefts else "Nothing was stolen. "
        return f"{nothing}{_of_the_fleet(summary)}", None
    shorter = [r for r in others if resolved(found.get(r), found[base]) == -1]
    if not shorter:
        if base not in known:
            return "This record holds too few thefts to compare the regimes.", None
        return (
            f"Not decided: no regime ends a thief's use of a stolen credential sooner than {base} "
            "beyond the intervals of this record."
        ), None
    best = min(shorter, key=lambda regime: known[regime].value or 0.0)
    tied = [r for r in shorter if r != best and resolved(known[r], known[best]) == 0]
    also = f" {words.listing(tied)} cannot be told from it." if tied else ""
    return (
        f"{best} limits a theft most: a copied credential stays usable for "
        f"{words.brief(known[best])} on average instead of {words.brief(known[base])} under "
        f"{base}, counting the first {within}{_times(known[base], known[best])}.{also}"
    ), best


def _times(more: Estimate, less: Estimate) -> str:
    factor = ratio(more, less)
    if factor.value is None:
        return ""
    plain = Estimate(factor.value, factor.low, factor.high, factor.n, "")
    return f": {words.brief(plain)} times shorter"


def of_one(summary: Summary) -> str:
    """Return what a record of a single regime shows, there being nothing to compare it with."""
    if not summary.regimes:
        return "This record holds no regime."
    name = next(iter(summary.regimes))
    return f"{name} alone, so nothing is compared. {_of_the_fleet(summary)}"


def _of_the_fleet(summary: Summary) -> str:
    """Return the metrics of most weight that say anything but zero, each under every regime."""
    told: list[str] = []
    for metric in _leaders(summary):
        found = {r: of.metrics[metric] for r, of in summary.regimes.items() if metric in of.metrics}
        if not _worth_telling(metric, found.values()):
            continue
        tell = recovery.said if metric.endswith(recovery.SHARE) else words.cell
        alone = len(summary.regimes) == 1
        each = [tell(e) if alone else f"{r} {tell(e)}" for r, e in found.items()]
        told.append(f"{terse.title(metric, summary)}: {'; '.join(each)}.")
        if len(told) == MOST_METRICS:
            break
    return " ".join(told) or "This record holds too few thefts to compare the regimes."


def _worth_telling(metric: str, found: Collection[Estimate]) -> bool:
    if metric.endswith(recovery.SHARE):
        return any(recovery.verdict(share) != "not resolved" for share in found)
    least = _OF_THE_FLEET.get(metric, 0.0)
    return any(e.infinite or (e.value is not None and e.value > least) for e in found)


def _leaders(summary: Summary) -> Iterator[str]:
    metrics = dict.fromkeys(name for of in summary.regimes.values() for name in of.metrics)
    for kind in ("exposure", "agent_key", "issuer_key"):
        yield summary.exposure_name.replace("exposure", kind)
    yield from (name for name in metrics if name.endswith(recovery.SHARE))
    yield from _OF_THE_FLEET
