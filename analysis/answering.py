"""How long it takes to answer "who touched what between t1 and t2" from a regime's log.

A question is about n lines of a window W of the log. Finding them is reading the window, at r
seconds a line: machine time. What a line does not say is people's time. A line that leaves c
(workload, task) pairs possible is settled by looking into them one after the other, each as likely;
the last one needs no look. That takes (c − 1)(c + 2)/(2c) looks in the mean. A line that names a
secret instead of a workload needs one more, for who held it. Each look takes a person v.

    T = r·W·a + n·v·ē,   a the fleet's accesses per second, ē the looks a line, mean over classes

r is measured (``midas bench service``); W, n and v are assumptions of ``sources.toml``. The ranges
of all four are carried into the interval of every estimate here.
"""

from collections.abc import Mapping
from math import exp, log, sqrt
from typing import Any, Final

from scenarios.record.estimate import Estimate
from scenarios.spec.sources import factor_to_key, sources

READ, WINDOW, LINES, LOOK = (
    "audit.read_line",
    "audit.question_window",
    "audit.question_lines",
    "audit.look",
)
SOURCES: Final = (READ, WINDOW, LINES, LOOK)
GIVENS: Final = ("looks_per_line", "wrong_guess_share")
"""what ``givens`` returns"""
TIME, SHARE = "time_to_answer_s", "misattributed_share"


def looks(candidates: int) -> float:
    """Return how many of ``c`` equally likely candidates are looked into in the mean.

    Candidate i is looked into i-th, and the last is found by exclusion: Σ i/c over i = 1 … c − 1,
    and (c − 1)/c for the last, which is (c − 1)(c + 2)/(2c).
    """
    return (candidates - 1) * (candidates + 2) / (2 * candidates)


def candidates(regime: Mapping[str, Any], workload: Mapping[str, Any]) -> int:
    """Return how many (workload, task) pairs a line of a class leaves possible under a regime.

    Holders of the same document times, where the line does not name it, tasks of the class.
    """
    on_node = regime.get("shared_on_node", False)
    holders = workload.get("agents_per_node", 1) if on_node else regime.get("shared_by", 1)
    tasks = 1 if names_task(regime) else len(workload.get("tasks", ()))
    return int(max(1, min(holders, workload["count"])) * max(1, tasks))


def names_task(regime: Mapping[str, Any]) -> bool:
    """Return whether a line names the task."""
    return regime.get("attribution") in ("task", "delegation")


def givens(scenario: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return what a regime's lines leave open: ``looks_per_line`` and ``wrong_guess_share``.

    The latter is E[1 − 1/c]: how often a guess among the candidates is wrong. Classes weigh as
    their declared accesses. Nothing where the scenario does not tell.
    """
    regime = next((r for r in scenario.get("regimes", ()) if r.get("name") == name), None)
    if regime is None or "attribution" not in regime:
        return {}
    secret = regime["attribution"] == "secret"
    total = looked = wrong = 0.0
    for workload in scenario.get("workloads", ()):
        weight = workload["count"] * sum(task["rate_hz"] for task in workload.get("tasks", ()))
        number = candidates(regime, workload)
        total += weight
        looked += weight * (looks(number) + secret)
        wrong += weight * (1 - 1 / number)
    if total == 0.0:
        return {}
    return {"looks_per_line": looked / total, "wrong_guess_share": wrong / total}


def machine_s(counts: Mapping[str, float]) -> float:
    """Return the time to read the window; raises KeyError for a missing count."""
    rate = counts["accesses"] / counts["horizon_s"]
    return _value(READ) * _value(WINDOW) * rate


def people_s(looks_per_line: float) -> float:
    """Return people's time for the lines of one question."""
    return _value(LINES) * _value(LOOK) * looks_per_line


def time_to_answer_s(counts: Mapping[str, float]) -> float:
    """Return T of one replication; raises KeyError where a record does not tell."""
    return people_s(counts["looks_per_line"]) + machine_s(counts)


def _value(key: str) -> float:
    """Return a source in seconds, or as the number that it is."""
    source = sources()[key]
    return source.value * (factor_to_key(source.unit, "_s") or 1.0)


def widened(of: Estimate, machine: float, people: float) -> Estimate:
    """Return an estimate of T, or of a difference of two, with the ranges of its parameters.

    Each part is a product of parameters whose ranges are read as 95 %, log-normal on either side of
    the value, so the factors of a product add in quadrature; the two parts and the sampling error
    are combined by MOVER (Zou and Donner 2008).

    Args:
        of: with the interval of sampling alone.
        machine: the part of its value that is reading the window, signed.
        people: the part that is people's time, signed.
    """
    if of.value is None:
        return of
    below = above = 0.0
    if of.low is not None and of.high is not None:
        below, above = (of.value - of.low) ** 2, (of.high - of.value) ** 2
    for part, keys in ((machine, (READ, WINDOW)), (people, (LINES, LOOK))):
        ends = sorted(part * factor for factor in _factors(keys))
        below += (part - ends[0]) ** 2
        above += (ends[1] - part) ** 2
    low, high = of.value - sqrt(below), of.value + sqrt(above)
    return Estimate(of.value, low, high, of.n, of.unit, covers="sampling+parameters")


def _factors(keys: tuple[str, ...]) -> tuple[float, float]:
    """Return the ends of a product's range, as factors on its value."""
    rows = [sources()[key] for key in keys]
    down = sqrt(sum(log(row.value / row.low) ** 2 for row in rows))
    up = sqrt(sum(log(row.high / row.value) ** 2 for row in rows))
    return exp(-down), exp(up)
