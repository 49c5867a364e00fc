"""Where a record comes from and the command line that makes it again."""

import shlex
from dataclasses import dataclass

from analysis import words
from analysis.summary import Summary
from scenarios.record.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Origin:
    """One record's provenance: label → value, and a command."""

    title: str
    facts: tuple[tuple[str, str], ...]
    command: str
    notes: tuple[str, ...]


def origin(title: str, summary: Summary) -> Origin:
    """Return what is needed to repeat a record and to distrust it."""
    manifest = summary.manifest
    facts = [
        ("run", manifest.run_id),
        ("engine" if manifest.world == "simulated" else "target", manifest.engine),
        *sorted(manifest.target.items()),
        ("seed", str(manifest.seed)),
        ("replications", str(manifest.replications)),
        ("code", manifest.code_hash[:16]),
        ("begun", manifest.started_utc),
        ("took", words.duration(manifest.wall_s)),
        *sorted(manifest.machine.items()),
        ("valid", "yes" if manifest.valid else f"no: {manifest.reason}"),
        ("complete", "yes" if manifest.complete else "no, interrupted"),
    ]
    told = tuple((label, value) for label, value in facts if value)
    return Origin(title, told, command(manifest), tuple(manifest.notes))


def command(manifest: Manifest) -> str:
    """Return the command line that makes this record again from the same scenario."""
    scenario = manifest.scenario
    parts = ["midas", "simulate" if manifest.world == "simulated" else "drive"]
    parts.append(str(scenario.get("name", "SCENARIO")))
    for regime in manifest.regimes:
        parts += ["--regime", regime]
    if manifest.world == "simulated":
        agents = sum(int(workload["count"]) for workload in scenario.get("workloads", ()))
        hours = float(scenario.get("horizon_s", 0.0)) / 3600
        parts += ["--agents", str(agents), "--hours", f"{hours:g}"]
        parts += ["--engine", manifest.engine, "--replications", str(manifest.replications)]
    else:
        drive = scenario.get("drive", {})
        parts += ["--target", manifest.engine, "--rate-hz", f"{drive.get('rate_hz', 0):g}"]
        parts += ["--seconds", f"{float(scenario.get('horizon_s', 0.0)):g}"]
    parts += ["--seed", str(manifest.seed)]
    return shlex.join(parts)
