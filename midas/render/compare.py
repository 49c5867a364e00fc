"""A comparison for a terminal, and the document that ``--json`` promises."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midas.output import heading
from midas.render.estimate import cells, unit_for

if TYPE_CHECKING:
    from rich.console import RenderableType

    from analysis.paired import Comparison, Row


def document(comparison: "Comparison", path: Path, figure: Path) -> dict[str, Any]:
    """Return a comparison as ``midas compare --json`` prints it."""
    return {
        "run_id": path.name,
        "path": str(path),
        "figure": str(figure),
        "baseline": comparison.baseline,
        "replications": comparison.replications,
        "within_s": comparison.within_s,
        "metrics": {
            name: {
                "title": row.title,
                "better": {-1: "less", 0: "neither", 1: "more"}[row.better],
                "values": row.values,
                "differences": row.differences,
                "verdicts": row.verdicts,
            }
            for name, row in comparison.rows.items()
        },
    }


def lines(comparison: "Comparison", figure: Path) -> Iterator["RenderableType"]:
    """Return a comparison for a terminal: each metric, then each regime against the baseline."""
    for row in comparison.rows.values():
        yield from _row(row, comparison)
    yield (
        f"\n{comparison.replications} replications with common random numbers; "
        "95 % intervals of the differences within a replication."
    )
    yield f"Figure: {figure}"


def _row(row: "Row", comparison: "Comparison") -> Iterator["RenderableType"]:
    size, unit = unit_for([*row.values.values(), *row.differences.values()])
    yield heading(f"{row.title}, {unit}" if unit else row.title)
    baseline, _, _ = cells(row.values[comparison.baseline], size)
    yield f"  {comparison.baseline:<22}{baseline:>14}"
    for name, found in row.differences.items():
        value, _, _ = cells(row.values[name], size)
        change, interval, _ = cells(found, size)
        if found.infinite:
            change, interval = "", ""
        elif found.value is not None and found.value > 0:
            change = f"+{change}"
        yield f"  {name:<22}{value:>14}  {change:>12} {interval:<20} {row.verdicts[name]}"
