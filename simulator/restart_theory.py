"""Closed forms of agents that restart: how old their documents are, how long new ones take."""

from math import exp

import numpy as np


def restarted_cycle(age_s: float, restart_hz: float) -> float:
    """Return E[min(R, X)] = (1 − e^{−rR})/r: renewal at age R, restarts at X ~ Exp(r)."""
    return (1.0 - exp(-restart_hz * age_s)) / restart_hz


def restarted_age(age_s: float, restart_hz: float) -> float:
    """Return the mean age at a random instant where renewal at R and restarts of rate r compete.

    The age has a density ∝ P(min(R, X) > a) = e^{−ra} on (0, R):
    (1 − e^{−rR}(1 + rR)) / (r(1 − e^{−rR})).
    """
    left = exp(-restart_hz * age_s)
    return (1.0 - left * (1.0 + restart_hz * age_s)) / (restart_hz * (1.0 - left))


def entry_share(wait_s: float, reload_s: float, sync_s: float) -> float:
    """Return P(U·reload + U·sync ≤ t), a trapezoid: the area of the rectangle below the line."""

    def triangle(side_s: float) -> float:
        return max(0.0, side_s) ** 2 / 2.0

    area = triangle(wait_s) - triangle(wait_s - reload_s) - triangle(wait_s - sync_s)
    area += triangle(wait_s - reload_s - sync_s)
    return area / (reload_s * sync_s)


def entry_quantile(share: float, reload_s: float, sync_s: float) -> float:
    """Return t at which ``entry_share`` reaches ``share``, by bisection."""
    low_s, high_s = 0.0, reload_s + sync_s
    for _ in range(60):
        middle_s = (low_s + high_s) / 2.0
        if entry_share(middle_s, reload_s, sync_s) < share:
            low_s = middle_s
        else:
            high_s = middle_s
    return high_s


def herd_wait(
    agents: float, over_s: float, reload_s: float, sync_s: float, capacity_hz: float
) -> float:
    """Return the fluid mean time to the first credential after a mass restart.

    Agents restart uniformly over W and ask after U·reload + U·sync; the queue in front of a
    capacity μ grows where they come faster: Q' = λ(t) − μ, and who asks at t waits Q(t)/μ (Newell
    1982, "Applications of Queueing Theory", ch. 2). Service itself takes no time.
    """
    step_s = min(over_s, reload_s, sync_s) / 200.0
    t_s = np.arange(0.0, over_s + reload_s + sync_s, step_s) + step_s / 2.0
    asks = np.ones(round(over_s / step_s))
    for length_s in (reload_s, sync_s):
        asks = np.convolve(asks, np.ones(max(1, round(length_s / step_s))))
    asks = asks[: len(t_s)] * agents / asks.sum()
    served = capacity_hz * step_s
    queue, wait_s = 0.0, 0.0
    for arriving in asks:
        queue = max(0.0, queue + arriving - served)
        wait_s += arriving * queue / capacity_hz
    return (reload_s + sync_s) / 2.0 + wait_s / agents
