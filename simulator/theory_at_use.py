"""The closed form of renewal at use: what a slot holds, asks and lacks (renewal-reward)."""

from typing import NamedTuple

import numpy as np


class AtUse(NamedTuple):
    """What a slot that is renewed at use is like at a random instant, and what it asks."""

    residual_s: float
    """mean remaining life of what it holds, 0 where that has expired"""
    expired: float
    """share of time without a valid document"""
    issues_hz: float
    waits_hz: float
    """rate of uses that find it expired and wait"""

    @property
    def residual_of_valid_s(self) -> float:
        """Mean remaining life where there is any."""
        return self.residual_s / (1.0 - self.expired)


def at_use(ttl_s: float, fraction: float, jitter: float, use_hz: float) -> AtUse:
    """Return the stationary state of a slot under renewal at use, its uses Poisson.

    A cycle is the renewal age R, uniform on fT(1 ± j), and an exponential wait X for the next use;
    by renewal-reward, the expired share is E[(R + X − T)⁺]/E[R + X] = E[e^{−λ(T−R)}]/(λ E[R + X]),
    and the residual life E[∫₀^{min(R+X,T)} (T − a) da]/E[R + X].
    """
    ages = fraction * ttl_s * (1.0 + jitter * (2.0 * (np.arange(400) + 0.5) / 400 - 1.0))
    left = ttl_s - ages
    unused = np.exp(-use_hz * left)
    cycle_s = fraction * ttl_s + 1.0 / use_hz
    area = ttl_s * ages - ages**2 / 2 + left / use_hz - (1.0 - unused) / use_hz**2
    return AtUse(
        residual_s=float(area.mean()) / cycle_s,
        expired=float(unused.mean()) / use_hz / cycle_s,
        issues_hz=1.0 / cycle_s,
        waits_hz=float(unused.mean()) / cycle_s,
    )
