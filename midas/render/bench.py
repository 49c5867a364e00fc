"""Benchmarks: the machine, the cases, and the ratios, which are all that may be quoted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from midas.output import heading, table
from midas.provenance import machine

if TYPE_CHECKING:
    from rich.console import RenderableType

    from midas.baseline import Comparison


class Table(Protocol):
    """What every benchmark returns: each room has its own type of this shape."""

    @property
    def cases(self) -> Sequence[Any]:
        """Return cases: name, tool, metric, value (the median of runs), unit, runs."""
        ...

    @property
    def ratios(self) -> Mapping[str, Any]:
        """Return ratios by name, each with value, low and high."""
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


def comparison(held: "Comparison | None") -> Iterator["RenderableType"]:
    """Return what became of each ratio of a stored bench, nothing where there is none."""
    if held is None:
        return
    yield ""
    yield heading("Ratios over those of the baseline (1 is no change)")
    for name, change in held.changes.items():
        ends = f"[{_number(change.low)}, {_number(change.high)}]"
        verdict = "  worse" if name in held.worse else ""
        yield f"  {name:<28}{_number(change.value):>12}  {ends}{verdict}"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
