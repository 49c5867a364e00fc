"""Measured beside simulated on the same window: what the simulator gets right about a real target.

The window is one scenario that both worlds ran unchanged; where the two records hold different
scenarios nothing is compared.
"""

from dataclasses import dataclass

from analysis.estimators import ratio
from analysis.operations import Operation
from analysis.summary import Summary
from analysis.terse import title
from scenarios.record.estimate import Estimate

PERCENTILES = ("p50_s", "p95_s", "p99_s")


@dataclass(frozen=True, slots=True)
class Pair:
    """One quantity in both worlds."""

    name: str
    title: str
    """in words"""
    simulated: Estimate
    measured: Estimate
    ratio: Estimate
    """simulated ÷ measured; not estimable where either has no interval"""


def same_window(simulated: Summary, measured: Summary) -> bool:
    """Return whether both records ran the same scenario."""
    return simulated.manifest.scenario == measured.manifest.scenario


def pairs(simulated: Summary, measured: Summary) -> list[Pair]:
    """Return what both records have, for the regimes that both ran with fleets of one size.

    Percentiles are those of operations of one family (``issue-x509`` is an ``issue``), from the
    intended start in both worlds.
    """
    found: list[Pair] = []
    for regime in measured.regimes:
        ours, theirs = simulated.regimes.get(regime), measured.regimes[regime]
        if ours is None or ours.agents != theirs.agents:
            continue
        prefix = f"{regime}: " if len(measured.regimes) > 1 else ""
        shares = (of.time_to_detection.detected_share for of in (ours, theirs))
        for op, of in theirs.operations.items():
            twin = _family(op, ours.operations)
            if twin is not None:
                found += _percentiles(prefix, op, twin, of)
        found += [
            _pair(prefix, name, title(name, measured), ours.metrics[name], theirs.metrics[name])
            for name in theirs.metrics
            if name in ours.metrics and theirs.metrics[name].value is not None
        ]
        found.append(_pair(prefix, "detected_share", "Detected while usable", *shares))
    return [pair for pair in found if pair.simulated.value is not None]


def percentile_ratios(simulated: Summary, measured: Summary) -> dict[str, dict[str, Estimate]]:
    """Return simulated ÷ measured by operation and percentile."""
    found: dict[str, dict[str, Estimate]] = {}
    for pair in pairs(simulated, measured):
        op, _, percentile = pair.name.rpartition(" ")
        if op and f"{percentile}_s" in PERCENTILES:
            found.setdefault(op, {})[percentile] = pair.ratio
    return found


def _family(op: str, operations: dict[str, Operation]) -> Operation | None:
    if op in operations:
        return operations[op]
    return operations.get(op.split("-")[0])


def _percentiles(prefix: str, op: str, simulated: Operation, measured: Operation) -> list[Pair]:
    found = []
    for name in PERCENTILES:
        if name in simulated.percentiles and name in measured.percentiles:
            label = f"{op} {name.removesuffix('_s')}"
            ours, theirs = simulated.percentiles[name], measured.percentiles[name]
            found.append(_pair(prefix, label, label, ours, theirs))
    return found


def _pair(prefix: str, name: str, title: str, simulated: Estimate, measured: Estimate) -> Pair:
    both = ratio(simulated, measured)
    return Pair(f"{prefix}{name}", f"{prefix}{title}", simulated, measured, both)
