"""The first page's table: a few numbers for each regime, each held against the baseline."""

from dataclasses import dataclass

from analysis import words
from analysis.headline import baseline, resolved
from analysis.metrics import METRICS
from analysis.questions import estimate
from analysis.summary import Summary
from scenarios.record.estimate import Estimate

BETTER, WORSE, OPEN, BASE, UNKNOWN = "better", "worse", "not resolved", "", "unknown"


@dataclass(frozen=True, slots=True)
class Cell:
    """One number, its interval, and how it stands to the baseline's."""

    value: str
    interval: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Glance:
    """Regimes down, numbers across."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]
    """regime, what it is in words, its numbers"""
    baseline: str


def glance(summary: Summary) -> Glance:
    """Return the numbers that a reader of one page needs."""
    base = baseline(summary) or ""
    within = words.duration(summary.within_s)
    wanted = [
        (f"copy usable, of the first {within}", summary.exposure_name, -1),
        ("life left when stolen", "residual_validity_s", -1),
        ("detected while usable", "detected_share", 1),
        ("failed authentications per agent and day", "auth_failures_per_agent_day", -1),
        ("busiest second, issued", "peak_issuances_per_s", -1),
    ]
    regimes = summary.manifest.scenario.get("regimes", ())
    titles = {regime["name"]: str(regime.get("title", "")) for regime in regimes}
    rows = []
    for name in summary.regimes:
        cells = []
        for _, metric, better in wanted:
            ours = None if name == base else estimate(summary, base, metric)
            cells.append(_cell(estimate(summary, name, metric), ours, better))
        rows.append((name, titles.get(name, ""), tuple(cells)))
    return Glance(tuple(title for title, _, _ in wanted), tuple(rows), base)


def _cell(of: Estimate | None, base: Estimate | None, better: int) -> Cell:
    if of is None or (of.value is None and not of.infinite):
        return Cell("–", "", UNKNOWN)
    plain = {metric.unit for metric in METRICS} - {"s", "1"}
    shown = Estimate(of.value, of.low, of.high, of.n, "" if of.unit in plain else of.unit)
    value = words.WITHOUT_END if of.infinite else words.value(shown)
    verdict = BASE if base is None else _verdict(resolved(of, base), better)
    return Cell(value, words.interval(shown), verdict)


def _verdict(sign: int | None, better: int) -> str:
    if sign is None:
        return UNKNOWN
    return OPEN if sign == 0 else BETTER if sign == better else WORSE
