"""Where a measured time to detection comes from: assumed, measured, and what a real log would add.

The thief's delay and pace are chosen by the load (*assumed*); from his event to the alert and on to
the revocation the service, the audit log and the detector were at work (*measured*); a production
log pipeline delivers later than a local one (*added floor*, an input of the scenario). Only the
second may be called measured.
"""

from collections.abc import Sequence

import msgspec

from analysis import estimators
from scenarios.record.estimate import Estimate
from scenarios.record.record import RunRecord


class Split(msgspec.Struct, frozen=True):
    """The parts of one detected theft's time, in seconds."""

    row: int
    """of the incidents table"""
    assumed_s: float
    """theft → the event that gave the thief away"""
    measured_s: float
    """that event → alert, through the durable audit log"""
    revoked_s: float | None
    """alert → the verifiers refuse; None when nobody revoked"""


class Splits(msgspec.Struct, frozen=True):
    """The parts over all detected thefts of a measured run: medians."""

    assumed_s: Estimate
    measured_s: Estimate
    revoked_s: Estimate
    added_floor_s: float | None
    """what the scenario adds for a production log's delivery: an input"""
    thefts: tuple[Split, ...]


def splits(record: RunRecord, point: str) -> Splits:
    """Return how the detected thefts at ``point`` split, at the alert that was answered."""
    found: dict[int, Split] = {}
    for alert in sorted(record.alerts, key=lambda alert: alert.t_s):
        if alert.point != point or alert.incident is None or alert.incident in found:
            continue
        theft = record.incidents[alert.incident]
        if theft.detector not in (None, alert.detector):
            continue  # an alert that nobody was to answer
        revoked_s = None if theft.revoked_s is None else theft.revoked_s - alert.t_s
        found[alert.incident] = Split(
            row=alert.incident,
            assumed_s=alert.event_s - theft.stolen_s,
            measured_s=alert.t_s - alert.event_s,
            revoked_s=revoked_s,
        )
    thefts = tuple(found[row] for row in sorted(found))
    detection = record.manifest.scenario.get("detection", {})
    return Splits(
        assumed_s=_median([of.assumed_s for of in thefts]),
        measured_s=_median([of.measured_s for of in thefts]),
        revoked_s=_median([of.revoked_s for of in thefts if of.revoked_s is not None]),
        added_floor_s=detection.get("delivery_s"),
        thefts=thefts,
    )


def _median(values: Sequence[float]) -> Estimate:
    return estimators.median(list(values), "s")
