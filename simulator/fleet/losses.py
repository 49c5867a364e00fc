"""What restarts lost and nobody has replaced yet: arrays that exist where agents restart."""

from math import inf

import numpy as np

from simulator.fleet.layout import Fleet, Lane
from simulator.fleet.memory import kernel, table
from simulator.restarts import FIRST_WAIT_BIN_S, FIRST_WAIT_BINS


@kernel
def lost(fleet: Fleet, i: int) -> bool:
    """Return whether the document of record ``i`` was lost."""
    if not fleet.churn:
        return False
    lost_s = table(fleet.lost_s, fleet.record_count, np.float64)
    return bool(lost_s[i] > -inf)


@kernel
def asked_again_s(fleet: Fleet, i: int) -> float:
    """Return from when a lost document may be asked for; −inf where a request was in flight."""
    again_s = table(fleet.again_s, fleet.record_count, np.float64)
    return float(again_s[i])


@kernel
def lose(fleet: Fleet, i: int, lost_s: float, again_s: float) -> None:
    """Note that a restart lost the document of record ``i``; −inf twice: that it was replaced."""
    table(fleet.lost_s, fleet.record_count, np.float64)[i] = lost_s
    table(fleet.again_s, fleet.record_count, np.float64)[i] = again_s


@kernel
def stop_idling(fleet: Fleet, i: int, attempt_s: float) -> None:
    """Take the time for which nobody asked for a lost document out of its wait."""
    again_s = asked_again_s(fleet, i)
    if again_s > -inf:
        lost_s = table(fleet.lost_s, fleet.record_count, np.float64)
        lost_s[i] += max(0.0, attempt_s - again_s)


@kernel
def count_first(fleet: Fleet, lane: Lane, i: int, attempt_s: float, t_s: float) -> None:
    """Count how long the credential issued at ``t_s`` in the place of a lost one was waited for.

    ``attempt_s`` is the first attempt at it, −inf where that was refused and is accounted for.
    """
    if not lost(fleet, i):
        return
    stop_idling(fleet, i, attempt_s)
    lost_s = table(fleet.lost_s, fleet.record_count, np.float64)
    wait_s = t_s - lost_s[i]
    lane.first_wait_s += wait_s
    waits = table(lane.first_waits, FIRST_WAIT_BINS, np.int64)
    waits[min(int(wait_s / FIRST_WAIT_BIN_S), FIRST_WAIT_BINS - 1)] += 1
    lose(fleet, i, -inf, -inf)
