"""Paired differences to a baseline regime, one small panel for each metric."""

from analysis import words
from analysis.figures.drawing import INK, MARKERS, MUTED, Drawing, canvas, colour, drawing
from analysis.paired import Comparison, Row


def differences(comparison: Comparison) -> Drawing:
    """Return a panel for each metric of which a difference is finite and not nothing."""
    shown = {name: row for name, row in comparison.rows.items() if _shows(row)}
    others = comparison.regimes[1:]
    panels = max(1, len(shown))
    with canvas(panels * (0.62 + 0.2 * len(others)), rows=panels) as (figure, axes):
        for ax, row in zip(axes, shown.values(), strict=False):
            ax.axvline(0.0, color=MUTED, lw=0.9)
            for place, name in enumerate(others, start=1):
                found = row.differences[name]
                if found.value is None:
                    note = "without end" if found.infinite else words.NOT_ESTIMABLE
                    ax.annotate(note, (0.0, place), fontsize=8, color=MUTED, va="center")
                    continue
                if found.low is not None and found.high is not None:
                    ax.plot([found.low, found.high], [place, place], color=colour(place), lw=2.5)
                ax.plot([found.value], [place], MARKERS[place % 8], color=colour(place), ms=6)
            ax.set_yticks(range(1, len(others) + 1), list(others))
            ax.tick_params(axis="y", length=0, labelcolor=INK)
            ax.set_ylim(len(others) + 0.6, 0.4)
            ax.set_title(f"{row.title} ({row.unit})", fontsize=9, loc="left")
            ax.grid(visible=False, axis="y")
        caption = (
            f"Difference to {comparison.baseline} within the same replication, "
            f"{comparison.replications} replications with common random numbers. Bars are 95 % "
            "intervals of the paired difference; one that crosses the line is not resolved."
        )
        title = f"Differences to {comparison.baseline}"
        return drawing(figure, "differences", title, caption)


def _shows(row: Row) -> bool:
    return any(found.value for found in row.differences.values())
