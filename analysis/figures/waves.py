"""How a herd spreads: the peak of each wave of renewals against its number."""

from analysis.figures.drawing import MARKERS, Drawing, canvas, colour, drawing
from analysis.waves import waves as peaks_of
from scenarios.record.record import RunRecord


def waves(record: RunRecord) -> Drawing | None:
    """Return peaks with their intervals, both axes logarithmic; None where there was no herd."""
    found = peaks_of(record)
    if not found:
        return None
    with canvas(3.4) as (figure, (ax,)):
        for place, (name, peaks) in enumerate(found.items()):
            numbers = list(range(1, len(peaks) + 1))
            values = [of.value or 0.0 for of in peaks]
            marker = MARKERS[place % 8]
            ax.plot(numbers, values, f"{marker}-", color=colour(place), ms=5, lw=1.2, label=name)
            for number, of in zip(numbers, peaks, strict=True):
                if of.low is not None and of.high is not None:
                    ends = [max(of.low, 1e-9), of.high]
                    ax.plot([number, number], ends, color=colour(place), lw=2, alpha=0.6)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set_xlabel("renewal number since everything started at once")
        ax.set_ylabel("peak issuances per second")
        ax.legend()
        agents = sum(workload["count"] for workload in record.manifest.scenario["workloads"])
        interval_s = record.manifest.scenario["series_interval_s"]
        caption = (
            f"Highest rate over {interval_s:g} s in each wave of renewals of {agents:,} agents "
            f"that started at the same instant; bars are 95 % intervals over n = "
            f"{record.manifest.replications} replications. A wave spreads with the square root of "
            "its number, and by its own width when the jitter is drawn once."
        )
        return drawing(figure, "waves", "How the herd spreads", caption)
