"""Benchmarks: the machine, the cases, and the ratios, which are all that may be quoted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from midas.output import heading, table
from midas.provenance import machine

if TYPE_CHECKING:
    from rich.console import RenderableType


class Case(Protocol):
    """One tool, one metric; ``value`` is the median of ``runs``."""

    name: str
    tool: str
    metric: str
    value: float | None
    unit: str
    runs: list[float]


class Ratio(Protocol):
    """Ours over theirs; ``low`` and ``high`` are its ends."""

    value: float | None
    low: float | None
    high: float | None


class Table(Protocol):
    """What every benchmark returns."""

    @property
    def cases(self) -> Sequence[Case]:
        """Return what was measured."""
        ...

    @property
    def ratios(self) -> Mapping[str, Ratio]:
        """Return ratios by name."""
        ...

    @property
    def missing(self) -> Sequence[str]:
        """Return the tools that are not installed, each with how to get it."""
        ...


def document(of: Table) -> dict[str, Any]:
    """Return what ``midas bench … --json`` prints."""
    return {
        "machine": machine(),
        "cases": of.cases,
        "ratios": of.ratios,
        "missing": of.missing,
    }


def lines(of: Table) -> Iterator["RenderableType"]:
    """Return cases and ratios for a terminal."""
    cases = [(c.name, c.tool, c.metric, _number(c.value), c.unit) for c in of.cases]
    columns = ("case", "tool", "metric", "median", "unit")
    yield table(columns, cases, right=("median",), wrap=("tool", "metric"))
    yield ""
    yield heading("Ratios (median, and the extremes of the rounds)")
    for name, ratio in of.ratios.items():
        ends = f"[{_number(ratio.low)}, {_number(ratio.high)}]"
        yield f"  {name:<28}{_number(ratio.value):>12}  {ends}"
    yield from (f"Missing: {text}" for text in of.missing)
    yield "\n" + "; ".join(f"{key} {value}" for key, value in machine().items())


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
