"""How long a thief can use a stolen credential, by regime."""

from analysis import words
from analysis.figures.drawing import (
    INK,
    MARKERS,
    MUTED,
    Drawing,
    canvas,
    colour,
    drawing,
    log_time,
)
from analysis.summary import Summary


def exposure(summary: Summary) -> Drawing | None:
    """Return one dot with its interval for each regime; None when no theft was seen.

    The restricted mean of ``summarise``, on a logarithmic axis of time.
    """
    found = [
        (place, name, of.metrics[summary.exposure_name])
        for place, (name, of) in enumerate(summary.regimes.items())
        if summary.exposure_name in of.metrics
    ]
    found = [row for row in found if row[2].value]
    if not found:
        return None
    within_s = summary.within_s
    with canvas(0.9 + 0.48 * len(found)) as (figure, (ax,)):
        for y, (place, _, of) in enumerate(found):
            value = of.value or 0.0
            if of.low is not None and of.high is not None:
                low = max(of.low, value * 1e-3)
                ax.plot([low, of.high], [y, y], color=colour(place), lw=2.5)
            ax.plot([value], [y], MARKERS[place % 8], color=colour(place), ms=8)
            ax.annotate(
                f"{words.brief(of)}, n = {of.n:,}",
                (value, y),
                (0, 9),
                textcoords="offset points",
                ha="center",
                fontsize=9,
                color=INK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
        ax.axvline(within_s, color=MUTED, lw=0.8, ls=":")
        ax.annotate(
            words.duration(within_s),
            (within_s, 0.02),
            (3, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            fontsize=8.5,
            color=MUTED,
        )
        low_end = min((row[2].low or row[2].value or 1.0) for row in found)
        log_time(ax.xaxis, max(low_end, 1e-9) / 5, within_s * 2.2)
        ax.set_yticks(range(len(found)), [name for _, name, _ in found])
        ax.tick_params(axis="y", length=0, labelcolor=INK)
        ax.set_ylim(len(found) - 0.5, -0.75)
        ax.grid(visible=False, axis="y")
        ax.set_xlabel("from the theft to the thief's last possible use (logarithmic)")
        caption = (
            f"Mean time for which a thief can use what he took, counting at most "
            f"{words.duration(within_s)} (dotted line), by Kaplan and Meier. Bars are 95 % "
            "intervals; n counts robbed secrets."
        )
        return drawing(figure, "exposure", "How long a stolen credential stays usable", caption)
