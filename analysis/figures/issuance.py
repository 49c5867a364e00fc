"""Issuances per second over the run, one panel for each regime that issues."""

from typing import Any

from matplotlib.axes import Axes

from analysis.breakdowns import told
from analysis.figures.drawing import INK, MUTED, Drawing, canvas, colour, drawing, time_axis
from analysis.summary import Summary


def issuance(summary: Summary) -> Drawing | None:
    """Return the mean issuance rate with its band; None when no regime issues anything."""
    found = [
        (place, name, of.issuance_rate)
        for place, (name, of) in enumerate(summary.regimes.items())
        if any(point[1] > 0 for point in of.issuance_rate)
    ]
    if not found:
        return None
    horizon_s = float(summary.manifest.scenario["horizon_s"])
    scale, unit = time_axis(horizon_s)
    faults = _faults(summary.manifest.scenario, horizon_s)
    with canvas(0.7 + 1.25 * len(found), len(found)) as (figure, axes):
        for ax, (place, name, points) in zip(axes, found, strict=True):
            t, value, low, high = zip(*points, strict=True)
            x = [t_s / scale for t_s in (*t, horizon_s)]
            for start_s, end_s, _ in faults:
                ax.axvspan(start_s / scale, end_s / scale, color="#f0e4d7", lw=0)
            shade = colour(place)
            ax.fill_between(
                x, (*low, low[-1]), (*high, high[-1]), step="post", color=shade, alpha=0.25, lw=0
            )
            ax.step(x, (*value, value[-1]), where="post", color=shade, lw=1.3)
            ax.set_title(name, fontsize=10, loc="left", color=INK)
            ax.set_xlim(0, horizon_s / scale)
            ax.set_ylim(0, None)
            ax.yaxis.set_major_formatter(lambda rate, _: f"{rate:,g}")
            if ax is not axes[-1]:
                ax.tick_params(labelbottom=False)
        if faults:
            _say_fault(axes[0], faults[0], scale)
        axes[-1].set_xlabel(f"{unit} into the run")
        figure.supylabel("credentials issued per second", fontsize=10)
        silent = [name for name in summary.regimes if name not in {row[1] for row in found}]
        n = summary.manifest.replications
        caption = (
            "Credentials issued per second, mean over replications"
            + (" with its 95 % band" if n > 1 else " (one replication: no band)")
            + f", n = {n} replications. Each panel has its own scale."
            + _shaded([what for _, _, what in faults])
            + (f" Nothing is issued under {', '.join(silent)}." if silent else "")
        )
        return drawing(figure, "issuance", "How often the issuer is asked", caption)


def _faults(scenario: dict[str, Any], horizon_s: float) -> list[tuple[float, float, str]]:
    """Return start, end and words of every fault that lasts."""
    found: list[tuple[float, float, str]] = []
    for fault in scenario.get("faults", ()):
        start_s, every_s = float(fault["start_s"]), fault.get("every_s")
        while "duration_s" in fault and start_s < horizon_s:
            end_s = min(horizon_s, start_s + float(fault["duration_s"]))
            found.append((start_s, end_s, told(fault)))
            if every_s is None:
                break
            start_s += float(every_s)
    return found


def _shaded(whats: list[str]) -> str:
    return f" Shaded: {' or '.join(dict.fromkeys(whats))}." if whats else ""


def _say_fault(ax: Axes, fault: tuple[float, float, str], scale: float) -> None:
    start_s, end_s, what = fault
    ax.annotate(
        "issuer down" if what == "the issuer is down" else what,
        ((start_s + end_s) / 2 / scale, 0.97),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="top",
        fontsize=8.5,
        color=MUTED,
    )
