"""Simulated beside measured on the same window."""

from textwrap import wrap

from analysis.figures.drawing import INK, MUTED, Drawing, canvas, drawing, plain_log
from analysis.summary import Summary
from analysis.twin import Pair, pairs

SHADE = "#0072b2"


def twin(simulated: Summary, measured: Summary) -> Drawing | None:
    """Return simulated ÷ measured for every quantity that both have; None when there is none."""
    found = [pair for pair in pairs(simulated, measured) if _plain_ratio(pair) is not None]
    if not found:
        return None
    with canvas(0.9 + 0.45 * len(found)) as (figure, (ax,)):
        for y, pair in enumerate(found):
            value = _plain_ratio(pair) or 1.0
            low, high = pair.ratio.low, pair.ratio.high
            if low is not None and high is not None:
                ax.plot([low, high], [y, y], color=SHADE, lw=2.5)
            ax.plot([value], [y], "o" if low is not None else "x", color=SHADE, ms=7)
        ax.axvline(1.0, color=MUTED, lw=1.0, ls="--")
        ax.set_xscale("log")
        plain_log(ax.xaxis)
        low_x, high_x = ax.get_xlim()
        ax.set_xlim(min(low_x, 0.5), max(high_x, 2.0))
        ax.set_yticks(range(len(found)), ["\n".join(wrap(pair.title, 36)) for pair in found])
        ax.tick_params(axis="y", length=0, labelcolor=INK)
        ax.set_ylim(len(found) - 0.5, -0.5)
        ax.grid(visible=False, axis="y")
        ax.set_xlabel("simulated ÷ measured (logarithmic; 1 is agreement)")
        caption = (
            "The same window, simulated and measured. Bars are 95 % intervals of the ratio; a "
            "cross has none. The n of each side is in the table."
        )
        return drawing(figure, "twin", "Simulated beside measured", caption)


def _plain_ratio(pair: Pair) -> float | None:
    if not pair.simulated.value or not pair.measured.value:
        return None
    return pair.simulated.value / pair.measured.value
