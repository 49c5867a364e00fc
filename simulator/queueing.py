"""Closed forms of an issuer with a bound, a deadline or a rate limit, each with its source."""

from math import exp


def blocked(servers: int, load: float, places: int) -> float:
    """Return the probability that M/M/c/K refuses, K = c + ``places``; ``load`` = λ/μ.

    p_K of a birth-death process: p_n ∝ load^n/n! up to c, then ·load/c for each place (Gross and
    others 2008, "Fundamentals of Queueing Theory", §3.5); Erlang B where nobody waits.
    """
    weights = [1.0]
    for n in range(1, servers + places + 1):
        weights.append(weights[-1] * load / min(n, servers))
    return weights[-1] / sum(weights)


def response_beyond(rate_hz: float, service_s: float, deadline_s: float) -> float:
    """Return P(time in M/M/1 > D) = e^{−(μ−λ)D}: it is exponential (Gross and others 2008, §3.2).

    The work of those who gave up is done all the same, so the queue is that of M/M/1.
    """
    return exp(-(1.0 / service_s - rate_hz) * deadline_s)


def limiter_wait(rate_hz: float, limit_hz: float) -> float:
    """Return the mean wait of Poisson arrivals for turns of fixed length: ρ/(2(1−ρ)·limit).

    M/D/1 (Pollaczek 1930, Khinchine 1932).
    """
    rho = rate_hz / limit_hz
    return rho / (2.0 * (1.0 - rho) * limit_hz)


def limited_drain(sources: int, limit_hz: float, burst: int = 1) -> float:
    """Return until the last of those who ask at once has had its turn: (n − burst)/limit."""
    return max(0.0, sources - burst) / limit_hz
