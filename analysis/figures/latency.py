"""Measured latency by percentile, from merged histograms."""

from math import log10

from matplotlib.axes import Axes

from analysis.figures.drawing import DASHES, MARKERS, Drawing, canvas, colour, drawing, plain_log
from analysis.operations import Operation
from analysis.summary import Summary

SHARES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}
TICKS = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)


def latency(summary: Summary) -> Drawing | None:
    """Return latency against percentile for each operation; None when nothing was timed."""
    found = {op: of for op, of in summary.labelled_operations().items() if of.curve}
    if not found:
        return None
    with canvas(3.6) as (figure, (ax,)):
        for place, (op, of) in enumerate(found.items()):
            shares = [share for share, _ in of.curve if share < 1]
            x = [_nines(share) for share in shares]
            y = [1e3 * time_s for _, time_s in of.curve[: len(shares)]]
            shade, dash = colour(place + 1), DASHES[place % len(DASHES)]
            timed = sum(of.errors.values()) + of.ok
            ax.plot(x, y, color=shade, ls=dash, lw=1.8, label=f"{op}, n = {timed:,}")
            _intervals(ax, of, shade, MARKERS[place % len(MARKERS)])
        last = max(share for of in found.values() for share, _ in of.curve if share < 1)
        ticks = [share for share in TICKS if share <= max(last, 0.99)]
        ax.set_xticks([_nines(share) for share in ticks], [f"{100 * share:g}" for share in ticks])
        ax.set_yscale("log")
        plain_log(ax.yaxis)
        ax.set_xlabel("percentile (each step is one more nine)")
        ax.set_ylabel("ms from the intended start")
        ax.legend(loc="upper left", fontsize=9)
        caption = (
            "Latency of each operation, counted from the instant at which the request was due, "
            "result codes together, warm-up left out; histograms merged, never averaged. Bars: "
            "95 % intervals over batches, where there were enough arrivals. n counts arrivals."
        )
        title = "Measured latency"
        if not summary.manifest.valid:
            title += ", not valid"
            caption = f"Not valid: {summary.manifest.reason}. {caption}"
        return drawing(figure, "latency", title, caption)


def _nines(share: float) -> float:
    return -log10(1 - share)


def _intervals(ax: Axes, of: Operation, shade: str, marker: str) -> None:
    for name, share in SHARES.items():
        found = of.percentiles.get(name)
        if found is None or found.value is None or found.low is None or found.high is None:
            continue
        below, above = found.value - found.low, found.high - found.value
        ax.errorbar(
            [_nines(share)],
            [1e3 * found.value],
            yerr=[[1e3 * below], [1e3 * above]],
            fmt=marker,
            color=shade,
            ms=5,
            capsize=3,
        )
