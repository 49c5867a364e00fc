"""A run's estimates as the document that ``--json`` promises and as tables for a terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midas.output import heading, table
from midas.render import estimate as words
from scenarios.record.estimate import Estimate

if TYPE_CHECKING:
    from rich.console import RenderableType

    from analysis.summary import RegimeSummary, Summary
    from scenarios.record.tables import Incident

_COLUMNS = ("", "value", "95 % interval", "n")
_RIGHT = ("value", "n")


def simulated_document(summary: "Summary", path: Path) -> dict[str, Any]:
    """Return what ``midas simulate --json`` prints."""
    manifest = summary.manifest
    return {
        "run_id": manifest.run_id,
        "path": str(path),
        "engine": manifest.engine,
        "events_executed": summary.events_executed,
        "switches_counted": summary.switches_counted,
        "wall_s": manifest.wall_s,
        "replications": manifest.replications,
        "seed": manifest.seed,
        "regimes": {name: _regime(regime) for name, regime in summary.regimes.items()},
        "not_estimable": summary.not_estimable,
        "notes": manifest.notes,
    }


def measured_document(summary: "Summary", path: Path) -> dict[str, Any]:
    """Return what ``midas drive --json`` prints."""
    manifest, pooled = summary.manifest, summary.pooled
    return {
        "run_id": manifest.run_id,
        "path": str(path),
        "valid": manifest.valid,
        "reason": manifest.reason,
        "complete": manifest.complete,
        "target": manifest.target,
        "lag_p99_s": summary.lag_p99_s,
        "operations": _operations(pooled),
        "thefts": [_theft(theft, manifest.not_observable) for theft in summary.thefts],
        "time_to_detection": pooled.time_to_detection,
        "detector_latency_s": pooled.metrics.get("detector_latency_s"),
        "false_alarms_per_identity_day": pooled.metrics.get("false_alarms_per_identity_day"),
        "regimes": {
            name: {**_regime(regime), "operations": _operations(regime)}
            for name, regime in summary.regimes.items()
        },
        "not_observable": manifest.not_observable,
        "not_estimable": summary.not_estimable,
        "notes": manifest.notes,
    }


def _regime(regime: "RegimeSummary") -> dict[str, Any]:
    return {
        **regime.metrics,
        "time_to_detection": regime.time_to_detection,
        "thefts": regime.thefts,
        "detectors": regime.detectors,
    }


def _operations(regime: "RegimeSummary") -> dict[str, Any]:
    return {
        name: {
            "sent": operation.sent,
            "ok": operation.ok,
            "errors": operation.errors,
            **operation.percentiles,
            "max_s": operation.max_s,
        }
        for name, operation in regime.operations.items()
    }


_THEFT_COLUMNS = (
    "regime",
    "persona",
    "credential",
    "stolen_s",
    "first_use_s",
    "alert_s",
    "detector",
    "revoked_s",
    "last_accepted_s",
    "expires_s",
    "end",
    "expected",
    "uses_accepted",
    "uses_refused",
)


def _theft(theft: "Incident", not_observable: dict[str, str]) -> dict[str, Any]:
    """Return one theft; null where something did not happen, words where it cannot be known."""
    row = {name: getattr(theft, name) for name in _THEFT_COLUMNS}
    for name, value in row.items():
        if value is None and f"incidents.{name}" in not_observable:
            row[name] = "not observable"
    return row


def simulated_lines(summary: "Summary", path: Path) -> Iterator["RenderableType"]:
    """Return a simulated run as people read it: a table of metrics, a line for each regime."""
    manifest = summary.manifest
    scenario = manifest.scenario
    yield heading(f"{scenario['title']}")
    yield (
        f"{manifest.engine} engine, {manifest.replications} replications, seed {manifest.seed}, "
        f"{summary.events_executed:,} events in {manifest.wall_s:.1f} s\n"
    )
    yield metrics_table(summary)
    yield ""
    yield from _endings(summary)
    yield f"\nRun {manifest.run_id} in {path}"
    yield f"Next: midas report {manifest.run_id}"


def measured_lines(summary: "Summary", path: Path) -> Iterator["RenderableType"]:
    """Return a measured run: operations, thefts, and whether it may be believed."""
    manifest = summary.manifest
    name = " ".join(manifest.target.values())
    yield heading(f"{manifest.scenario['title']}")
    lag = "unknown" if summary.lag_p99_s is None else f"{summary.lag_p99_s * 1e3:.2f} ms"
    yield f"driven at {name}; the generator's own lag p99 {lag}"
    yield ("valid" if manifest.valid else f"NOT VALID: {manifest.reason}") + "\n"
    for regime, one in summary.regimes.items():
        yield heading(regime)
        yield operations_table(one)
        yield ""
    yield thefts_table(summary)
    yield ""
    yield from _endings(summary)
    yield f"\nRun {manifest.run_id} in {path}"
    yield f"Next: midas report {manifest.run_id}"


def metrics_table(summary: "Summary") -> "RenderableType":
    """Return every metric, regimes under each other, with interval and n."""
    names: dict[str, None] = {}
    for regime in summary.regimes.values():
        names |= dict.fromkeys(regime.metrics)
    rows: list[tuple[str, ...]] = []
    for name in names:
        found = {r: s.metrics[name] for r, s in summary.regimes.items() if name in s.metrics}
        rows += _rows(name, found)
    shares = {r: s.time_to_detection.detected_share for r, s in summary.regimes.items()}
    rows += _rows("detected_share", shares)
    medians = {r: s.time_to_detection.median_s for r, s in summary.regimes.items()}
    rows += _rows("time_to_detection_median_s", medians)
    return table(_COLUMNS, rows, right=_RIGHT)


def operations_table(regime: "RegimeSummary") -> "RenderableType":
    """Return sent, ok and the percentiles of each operation of one regime."""
    rows: list[tuple[str, ...]] = []
    for name, operation in regime.operations.items():
        errors = "".join(f", {code}: {n:,}" for code, n in operation.errors.items())
        rows.append((f"{name}: {operation.sent:,} sent, {operation.ok:,} ok{errors}", "", "", ""))
        size, unit = words.scale_for(operation.percentiles.values())
        for label, estimate in operation.percentiles.items():
            rows.append((f"  {label.removesuffix('_s')}, {unit}", *words.cells(estimate, size)))
    return table(_COLUMNS, rows, right=_RIGHT)


def thefts_table(summary: "Summary") -> "RenderableType":
    """Return each theft: stolen, used, alert and end, seconds on the run clock."""
    columns = ("persona", "stolen", "first use", "alert", "detector", "refused", "end", "expected")
    rows = [
        (
            theft.persona,
            _at(theft.stolen_s),
            _at(theft.first_use_s),
            _at(theft.alert_s),
            (theft.detector or "–").replace("_", " "),
            _at(theft.revoked_s),
            theft.end,
            (theft.expected or "–").replace("_", " "),
        )
        for theft in summary.thefts
    ]
    right = ("stolen", "first use", "alert", "refused")
    return table(columns, rows, right=right, wrap=("persona", "detector", "expected"))


def _rows(name: str, found: dict[str, Estimate]) -> Iterator[tuple[str, ...]]:
    size, unit = words.scale_for(found.values())
    title = words.title(name, next(iter(found.values())).unit)
    yield (title if unit in {"", "1"} else f"{title}, {unit}", "", "", "")
    for regime, estimate in found.items():
        yield (f"  {regime}", *words.cells(estimate, size))


def _endings(summary: "Summary") -> Iterator[str]:
    for name, regime in summary.regimes.items():
        seen = ", ".join(f"{d.replace('_', ' ')} {n}" for d, n in regime.detectors.items())
        yield f"{name}: {regime.thefts:,} thefts; seen first by {seen or 'nobody'}"


def _at(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f}"


def document(summary: "Summary", path: Path) -> dict[str, Any]:
    """Return a run of either world as its command's ``--json`` does."""
    simulated = summary.manifest.world == "simulated"
    return simulated_document(summary, path) if simulated else measured_document(summary, path)


def lines(summary: "Summary", path: Path) -> Iterator["RenderableType"]:
    """Return a run of either world for a terminal."""
    simulated = summary.manifest.world == "simulated"
    return simulated_lines(summary, path) if simulated else measured_lines(summary, path)
