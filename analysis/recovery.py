"""Whether a fleet recovers by itself from each fault of a simulated run, and what that costs it."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, Literal

from analysis import estimators, words
from analysis.part import Part
from scenarios.record.estimate import Estimate

SHARE: Final = "_recovered_share"
_PER_AGENT: Final = {
    "expired_agent_s": ("expired_s", "s"),
    "auth_failures": ("failures", "1/agent"),
}
_TITLES: Final = {
    SHARE: "the fleet recovers by itself",
    "_recovery_s": "from its end to recovery, mean",
    "_peak_backlog": "the issuer's unfinished requests, peak",
    "_attempts_per_issue": "requests for each credential until recovery",
    "_expired_s": "without a credential until recovery, per agent",
    "_failures": "failed authentications until recovery, per agent",
}

Recovers = Literal["recovers", "does not recover", "not resolved"]


def labels(scenario: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of each fault of a scenario by the prefix of its counts.

    The name is the kind, with a number where a kind occurs more than once.
    """
    faults = scenario.get("faults", ())
    of_kind, seen = Counter(fault["kind"] for fault in faults), Counter[str]()
    found = {"cold_start": "cold_start"}
    for number, fault in enumerate(faults):
        kind = fault["kind"]
        seen[kind] += 1
        which = f"_{seen[kind]}" if of_kind[kind] > 1 else ""
        found[f"fault_{number}"] = kind.replace("-", "_") + which
    return found


def estimates(part: Part, missing: dict[str, str]) -> dict[str, Estimate]:
    """Return what each fault did, by metric; nothing where none struck.

    Means of a strike, with Student's t over replications; the share of strikes recovered from with
    Wilson's interval. A recovery time is estimable where every strike was recovered from.
    """
    found: dict[str, Estimate] = {}
    for prefix, name in labels(part.manifest.scenario).items():
        struck = [c for c in part.replications() if c.get(f"{prefix}_windows", 0.0) > 0.0]
        if struck:
            found |= _of_fault(struck, prefix, name, missing)
    return found


def _of_fault(
    struck: list[dict[str, float]], prefix: str, name: str, missing: dict[str, str]
) -> dict[str, Estimate]:
    def means(count: str) -> list[float]:
        return [c[f"{prefix}_{count}"] / c[f"{prefix}_windows"] for c in struck]

    windows = round(sum(c[f"{prefix}_windows"] for c in struck))
    recovered = round(sum(c[f"{prefix}_recovered"] for c in struck))
    found = {
        name + SHARE: estimators.share(recovered, windows),
        f"{name}_recovery_s": Estimate(None, None, None, windows, "s"),
        f"{name}_peak_backlog": estimators.mean(means("peak_backlog"), "requests"),
        f"{name}_attempts_per_issue": Estimate(None, None, None, windows, "attempts"),
    }
    if recovered == windows:
        found[f"{name}_recovery_s"] = estimators.mean(means("recovery_s"), "s")
    else:
        why = f"{windows - recovered} of {windows} times the fleet had not recovered when the run "
        missing[f"{name}_recovery_s"] = f"{why}ended or the fault struck again"
    issued = [c[f"{prefix}_issued"] for c in struck]
    if all(issued):
        ratios = [c[f"{prefix}_requests"] / n for c, n in zip(struck, issued, strict=True)]
        found[f"{name}_attempts_per_issue"] = estimators.mean(ratios, "attempts")
    else:
        missing[f"{name}_attempts_per_issue"] = "nothing was issued until recovery"
    for count, (metric, unit) in _PER_AGENT.items():
        per_agent = [mean / c["agents"] for mean, c in zip(means(count), struck, strict=True)]
        found[f"{name}_{metric}"] = estimators.mean(per_agent, unit)
    return found


def verdict(share: Estimate) -> Recovers:
    """Return whether a fleet recovers by itself, decided by the interval of the share."""
    if share.low is not None and share.low > 0.5:
        return "recovers"
    if share.high is not None and share.high < 0.5:
        return "does not recover"
    return "not resolved"


def verdicts(scenario: Mapping[str, Any], metrics: Mapping[str, Estimate]) -> dict[str, Recovers]:
    """Return the verdict on each fault that struck, by its name."""
    named = labels(scenario).values()
    return {name: verdict(metrics[name + SHARE]) for name in named if name + SHARE in metrics}


def title(metric: str, scenario: Mapping[str, Any]) -> str | None:
    """Return a metric of ``estimates`` in words; None for any other."""
    for name in labels(scenario).values():
        if metric.startswith(name) and (told := _TITLES.get(metric.removeprefix(name))):
            return f"{name.replace('_', ' ').capitalize()}: {told}"
    return None


def said(share: Estimate) -> str:
    """Return the verdict with the share that it stands on."""
    return f"{verdict(share)}: {words.brief(share)}"
