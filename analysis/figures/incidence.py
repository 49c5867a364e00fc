"""What ends a theft, and when: competing risks, one panel for each regime."""

from math import ceil

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from analysis import words
from analysis.figures.drawing import INK, Drawing, canvas, drawing, log_time, time_axis
from analysis.summary import RegimeSummary, Summary
from analysis.survival import Point

CAUSE_COLOURS = {
    "detected": "#009e73",
    "revoked": "#0072b2",
    "refused": "#cc79a7",
    "evicted": "#e69f00",
    "expired": "#9ad0f0",
}
MEANING = {
    "detected": "an alert came while the copy was of use",
    "revoked": "taken back before any alert",
    "refused": "of no use to the thief, though nobody was alerted",
    "evicted": "the thief was thrown out before any alert",
    "expired": "it ended by itself before any alert",
    "open": "the thief still can, and nobody knows",
}
OPEN_COLOUR = "#ececec"
COLUMNS = 2
STEPS = 160
"""instants at which the curves are drawn"""


def incidence(summary: Summary) -> Drawing | None:
    """Return stacked cumulative incidences of every end of a theft; None without thefts.

    The band of the detected share is drawn as its two dashed ends.
    """
    found = {n: of for n, of in summary.regimes.items() if of.time_to_detection.detected_share.n}
    if not found:
        return None
    until_s = summary.within_s
    start_s = _start_s(found, until_s)
    scale, unit = (1.0, "s") if start_s else time_axis(until_s)
    rows = ceil(len(found) / COLUMNS)
    columns = min(COLUMNS, len(found))
    with canvas(0.7 + 2.05 * rows, rows, columns) as (figure, axes):
        for ax, (name, of) in zip(axes, found.items(), strict=False):
            _panel(ax, of, until_s, start_s, scale)
            n = of.time_to_detection.detected_share.n
            ax.set_title(f"{name}, n = {n:,}", fontsize=10, loc="left", color=INK)
        for ax in axes[len(found) :]:
            ax.set_axis_off()
        for ax in axes[max(0, len(found) - columns) : len(found)]:
            ax.set_xlabel("since the theft (logarithmic)" if start_s else f"{unit} since the theft")
        for ax in axes[::columns]:
            ax.set_ylabel("% of thefts")
        handles, labels = _legend(axes[: len(found)])
        figure.legend(handles, labels, loc="outside upper center", ncols=6, fontsize=9)
        caption = (
            f"Share of thefts that had ended by each cause, by Aalen and Johansen, within "
            f"{words.duration(until_s)}. {_meaning(labels)} Dashed: 95 % band of the detected "
            "share. n counts robbed secrets."
        )
        return drawing(figure, "incidence", "What ends a theft, and when", caption)


def _meaning(causes: list[str]) -> str:
    return f"{'; '.join(f'{cause}: {MEANING[cause]}' for cause in causes)}.".capitalize()


def _start_s(found: dict[str, RegimeSummary], until_s: float) -> float:
    """Return where a logarithmic axis starts, 0 when a linear one shows enough.

    Logarithmic when some regime's thefts have half ended within a twentieth of the axis.
    """
    halves = [
        t_s
        for of in found.values()
        for points in of.time_to_detection.competing.values()
        for t_s, value, *_ in points
        if value >= 0.5 * points[-1][1] > 0.05
    ]
    return until_s / 1000 if halves and min(halves) < until_s / 20 else 0.0


def _panel(ax: Axes, of: RegimeSummary, until_s: float, start_s: float, scale: float) -> None:
    curves = of.time_to_detection.competing
    spread = np.geomspace if start_s else np.linspace
    times = spread(start_s, until_s, STEPS)
    bottom = np.zeros(len(times))
    x = times / scale
    for cause, shade in CAUSE_COLOURS.items():
        if curves[cause][-1][1] <= 0:
            continue
        top = bottom + 100 * _held(curves[cause], times, 1)
        ax.fill_between(x, bottom, top, step="post", color=shade, lw=0, label=cause)
        bottom = top
    ax.fill_between(x, bottom, 100.0, step="post", color=OPEN_COLOUR, lw=0, label="open")
    for column in (2, 3):
        band = 100 * _held(curves["detected"], times, column)
        ax.step(x, band, where="post", color=INK, lw=0.8, ls="--")
    if start_s:
        log_time(ax.xaxis, start_s, until_s)
    else:
        ax.set_xlim(0, until_s / scale)
    ax.set_ylim(0, 100)
    ax.grid(visible=False)


def _held(points: tuple[Point, ...], times: np.ndarray, column: int) -> np.ndarray:
    """Return a step function's values at ``times``."""
    known = np.array([point[0] for point in points])
    values = np.array([point[column] for point in points])
    return values[np.searchsorted(known, times, side="right") - 1]


def _legend(axes: list[Axes]) -> tuple[list[Artist], list[str]]:
    found: dict[str, Artist] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            found.setdefault(label, handle)
    order = [cause for cause in (*CAUSE_COLOURS, "open") if cause in found]
    return [found[cause] for cause in order], order
