"""What validation found, two lines a check."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from midas.output import heading
from midas.render.estimate import cells

if TYPE_CHECKING:
    from rich.console import RenderableType

    from simulator.validate import Validation


def lines(checks: "Sequence[Validation]") -> Iterator["RenderableType"]:
    """Return simulated interval, theory, margin and verdict of each check."""
    for check in checks:
        unit = "" if check.simulated.unit in {"", "1"} else f" {check.simulated.unit}"
        value, interval, n = cells(check.simulated)
        yield heading(f"{check.verdict}: {check.quantity}")
        found = f"simulated {value} {interval}{unit}, n = {n}"
        yield f"    {found}; theory {check.theory:.5g} ± {check.margin:.3g}"
    good = sum(check.ok for check in checks)
    populations = ", ".join(dict.fromkeys(check.population for check in checks))
    level = checks[0].simulated.level if checks else 0.0
    yield f"\n{good} of {len(checks)} ok ({populations}); intervals at {100 * level:.2f} %, so that"
    yield "a right simulator fails the whole suite once in a hundred. Margins in words: --json"
