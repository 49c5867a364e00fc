"""Thefts as observations: how each stolen credential ended, when, and whether that was expected."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analysis.survival import Times
from scenarios.record.tables import Incident

OPEN, DETECTED, EXPIRED, REVOKED, EVICTED, REFUSED = range(6)
CAUSES: Final = {
    DETECTED: "detected",
    EXPIRED: "expired",
    REVOKED: "revoked",
    EVICTED: "evicted",
    REFUSED: "refused",
}
"""competing ends of a theft by the name under which curves show them; ``OPEN`` is censored.
``refused`` are documents that were of no use to the thief, or no longer, without anybody's alert"""

NEEDED_SHARE = 0.2
"""share of thefts that must have been watched as long as a curve goes"""


def end_of_use_s(theft: Incident) -> float:
    """Return when the thief could use what he took for the last time; inf while he still can.

    His last access where the engine knows it, else the end of the credential. A thief who was
    refused ended when the verifiers began to refuse, or at his last accepted use where that is not
    known, or at the theft when nothing was ever accepted.
    """
    if theft.evicted_s is not None:
        return theft.evicted_s
    if theft.end == "expired" and theft.expires_s is not None:
        return theft.expires_s
    if theft.end in ("revoked", "refused"):
        known = (theft.revoked_s, theft.last_accepted_s, theft.stolen_s)
        return next(time for time in known if time is not None)
    return inf


@dataclass(frozen=True, slots=True)
class Followed:
    """Thefts of one regime as survival data, seconds from each theft; arrays of shape (n,)."""

    detection: Times
    """to the first of detection, end of use, end of the run"""
    use: Times
    """to the end of use or of the run, detected or not"""
    late: NDArray[np.bool_]
    """whether an alert came after use had ended"""
    followed_s: NDArray[np.float64]
    """how long each theft could have been followed: to the end of the run"""

    def __len__(self) -> int:
        return len(self.late)


def follow(
    thefts: Sequence[Incident],
    horizon_s: float,
    secret_of: Callable[[Incident], Hashable] | None = None,
) -> Followed:
    """Return the thefts that happened inside a run of ``horizon_s`` as survival data.

    Those already open at its start are left out: they are in the record because they lasted. A
    measured run is watched a little beyond its window: then its last event is its end.

    Args:
        thefts: rows of one record.
        horizon_s: end of the run.
        secret_of: names the secret that was stolen; thefts of one are one cluster. By default every
            theft is its own.
    """
    horizon_s = max([horizon_s, *(time for theft in thefts for time in _observed(theft))])
    inside = [theft for theft in thefts if 0 <= theft.stolen_s < horizon_s]
    rows = [_one(theft, horizon_s) for theft in inside]
    time_s, cause, use_s, use_cause = zip(*rows, strict=True) if rows else ((), (), (), ())
    late = [theft.alert_s is not None and theft.alert_s > end_of_use_s(theft) for theft in inside]
    numbers: dict[Hashable, int] = {}
    names = [secret_of(t) if secret_of else place for place, t in enumerate(inside)]
    cluster = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    return Followed(
        Times(np.array(time_s, np.float64), np.array(cause, np.int64), cluster),
        Times(np.array(use_s, np.float64), np.array(use_cause, np.int64), cluster),
        np.array(late, np.bool_),
        np.array([horizon_s - theft.stolen_s for theft in inside], np.float64),
    )


def _observed(theft: Incident) -> list[float]:
    times = (theft.first_use_s, theft.alert_s, theft.revoked_s, theft.last_accepted_s)
    return [time for time in times if time is not None]


def _one(theft: Incident, horizon_s: float) -> tuple[float, int, float, int]:
    end_s = end_of_use_s(theft)
    use_cause = _CAUSE_OF[theft.end] if end_s <= horizon_s else OPEN
    use_s = max(0.0, min(end_s, horizon_s) - theft.stolen_s)
    if theft.alert_s is not None and theft.alert_s <= min(end_s, horizon_s):
        return theft.alert_s - theft.stolen_s, DETECTED, use_s, use_cause
    return use_s, use_cause, use_s, use_cause


_CAUSE_OF: Final = {
    "expired": EXPIRED,
    "revoked": REVOKED,
    "evicted": EVICTED,
    "refused": REFUSED,
    "open": EVICTED,  # the credential lives, the thief is out
}


def follow_up_s(groups: Sequence[Followed]) -> float:
    """Return how far curves may go, the same for every regime, rounded down to two digits.

    At least ``NEEDED_SHARE`` of each regime's thefts could have been followed that long. 0 when
    there are none.
    """
    limits = [
        float(np.sort(group.followed_s)[int((1 - NEEDED_SHARE) * (len(group) - 1))])
        for group in groups
        if len(group)
    ]
    return _two_digits(min(limits)) if limits else 0.0


def _two_digits(value: float) -> float:
    if value <= 0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(f"{np.floor(value / unit + 1e-9) * unit:.10g}")


def outcome(theft: Incident) -> str:
    """Return what became of a theft: the detector that saw it, ``expired`` or ``undetected``."""
    if theft.detector is not None and theft.alert_s is not None:
        return theft.detector
    return "expired" if theft.end == "expired" else "undetected"


def as_expected(theft: Incident) -> bool | None:
    """Return whether a theft came out as designed; None where nothing was expected of it."""
    if not theft.expected:
        return None
    if theft.expected == "undetected":
        return theft.alert_s is None
    return outcome(theft) == theft.expected
