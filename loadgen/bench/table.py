"""What a benchmark returns: cases that were measured in one run, and ratios between them.

Absolute rates belong to the machine and the hour; only the ratios may be quoted.
"""

from collections.abc import Sequence
from statistics import median

import msgspec


class Case(msgspec.Struct, frozen=True):
    """One tool, one metric; ``value`` is the median of ``runs``."""

    name: str
    tool: str
    metric: str
    value: float | None
    unit: str
    runs: list[float]
    note: str = ""


class Ratio(msgspec.Struct, frozen=True):
    """Ours over theirs, or a figure of ours; ``low``, ``high`` are the extremes of the rounds."""

    value: float | None
    low: float | None
    high: float | None


class BenchTable(msgspec.Struct, frozen=True):
    """The result of ``midas bench …``; the caller adds the machine."""

    cases: list[Case]
    ratios: dict[str, Ratio]
    missing: list[str]
    """tools that are not installed, each with how to get it; their cases are absent"""


def case(
    name: str, tool: str, metric: str, unit: str, runs: Sequence[float], note: str = ""
) -> Case:
    """Return a case from its runs, ``value`` None when there are none."""
    return Case(name, tool, metric, median(runs) if runs else None, unit, list(runs), note)


def ratio(rounds: Sequence[float]) -> Ratio:
    """Return the median of the rounds with their extremes, all None when there are none."""
    if not rounds:
        return Ratio(None, None, None)
    return Ratio(median(rounds), min(rounds), max(rounds))
