"""Storms and thefts as run records: kept, listed and shown like any other measured run."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from math import ceil

import msgspec

from loadgen.swarm.storm import Storm
from loadgen.swarm.theft_report import Heisted
from loadgen.swarm.window import COLD, storm_window, theft_window
from loadgen.targets.spire import install
from scenarios.record.manifest import Manifest
from scenarios.record.record import RunRecord
from scenarios.record.store import code_hash, measured_run_id
from scenarios.record.tables import Count, Incident, Sample
from scenarios.spec.resolve import dump
from scenarios.spec.schema import Scenario

POINT, REPLICATION = "0", 0
TARGET = {"name": "spire", "version": install.VERSION}
_STATES = ("attested", "connected", "synced", "identities", "expired", "signed")
_HIDDEN = {
    "counts.switches": "hollow agents serve nobody: they hold documents and use none",
    "counts.auth_failures": "hollow agents serve nobody: they hold documents and use none",
}


def storm_record(found: Storm, seed: int, machine: Mapping[str, str]) -> RunRecord:
    """Return the record of a storm, run clock zero where half of the documents had been issued.

    Counts bear the names of the report, those that the simulator has its names: there an agent's
    identities are one document, as in the window (``window.storm_window``).

    Args:
        found: what was measured.
        seed: of the fleet's draws.
        machine: description of the machine, for the manifest.
    """
    report, zero_s = found.report, zero_of(found)
    scenario = storm_window(report, found.fault_s - zero_s)
    manifest = _manifest(scenario, found.started_utc, found.wall_s, seed, machine)
    manifest.valid, manifest.reason = report.swarm_valid, "" if report.swarm_valid else "swarm late"
    manifest.not_observable = dict(_HIDDEN)
    backoff = "SPIRE's back-off" if report.backoff else "no back-off"
    end = f"whole again {report.recovery_s:.1f} s after its end" if report.recovered else "no end"
    manifest.notes = [
        f"the fault at {found.fault_s - zero_s:.1f} s, {end} within {report.watched_s:.0f} s",
        f"{report.identities} documents of an agent count as one; {backoff}",
    ]
    regime = manifest.regimes[0]
    record = RunRecord(manifest)
    record.counts = [
        Count(POINT, regime, REPLICATION, name, value) for name, value in _counts(found).items()
    ]
    record.series = _series(found, regime, zero_s)
    record.operations = [
        msgspec.structs.replace(row, point=POINT, regime=regime) for row in found.rows
    ]
    return record


def theft_record(found: Heisted, machine: Mapping[str, str]) -> RunRecord:
    """Return the record of a heist.

    Its incidents carry the alert that was responded to, as simulated ones do; all alerts stand in
    their own table.

    Args:
        found: what was measured.
        machine: description of the machine, for the manifest.
    """
    asked = found.asked
    scenario = theft_window(asked, found.seconds)
    manifest = _manifest(scenario, found.started_utc, found.wall_s, asked.seed, machine)
    manifest.not_observable = _HIDDEN | {
        "counts.issued": "SPIRE's log has no line about an agent's own renewal",
    }
    (regime,) = manifest.regimes
    decided = [
        msgspec.structs.replace(theft, regime=regime, point=POINT)
        for theft in _responded(found, asked.respond_to)
    ]
    watched_s = {"watched_identity_s": (asked.victims + asked.bystanders) * found.seconds}
    return RunRecord(
        manifest,
        counts=[msgspec.structs.replace(count, regime=regime) for count in found.counts]
        + [Count(POINT, regime, REPLICATION, name, value) for name, value in watched_s.items()],
        incidents=decided,
        alerts=[msgspec.structs.replace(alert, regime=regime) for alert in found.alerts],
    )


def _responded(found: Heisted, to: frozenset[str]) -> list[Incident]:
    """Return each incident with its first alert of the detectors that were responded to."""
    first: dict[int, tuple[float, str]] = {}
    for alert in sorted(found.alerts, key=lambda alert: alert.t_s):
        if alert.incident is not None and alert.detector in to:
            first.setdefault(alert.incident, (alert.t_s, alert.detector))
    rows = []
    for number, theft in enumerate(found.incidents):
        alert_s, detector = first.get(number, (None, None))
        rows.append(msgspec.structs.replace(theft, alert_s=alert_s, detector=detector))
    return rows


def zero_of(found: Storm) -> float:
    """Return when half of the fleet's documents had been issued, on the swarm's clock.

    Of a storm that begins with nothing in anybody's hands it is the fault.
    """
    if found.report.kind in COLD:
        return found.fault_s
    half = found.report.agents * found.report.identities / 2
    reached_s = next((p.t_s for p in found.progress if p.signed >= half), found.fault_s)
    return min(reached_s, found.fault_s)


def _manifest(
    scenario: Scenario, started_utc: str, wall_s: float, seed: int, machine: Mapping[str, str]
) -> Manifest:
    resolved, names = dump(scenario), [regime.name for regime in scenario.regimes]
    code = code_hash(("scenarios", "loadgen"))
    return Manifest(
        run_id=measured_run_id(resolved, TARGET, [seed], names, code, started_utc),
        world="measured",
        engine=TARGET["name"],
        scenario=resolved,
        sources={},
        seed=seed,
        replications=1,
        regimes=names,
        code_hash=code,
        started_utc=started_utc,
        wall_s=wall_s,
        machine=dict(machine),
        target=dict(TARGET),
    )


def _counts(found: Storm) -> dict[str, float]:
    report = found.report
    numbers = {
        name: float(value)
        for name, value in msgspec.structs.asdict(report).items()
        if isinstance(value, int | float)
    }
    failed = {f"failed {key}": float(n) for key, n in report.failed_calls.items()}
    documents = sum(value for _, value in _issued(found, zero_of(found)))
    return numbers | {
        "horizon_s": found.fault_s - zero_of(found) + report.watched_s,
        "issued": documents,
        "peak_issuances_per_s": report.peak_signed_per_s / report.identities,
        "expired_agent_s": report.expired_identity_s / report.identities,
        **failed,
    }


def _series(found: Storm, regime: str, zero_s: float) -> list[Sample]:
    place = (POINT, regime, REPLICATION)
    states = [
        Sample(*place, p.t_s - zero_s, name, float(getattr(p, name)))
        for p in found.progress
        if p.t_s >= zero_s
        for name in _STATES
    ]
    issued = [Sample(*place, t_s, "issued", value) for t_s, value in _issued(found, zero_s)]
    return states + issued


def _issued(found: Storm, zero_s: float) -> list[tuple[float, float]]:
    """Return, second by second, how many agents' worth of documents were issued."""
    by_second: Counter[int] = Counter()
    for before, after in pairwise(found.progress):
        if after.t_s > zero_s:
            by_second[int(max(before.t_s - zero_s, 0.0))] += after.signed - before.signed
    seconds = ceil(found.progress[-1].t_s - zero_s)
    return [(float(k), by_second[k] / found.report.identities) for k in range(seconds)]
