"""What is issued before the window opens, and when.

The simulator starts its window with credentials of stationary ages. The measured run has to issue
them: each at the instant at which the simulator says that it was issued, a whole lifetime before
the window at worst. That is waiting time, so the prologue is bounded, and where the bound bites,
all of its instants are squeezed by one factor (the documents are then younger than in the
simulator, never older; the manifest says so).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.schedule import Demand

SHARE = 0.4
"""of the window that a prologue may take"""
MAX_HZ = 500.0
"""credentials a second in a squeezed prologue, unless the window itself offers more"""
SLACK_S = 0.3
"""between the last credential and the opening of the window"""


@dataclass(frozen=True, slots=True)
class Prologue:
    """Slots that hold a credential when the window opens, in the order in which they get it.

    Attributes:
        slots: (agent, slot), int64, shape (m, 2).
        t_s: when each is asked for, on the run clock, ascending, below 0, float64, shape (m,).
        squeeze: factor on the ages, 1 where they are the simulator's.
    """

    slots: NDArray[np.int64]
    t_s: NDArray[np.float64]
    squeeze: float = 1.0

    @property
    def seconds(self) -> float:
        """Return its length."""
        return -float(self.t_s[0]) if len(self.t_s) else SLACK_S


def prologue(demand: Demand, seconds: float, rate_hz: float, ttl_s: float | None) -> Prologue:
    """Return the prologue of a window.

    Agents that do nothing in the window get no credential: nobody could tell. Neither do slots
    whose credential has expired by then: their next use asks for another one anyway.

    Args:
        demand: the window's.
        seconds: length of the window.
        rate_hz: of the window.
        ttl_s: lifetime, None for a credential without end.
    """
    active = np.isin(demand.primed[:, 0], demand.agent)
    if ttl_s is not None:
        active &= demand.primed_s + ttl_s > 0.0
    slots, issued_s = demand.primed[active], demand.primed_s[active]
    if not len(slots):
        return Prologue(slots, issued_s)
    fastest_s = len(slots) / max(rate_hz, MAX_HZ)
    aged = issued_s < 0.0
    oldest_s = -float(issued_s.min())
    squeeze = min(1.0, max(SHARE * seconds, fastest_s) / oldest_s) if oldest_s > 0.0 else 1.0
    t_s = np.where(aged, squeeze * issued_s, 0.0)
    t_s[~aged] = -np.linspace(fastest_s, 0.0, int(np.count_nonzero(~aged)), endpoint=False)
    order = np.argsort(t_s, kind="stable")
    return Prologue(slots[order], t_s[order] - SLACK_S, squeeze)
