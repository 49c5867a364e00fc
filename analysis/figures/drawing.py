"""The common ground of all figures: sizes, colours, and SVG that stands alone and is read aloud.

Figures are made with matplotlib's objects, without pyplot and its global state. Text stays text, so
that it can be searched, scaled and copied.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, NullFormatter, NullLocator

WIDTH_IN = 7.2
INK, MUTED, GRID = "#1a1a1a", "#595959", "#d9d9d9"
PALETTE = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")
"""Okabe and Ito (2008), told apart under every common colour blindness"""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (6, 2, 1, 2)))

_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "midas",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure: an ``<svg>`` element, its title, and a caption that names interval and n."""

    svg: str
    title: str
    caption: str


@contextmanager
def canvas(
    height_in: float, rows: int = 1, columns: int = 1
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Give a figure and its axes, row by row, in the common style."""
    with mpl.rc_context(_RC):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots(rows, columns, squeeze=False)
        yield figure, [ax for line in axes for ax in line]


def drawing(figure: Figure, name: str, title: str, caption: str) -> Drawing:
    """Return a finished figure; ``name`` keeps its ids apart from those of other figures."""
    out = StringIO()
    with mpl.rc_context(_RC):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"<[^>]+>", _rounded, svg)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    described = (
        f'role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(caption)}</desc>'
    )
    return Drawing(svg.replace(">", f" {described}", 1).strip(), title, caption)


def _rounded(tag: re.Match[str]) -> str:
    """Return a tag with its places to a hundredth of a point; what is written stays as it is."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0])


def colour(place: int) -> str:
    """Return the colour of the regime at ``place`` in a summary, the same in every figure."""
    return PALETTE[place % len(PALETTE)]


def time_axis(until_s: float) -> tuple[float, str]:
    """Return the divisor and the name of the unit in which ``until_s`` is read easily."""
    for unit, scale in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("s", 1.0)):
        if until_s >= 2 * scale:
            return scale, unit
    return (1.0, "s") if until_s >= 1 else (1e-3, "ms")


def plain_log(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2 and 5, or at 1 where it is long, without powers of ten."""
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high < 1e3 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_formatter(NullFormatter())


def log_time(axis: Axis, low_s: float, high_s: float) -> None:
    """Make a logarithmic axis of seconds readable: ticks at 1 s, 1 min, 1 h and so on."""
    axis.axes.set_xscale("log")
    axis.axes.set_xlim(low_s, high_s)
    ticks = {label: at_s for label, at_s in _TIME_TICKS.items() if low_s <= at_s <= high_s}
    axis.set_major_locator(FixedLocator(list(ticks.values())))
    axis.set_major_formatter(FixedFormatter(list(ticks)))
    axis.set_minor_locator(NullLocator())


_TIME_TICKS = {
    "1 ms": 1e-3,
    "10 ms": 1e-2,
    "0.1 s": 0.1,
    "1 s": 1.0,
    "10 s": 10.0,
    "1 min": 60.0,
    "10 min": 600.0,
    "1 h": 3600.0,
    "6 h": 21_600.0,
    "1 d": 86_400.0,
    "1 week": 604_800.0,
    "1 month": 2_629_800.0,
    "1 year": 31_557_600.0,
    "10 years": 315_576_000.0,
}
