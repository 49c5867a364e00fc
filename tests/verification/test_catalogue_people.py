"""The stated answers about clusters of leaks and about people; the rule is that of ``answers``."""

from math import exp

import numpy as np
import pytest
from scipy import stats

from analysis.summary import Summary, summarise
from scenarios.record.estimate import Estimate
from scenarios.spec.rules import SECONDS_PER_DAY, SECONDS_PER_YEAR
from tests.verification.answers import Found, apart, at_least, at_most, equals, run, scenario, wider

YEARLY, EVENT = 20.0, 10.0
"""secrets that leak in a year, and in one event"""
NOTICE_D = 135.6


def compound_poisson(events: float, size: float, up_to: int) -> np.ndarray:
    """Return P(N = n) of a Poisson number of geometric sizes (Panjer's recursion)."""
    k = np.arange(1, up_to + 1)
    law = (1.0 - 1.0 / size) ** (k - 1) / size
    found = np.zeros(up_to + 1)
    found[0] = exp(-events)
    for n in range(1, up_to + 1):
        found[n] = events / n * float(np.dot(k[:n] * law[:n], found[n - k[:n]]))
    return found


def of(summary: Summary, regime: str, name: str) -> Estimate:
    return summary.regimes[regime].metrics[name]


def ends(found: Estimate) -> Found:
    """Return a quantile with its ends, which are order statistics and are not stretched."""
    assert found.value is not None
    assert found.low is not None, "underpowered"
    assert found.high is not None, "underpowered"
    return Found(found.value, found.low, found.high, found.n)


def test_leak_clusters() -> None:
    """Years are independent, each replication is one; 28 is a bad year of independent leaks."""
    asked = scenario("leak-clusters")
    keys = summarise(run(asked, 120, ["static-key-each"]))
    law = compound_poisson(YEARLY / EVENT, EVENT, 400)
    beyond = 1.0 - np.cumsum(law)
    assert round(1 / law[0]) == 7, "one year in seven passes without a loss"
    assert 0.075 < beyond[50] < 0.125, "one in ten loses more than fifty"
    assert int(np.searchsorted(np.cumsum(law), 0.95)) == 58
    assert int(stats.poisson.ppf(0.95, YEARLY)) == 28
    bad = of(keys, "static-key-each", "stolen_secrets_in_bad_year")
    at_least(ends(bad), float(stats.poisson.ppf(0.99, YEARLY)))
    lost = of(keys, "static-key-each", "years_over_50_stolen_share")
    at_least(wider(lost), 0.01)
    assert float(stats.poisson.sf(50, YEARLY)) < 1e-8, "of independent leaks"
    none = of(keys, "static-key-each", "years_over_0_stolen_share")
    at_most(wider(none), 0.97)
    size = of(keys, "static-key-each", "secrets_per_leak")
    at_least(wider(size), 5.0)
    at_most(wider(size), 15.0)
    shorter = summarise(run(asked, 60, ["static-key-rotated-90d"]))
    days = summarise(run(asked, 30, ["x509-svid-24h"]))
    total, bad_year = "thief_days_per_year", "thief_days_in_bad_year"
    never, rotated = (
        of(keys, "static-key-each", total),
        of(shorter, "static-key-rotated-90d", total),
    )
    apart(wider(rotated), wider(never))
    worst = ends(of(keys, "static-key-each", bad_year))
    at_most(wider(rotated), worst.low)
    brief = of(days, "x509-svid-24h", total)
    apart(wider(brief), wider(rotated))
    at_most(wider(brief), 10.0)
    stated = YEARLY * NOTICE_D
    assert abs(stated - 2700) < 50, "as it says"
    found = wider(of(keys, "static-key-each", "thief_days_per_year"))
    at_least(found, 0.6 * stated)
    at_most(found, 1.4 * stated)
    life, last = 90 * SECONDS_PER_DAY, 89 * SECONDS_PER_DAY
    left_d = (life - (np.arange(2000) + 0.5) / 2000 * last) / SECONDS_PER_DAY
    ended = NOTICE_D * (1.0 - np.exp(-left_d / NOTICE_D))
    assert abs(YEARLY * float(np.mean(0.8 * ended + 0.2 * left_d)) - 770) < 10, "as it says"


