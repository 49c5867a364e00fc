"""Measured beside simulated on the same window: what the simulator gets right about a real target.

The window is one scenario that both worlds ran unchanged; where the two records hold different
scenarios nothing is compared.
"""

from dataclasses import dataclass

from analysis.estimators import ratio
from analysis.operations import Operation
from analysis.summary import Summary
from scenarios.record.estimate import Estimate

PERCENTILES = ("p50_s", "p95_s", "p99_s")


@dataclass(frozen=True, slots=True)
class Pair:
    """One quantity in both worlds."""

    name: str
    simulated: Estimate
    measured: Estimate
    ratio: Estimate
    """simulated ÷ measured; not estimable where either has no interval"""


def same_window(simulated: Summary, measured: Summary) -> bool:
    """Return whether both records ran the same scenario."""
    return simulated.manifest.scenario == measured.manifest.scenario


def pairs(simulated: Summary, measured: Summary) -> list[Pair]:
    """Return every quantity that both records have, for the regimes that both ran.

    Percentiles are those of operations of one family (``issue-x509`` is an ``issue``), from the
    intended start in both worlds.
    """
    found: list[Pair] = []
    for regime in measured.regimes:
        if regime not in simulated.regimes:
            continue
        ours, theirs = simulated.regimes[regime], measured.regimes[regime]
        prefix = f"{regime}: " if len(measured.regimes) > 1 else ""
        for op, of in theirs.operations.items():
            twin = _family(op, ours.operations)
            if twin is not None:
                found += _percentiles(f"{prefix}{op}", twin, of)
        found += [
            _pair(f"{prefix}{name}", ours.metrics[name], theirs.metrics[name])
            for name in theirs.metrics
            if name in ours.metrics and theirs.metrics[name].value is not None
        ]
        found += [
            _pair(
                f"{prefix}detected_share",
                ours.time_to_detection.detected_share,
                theirs.time_to_detection.detected_share,
            )
        ]
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


def _percentiles(op: str, simulated: Operation, measured: Operation) -> list[Pair]:
    return [
        _pair(
            f"{op} {name.removesuffix('_s')}",
            simulated.percentiles[name],
            measured.percentiles[name],
        )
        for name in PERCENTILES
        if name in simulated.percentiles and name in measured.percentiles
    ]


def _pair(name: str, simulated: Estimate, measured: Estimate) -> Pair:
    return Pair(name, simulated, measured, ratio(simulated, measured))
