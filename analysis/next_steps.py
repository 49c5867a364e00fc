"""What a sceptic asks next, and the command that answers it: chosen by what the records hold."""

import shlex
from typing import Any, NamedTuple

from analysis.summary import Summary
from scenarios.spec.sources import sources

REPLICATIONS = 32
"""of a comparison that is to be sharper than the default's eight"""


class Step(NamedTuple):
    """A question that the records leave open, and how to answer it."""

    question: str
    how: str
    command: str


def next_steps(simulated: Summary | None, measured: Summary | None) -> list[Step]:
    """Return the open questions of the two records, either of which may be missing."""
    steps: list[Step] = []
    if simulated is not None:
        steps += _of_simulated(simulated)
    if measured is not None and not measured.manifest.valid:
        steps.append(
            Step(
                "What does the service take when the measurement is sound?",
                "Measure again with the machine left alone, or at a lower rate.",
                _command("drive", measured, "--rate-hz", f"{_rate_hz(measured) / 2:g}"),
            )
        )
    if simulated is not None and measured is None:
        steps.append(
            Step(
                "What does a real service take for it, and what does its log show of a thief?",
                "Drive the same demand at the service that comes with midas, or at your own.",
                _command("drive", simulated, "--target", "embedded"),
            )
        )
    if simulated is None and measured is not None:
        steps.append(
            Step(
                "Which regime is better for the fleet?",
                "One service under one regime does not say; simulate all of them.",
                _command("simulate", measured),
            )
        )
    if steps:
        steps.append(
            Step(
                "Why should the simulator be right?",
                "It is held against closed forms, with margins that were stated first.",
                "midas validate",
            )
        )
    return steps


def _of_simulated(summary: Summary) -> list[Step]:
    steps: list[Step] = []
    if summary.manifest.complete and len(summary.regimes) > 1:
        steps.append(
            Step(
                "Which of these differences are real?",
                "Common random numbers and more replications shrink the intervals.",
                _command("compare", summary, "--replications", str(REPLICATIONS)),
            )
        )
    if not summary.manifest.scenario.get("faults"):
        steps.append(
            Step(
                "And when the issuer is down?",
                "No fault was simulated here. It is where short lifetimes lose and static keys "
                "do not notice; this scenario has the outage.",
                "midas simulate outage-beyond-half-life",
            )
        )
    if least := _least_certain(summary.manifest.sources):
        steps.append(
            Step(
                "Which inputs could turn the answer?",
                f"Nobody has measured {least}. Copy the scenario, put the ends of the range "
                "(under Assumptions) in its place, and run it again.",
                _command("scenario resolve", summary),
            )
        )
    return steps


def _least_certain(used: dict[str, str]) -> str:
    """Return the key of an input that is an assumption, '' when there is none."""
    known = sources()
    keys = sorted(key for key in set(used.values()) if key in known)
    return next((key for key in keys if known[key].confidence == "assumption"), "")


def _command(verb: str, summary: Summary, *options: str) -> str:
    name = str(summary.manifest.scenario.get("name", "SCENARIO"))
    return f"midas {verb} {shlex.join([name, *options])}"


def _rate_hz(measured: Summary) -> float:
    drive: dict[str, Any] = measured.manifest.scenario.get("drive") or {}
    return float(drive.get("rate_hz") or 1.0)
