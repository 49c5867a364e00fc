"""What validation found, a line a check."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from midas.output import table
from midas.render.estimate import cells

if TYPE_CHECKING:
    from rich.console import RenderableType

    from simulator.validate import Validation


def lines(checks: "Sequence[Validation]") -> Iterator["RenderableType"]:
    """Return simulated interval, theory, margin and verdict of each check."""
    rows = []
    for check in checks:
        value, interval, _ = cells(check.simulated)
        simulated = f"{value} {interval}"
        theory, margin = f"{check.theory:.5g}", f"{check.margin:.3g}"
        rows.append((check.quantity, simulated, theory, margin, check.verdict))
    columns = ("quantity", "simulated", "theory", "margin", "verdict")
    yield table(columns, rows, right=("theory", "margin"), wrap=("quantity", "simulated"))
    good = sum(check.ok for check in checks)
    populations = ", ".join(dict.fromkeys(check.population for check in checks))
    yield f"\n{good} of {len(checks)} ok ({populations}); margins in words: --json"
