"""What the scenarios about detectors and thieves who move on should show, worked out beforehand.

Closed forms and quadratures over the laws of ``docs/model.md``; where a law has no closed form it
is drawn here without agents, queues or detectors. Rates are per agent and year, times in seconds.
"""

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from scenarios.spec.rules import SECONDS_PER_DAY
from simulator import theory

_NODES = 4000
DELIVERY_S = 300.0
CLERK, REPORTER = 0, 1


# -- false alarms ----------------------------------------------------------------------------------


def _ages(held_s: float) -> NDArray[np.float64]:
    """Return equally likely ages of the document held at a random instant."""
    return (np.arange(_NODES) + 0.5) / _NODES * held_s


def moved_by_timer(held_s: float, use_hz: float, task_s: float, away_s: float = np.inf) -> float:
    """Return P(a document is used before a move and after it, from there, while it is held).

    An agent uses its document at the start of a task and at its end, so that no use falls into a
    span a with probability e^(−ν(a + d)), d the length of a task. ``away_s`` is the mean of the
    exponential stay at the new address.
    """
    age_s = _ages(held_s)
    before = 1.0 - np.exp(-use_hz * (age_s + task_s))
    left_s, back_hz = held_s - age_s, 1.0 / away_s
    first = use_hz / (use_hz + back_hz)
    started = first * (1.0 - np.exp(-(use_hz + back_hz) * left_s))
    at_work = use_hz * task_s
    return float(np.mean(before * (at_work + (1.0 - at_work) * started)))


def moved_and_still_held(held_s: float, use_hz: float, task_s: float, later_s: float) -> float:
    """Return P(a move is told and the document is still held ``later_s`` after the telling use)."""
    age_s = _ages(held_s)
    before = 1.0 - np.exp(-use_hz * (age_s + task_s))
    left_s = np.maximum(held_s - age_s - later_s, 0.0)
    after = np.where(left_s > 0.0, 1.0 - np.exp(-use_hz * (left_s + task_s)), 0.0)
    return float(np.mean(before * after))


def moved_at_use(ttl_s: float, fraction: float, use_hz: float, task_s: float) -> float:
    """Return P(the next use of a slot after a move still shows the document held at the move).

    The document was used when it arrived. A use within its life shows it, one beyond f·T also
    renews it: [∫₀^{fT}(1 − e^{−ν(T−a)})da + E[X; X < T − fT]]/(fT + 1/ν); and the end of a task
    that is at hand shows it, too.
    """
    age_s = fraction * ttl_s
    left_s = ttl_s - age_s
    early = age_s - (exp(-use_hz * left_s) - exp(-use_hz * ttl_s)) / use_hz
    late = 1.0 / use_hz - exp(-use_hz * left_s) * (left_s + 1.0 / use_hz)
    next_start = (early + late) / (age_s + 1.0 / use_hz)
    at_work = use_hz * task_s
    return at_work + (1.0 - at_work) * next_start


def batch_noticed(
    threshold: float, reference: float, own_hz: float, batch_hz: float, mean_s: float
) -> float:
    """Return P(a batch of exponential length brings a CUSUM from nothing to its threshold).

    While it lasts the sum is a compound Poisson process less a drift: E[e^{−qτ}] = e^{−rh}, r the
    root of Λ(e^r − 1) − kΛ₀r = q, Λ₀ the declared rate of lines, Λ the one with the batch.
    """
    q, low, high = 1.0 / mean_s, 0.0, 1.0
    for _ in range(60):
        r = (low + high) / 2.0
        short = (own_hz + batch_hz) * (exp(r) - 1.0) - reference * own_hz * r < q
        low, high = (r, high) if short else (low, r)
    return exp(-low * threshold)


# -- moving on -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """How the credential of a regime ends in a thief's hands."""

    ttl_s: float | None
    """None where it never expires"""
    two_origins: bool
    revoked: float
    """probability that an alert ends it"""
    delay_s: float


def lateral_reach(kept: Kept, horizon_s: float = SECONDS_PER_DAY, draws: int = 200_000) -> float:
    """Return the mean number of agents that a theft leads to within the run, three steps at most.

    A two-type branching process of clerks (400, four permissions) and reporters (100, three); they
    share two. One line of descent is followed for each draw, its weight the product of the chances
    0.1·k of its steps. A step needs breakout (lognormal, mean 29 min, sigma 1.1) before expiry,
    revocation and the end of the run. Of 47.1 % of the identities the log is read: the second
    origin tells at the thief's first use if the owner has used the document, else at the owner's
    next use; a use out of need (a fifth of them, of which a clerk's document hides two thirds)
    tells at once; 300 s of delivery and 15 min of triage follow.
    """
    rng = np.random.default_rng(2026)
    kind = np.where(rng.random(draws) < 0.2, REPORTER, CLERK)
    at_s = rng.random(draws) * horizon_s
    weight, total = np.ones(draws), 0.0
    for step in range(3):
        delay_s = 100.0 * np.exp(0.7 * rng.standard_normal(draws)) if step == 0 else 0.0
        begins_s = at_s + delay_s
        breakout_s = 1740.0 * np.exp(1.1 * rng.standard_normal(draws) - 1.1**2 / 2.0)
        out_of_need = np.where(kind == CLERK, 0.2 / 3.0, 0.2)
        told_s = begins_s + np.where(
            rng.random(draws) < out_of_need, 0.0, rng.exponential(DELIVERY_S / out_of_need)
        )
        expires_s = np.full(draws, np.inf)
        if kept.ttl_s is not None:
            age_s = rng.random(draws) * theory.polled_age(kept.ttl_s, 0.5, 0.1, 5.0).mean
            expires_s = at_s + kept.ttl_s - age_s
            if kept.two_origins:
                use_hz = np.where(kind == CLERK, 0.011, 0.001)
                known = rng.random(draws) < 1.0 - np.exp(-use_hz * age_s)
                owner_s = np.where(known, 0.0, rng.exponential(1.0 / use_hz))
                told_s = np.minimum(told_s, begins_s + owner_s)
        ends = (rng.random(draws) < 0.471) & (rng.random(draws) < kept.revoked)
        answered_s = told_s + DELIVERY_S + rng.exponential(900.0, draws) + kept.delay_s
        access_s = np.minimum(expires_s, np.where(ends, answered_s, np.inf))
        doors = np.where(kind == CLERK, 4, 3)
        at_s = begins_s + breakout_s
        weight = weight * np.where(at_s < np.minimum(access_s, horizon_s), 0.1 * doors, 0.0)
        total += float(weight.mean())
        common = rng.random(draws) < np.where(kind == CLERK, 2.0 / 4.0, 2.0 / 3.0)
        anybody = np.where(rng.random(draws) < 0.2, REPORTER, CLERK)
        kind = np.where(common, anybody, kind)
    return total
