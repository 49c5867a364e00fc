"""The course of a theft: held, abused unseen, abused although seen, over (model.md §5).

Means of the time in each state within the span that exposure is given for. Only thefts that the run
could follow as long count, so nothing is censored and the three add up to the time of access.
"""

from collections.abc import Sequence
from math import inf
from typing import Final

import numpy as np

from analysis import survival
from analysis.part import Part
from analysis.survival import Times
from analysis.thefts import EXPIRED, end_of_use_s
from scenarios.record.estimate import Estimate
from scenarios.record.tables import Incident

_WHO: Final = {"copy": "Copy", "foothold": "Foothold"}
_STATES: Final = {
    "held": "held, not yet used",
    "abused_unseen": "in use, nobody alerted",
    "abused_seen": "in use after the alert",
}
TITLES: Final = {
    f"{who}_{state}": f"{name} {words}, mean"
    for who, name in _WHO.items()
    for state, words in _STATES.items()
}


def course(part: Part, until_s: float, suffix: str) -> dict[str, Estimate]:
    """Return the mean time in each state within ``until_s`` of the theft, jackknife over secrets.

    Args:
        part: of one regime, simulated.
        until_s: span.
        suffix: of the metrics' names; says the span and the unit.
    """
    if until_s <= 0.0 or part.manifest.world == "measured":
        return {}
    found = {}
    for who, of in (("copy", "leak"), ("foothold", "foothold")):
        thefts = [
            theft
            for theft in part.thefts
            if theft.persona == of and 0.0 <= theft.stolen_s <= part.horizon_s - until_s
        ]
        if not thefts:
            continue
        secrets = [part.secret(theft) for theft in thefts]
        numbers = {secret: n for n, secret in enumerate(dict.fromkeys(secrets))}
        cluster = np.array([numbers[secret] for secret in secrets], np.int64)
        spans = np.array([_spans(theft, until_s) for theft in thefts], np.float64)
        for place, state in enumerate(_STATES):
            cause = np.full(len(thefts), EXPIRED, np.int64)
            times = Times(spans[:, place], cause, cluster)
            found[f"{who}_{state}{suffix}"] = survival.restricted_mean(times, until_s)
    return found


def _spans(theft: Incident, until_s: float) -> Sequence[float]:
    """Return the seconds held, abused unseen and abused seen within ``until_s``."""
    end_s = min(end_of_use_s(theft) - theft.stolen_s, until_s)
    used_s = min(_since(theft, theft.first_use_s), end_s)
    seen_s = min(max(_since(theft, theft.alert_s), used_s), end_s)
    return used_s, seen_s - used_s, end_s - seen_s


def _since(theft: Incident, time_s: float | None) -> float:
    return inf if time_s is None else time_s - theft.stolen_s
