"""A run's estimates for a terminal, and the document that ``--json`` promises."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midas.output import heading, table
from midas.render.estimate import block, cells, unit_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from analysis.summary import RegimeSummary, Summary
    from scenarios.record.estimate import Estimate


def document(summary: "Summary", path: Path) -> dict[str, Any]:
    """Return a run of either world as ``midas simulate`` and ``midas drive`` print it."""
    from analysis import document as documents

    simulated = summary.manifest.world == "simulated"
    return (documents.simulated if simulated else documents.measured)(summary, str(path))


def lines(summary: "Summary", path: Path) -> Iterator["RenderableType"]:
    """Return a run of either world for a terminal."""
    manifest = summary.manifest
    yield heading(manifest.scenario["title"])
    yield from _simulated(summary) if manifest.world == "simulated" else _measured(summary)
    yield "95 % intervals; n is the number of independent observations behind each."
    for note in manifest.notes:
        yield f"Note: {note}"
    yield f"Run {manifest.run_id} in {path}"
    yield f"Next: midas report {manifest.run_id}"


def _simulated(summary: "Summary") -> Iterator["RenderableType"]:
    from analysis import recovery, terse
    from analysis.verdict import verdict

    manifest = summary.manifest
    yield (
        f"simulated: {manifest.engine} engine, {manifest.replications} replications, "
        f"seed {manifest.seed}, {summary.events_executed:,} events in {manifest.wall_s:.1f} s\n"
    )
    lead = ("residual_validity_s", summary.exposure_name)
    told = {name: _by_regime(summary, name) for name in _ordered(summary, lead)}
    known = {name: found for name, found in told.items() if any(map(_known, found.values()))}
    for name in (name for name in lead if name in known):
        yield from block(terse.title(name, summary), known[name])
    yield from _detection(summary)
    alike = {name: found for name, found in known.items() if _alike(found)}
    for name, found in known.items():
        if name in lead or name in alike:
            continue
        yield from block(terse.title(name, summary), found)
        if name.endswith(recovery.SHARE):
            yield from (f"  {r}: {recovery.verdict(share)}" for r, share in found.items())
    if alike:
        yield heading("The same under every regime (n in brackets)")
        for name, found in alike.items():
            yield f"  {terse.title(name, summary)}: {_one(next(iter(found.values())))}"
    for name, of in summary.regimes.items():
        if of.tenants:
            by_tenant = terse.tenants(summary, name)
            yield heading(f"\n{by_tenant.title}")
            yield table(by_tenant.columns, by_tenant.rows, wrap=by_tenant.columns[1:])
            yield by_tenant.note
    yield ""
    if len(summary.regimes) > 1:
        yield heading(f"{verdict(summary, None).headline}\n")


def _by_regime(summary: "Summary", name: str) -> dict[str, "Estimate"]:
    return {r: of.metrics[name] for r, of in summary.regimes.items() if name in of.metrics}


def _known(estimate: "Estimate") -> bool:
    return estimate.infinite or estimate.value is not None


def _alike(found: dict[str, "Estimate"]) -> bool:
    """Return whether several regimes have one answer, to be told once."""
    ends = {(e.value, e.low, e.high, e.infinite) for e in found.values()}
    return len(found) > 1 and len(ends) == 1


def _one(estimate: "Estimate") -> str:
    size, unit = unit_of(estimate)
    value, interval, n = cells(estimate, size)
    said = f"{value} {unit}" if unit and estimate.value is not None else value
    return f"{said} {interval} ({n})".replace("  ", " ")


def _measured(summary: "Summary") -> Iterator["RenderableType"]:
    manifest = summary.manifest
    lag = "unknown" if summary.lag_p99_s is None else f"{summary.lag_p99_s * 1e3:.2f} ms"
    target = " ".join(manifest.target.get(key, "") for key in ("name", "version")).strip()
    drive = manifest.scenario.get("drive") or {}
    asked = f"{drive['rate_hz']:g}/s, open loop; " if drive.get("rate_hz") else ""
    yield f"measured: {target}; {asked}the generator's own lag, p99: {lag}"
    yield ("Valid." if manifest.valid else f"NOT VALID: {manifest.reason}") + "\n"
    for name, regime in summary.regimes.items():
        yield from _operations(name, regime)
    yield from _detection(summary)
    yield ""
    yield from _thefts(summary)


def _ordered(summary: "Summary", lead: tuple[str, ...]) -> list[str]:
    names = dict.fromkeys(name for of in summary.regimes.values() for name in of.metrics)
    return [name for name in lead if name in names] + [n for n in names if n not in lead]


def _detection(summary: "Summary") -> Iterator["RenderableType"]:
    regimes = summary.regimes.items()
    if not any(of.time_to_detection.detected_share.n for _, of in regimes):
        return
    shares = {name: of.time_to_detection.detected_share for name, of in regimes}
    yield from block("Share of thefts detected while the credential was usable", shares)
    medians = {name: of.time_to_detection.median_s for name, of in regimes}
    title = "Time until half of all thefts were detected"
    yield from block(title, medians, missing="not reached")
    late = {name: of.time_to_detection.late_share for name, of in regimes}
    yield from block("Share of thefts seen only afterwards: forensics", late)


def _operations(regime: str, of: "RegimeSummary") -> Iterator["RenderableType"]:
    from analysis import words

    for name, operation in of.operations.items():
        errors = "".join(f", {n:,} {code}" for code, n in operation.errors.items())
        counts = f"{operation.sent:,} sent, {operation.ok:,} ok{errors}"
        named = {label.removesuffix("_s"): e for label, e in operation.percentiles.items()}
        most = "" if operation.max_s is None else f", at most {words.duration(operation.max_s)}"
        title = f"{regime}, {name}: {counts}; latency{most}"
        yield from block(title, named, bare="too few arrivals for an interval")
    yield ""


def _thefts(summary: "Summary") -> Iterator["RenderableType"]:
    from analysis.thefts import as_expected, outcome

    if not summary.thefts:
        return
    rows = [
        (
            theft.persona,
            _at(theft.stolen_s),
            _at(theft.first_use_s),
            _at(theft.alert_s),
            _at(theft.last_accepted_s),
            outcome(theft).replace("-", " "),
            {True: "yes", False: f"NO: {theft.expected}", None: "–"}[as_expected(theft)],
        )
        for theft in summary.thefts
    ]
    columns = ("thief", "stolen", "used", "alert", "last ok", "outcome", "expected")
    yield table(columns, rows, right=columns[1:5], wrap=("outcome", "expected"))
    yield "Seconds on the run clock; – did not happen. last ok: last use that was accepted.\n"


def _at(time_s: float | None) -> str:
    return "–" if time_s is None else f"{time_s:.2f}"