def orphaned(left_d: np.ndarray) -> float:
    """Return the credentials that gone workloads left behind and that still work after a year.

    One agent leaves a year; 10.4 % of keys are never deleted, the others after 13.9 days;
    ``left_d`` are equally likely residual lives.
    """
    until_d = np.minimum(left_d, 365.25)
    works_d = 0.104 * until_d + 0.896 * 13.9 * (1.0 - np.exp(-until_d / 13.9))
    return float(works_d.mean()) / 365.25


def test_rotation_by_hand() -> None:
    """Renewal theory for what is forgotten; each leak is noticed once at most, 16 hours for each.

    E[R] = 0.99 · 89 d + 0.01 · (90 d + 3.79 h); half of a mishap's mean time is M/2 = 3.79 h.
    """
    hour_s, slip = 3600.0, 0.01
    mended_s = 3.79 * hour_s
    held_s = (1.0 - slip) * 89.0 * SECONDS_PER_DAY + slip * (90.0 * SECONDS_PER_DAY + mended_s)
    rotations = SECONDS_PER_YEAR / held_s
    mishaps = rotations * (slip + (1.0 - slip) * slip)
    hours = rotations * 25.0 / 60.0 + mishaps * 42.0
    assert rotations == pytest.approx(4.1, abs=0.05)
    assert rotations * 25.0 / 60.0 == pytest.approx(1.7, abs=0.05)
    assert 1.0 / mishaps == pytest.approx(12.0, abs=0.5)
    leaks_h = 0.05 * 16.0
    many = scenario("rotation-by-hand", 20_000)
    (agent,) = many.workloads
    # how much agents work and thieves use is no matter
    idle = agent.model_copy(
        update={"tasks": (agent.tasks[0].model_copy(update={"rate_hz": 1e-5}),)}
    )
    abuse = many.threats.abuse.model_copy(update={"use_rate_hz": 1e-4})
    threats = many.threats.model_copy(update={"abuse": abuse})
    many = many.model_copy(update={"workloads": (idle,), "threats": threats})
    by_hand = summarise(run(many, 27, ["static-key-rotated-90d"]))
    found = by_hand.regimes["static-key-rotated-90d"].metrics
    equals(wider(found["rotations_by_hand_per_agent_year"]), rotations, 0.05)
    equals(wider(found["mishaps_per_agent_year"]), mishaps, 0.005)
    equals(wider(found["toil_h_per_agent_year"]), hours + leaks_h / 2.0, leaks_h / 2.0)
    assert hours + leaks_h / 2.0 == pytest.approx(5.5, abs=0.1), "about five and a half"
    day_s = slip * mended_s / held_s * SECONDS_PER_DAY
    assert day_s == pytest.approx(1.5, abs=0.1), "half of three seconds"
    equals(wider(found["expired_s_per_agent_day"]), day_s, 0.25)
    equals(wider(found["broken_s_per_agent_day"]), day_s, 0.1)
    left = found["orphans_per_agent"]
    equals(wider(left), orphaned(1.0 + 89.0 * (np.arange(1000) + 0.5) / 1000), 0.002)
    assert left.value == pytest.approx(0.042, abs=0.001), "42 of a thousand"
    assert found["handing_out_h_per_agent"].value == pytest.approx(2.7, abs=0.05)
    assert found["never_rotated_share"].value == 0.0
    others = summarise(run(scenario("rotation-by-hand"), 6, ["static-key", "x509-svid-1h"]))
    for regime in ("static-key", "x509-svid-1h"):
        metrics = others.regimes[regime].metrics
        at_most(wider(metrics["toil_h_per_agent_year"]), 1.0)
        orphans, gone = metrics["orphans_per_agent"], regime == "static-key"
        assert orphans.value == pytest.approx(1.0 if gone else 0.0, abs=0.0005), regime
        assert metrics["never_rotated_share"].value == float(gone)
        at_most(wider(metrics["rotations_by_hand_per_agent_year"]), 1.0)
