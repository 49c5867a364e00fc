"""The catalogue's times as a table and as a JSON document."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from midas.output import heading, table
from midas.provenance import machine

if TYPE_CHECKING:
    from rich.console import RenderableType

    from midas.catalog_bench import CatalogTable


def document(of: "CatalogTable") -> dict[str, Any]:
    """Return what ``midas bench catalog --json`` prints: also in the shape of every bench."""
    measures = (("wall", "wall_s", "s"), ("CPU", "cpu_s", "s"), ("peak memory", "peak_bytes", "B"))
    cases = [
        {
            "name": row.scenario,
            "tool": "midas simulate",
            "metric": metric,
            "value": getattr(row, key),
            "unit": unit,
            "runs": [getattr(row, key)],
        }
        for row in of.scenarios
        for metric, key, unit in measures
    ]
    over = {row.scenario: row.wall_s / row.bound_s for row in of.scenarios}
    ratios = {name: {"value": v, "low": v, "high": v} for name, v in over.items()}
    return {
        "machine": machine(),
        "kept": of.kept,
        "scenarios": of.scenarios,
        "cold": of.cold,
        "cases": cases,
        "ratios": ratios,
    }


def lines(of: "CatalogTable") -> Iterator["RenderableType"]:
    """Return the scenarios with what each took, for a terminal."""
    rows = [
        (
            row.scenario,
            f"{row.replications}",
            f"{row.wall_s:.1f}",
            f"{row.cpu_s:.1f}",
            f"{row.peak_bytes / 1e6:,.0f}",
            f"{row.others:.0%}",
            row.verdict,
        )
        for row in of.scenarios
    ]
    columns = ("scenario", "runs", "wall s", "CPU s", "peak MB", "others", "bound")
    yield table(columns, rows, right=columns[1:-1])
    yield ""
    bounds = sorted({row.bound_s for row in of.scenarios})
    yield heading(
        f"{sum(row.verdict == 'kept' for row in of.scenarios)} of {len(of.scenarios)} within "
        + " or ".join(f"{bound_s:.0f} s" for bound_s in bounds)
    )
    yield (
        "runs: of each regime; others: share of the processor that other processes had meanwhile; "
        "kernels were compiled before"
    )
    if of.cold is not None:
        cold = of.cold
        yield (
            f"Cold: {cold.scenario} takes {cold.wall_s:.1f} s with an empty kernel cache "
            f"({cold.compiled} kernels compiled), {cold.warm_wall_s:.1f} s after that"
        )
    yield "\n" + "; ".join(f"{key} {value}" for key, value in machine().items())
