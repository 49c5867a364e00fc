"""Closed forms against their definitions, integrated or sampled."""

from math import exp, inf, sqrt

import numpy as np
import pytest
from scipy import integrate

from scenarios.spec.rules import polled_age
from simulator import theory

T, F = 3600.0, 0.5


def residual_law(t_s: float) -> float:
    """P(W > t) without jitter: W is uniform on ((1−f)T, T)."""
    return min(1.0, max(0.0, (T - t_s) / (F * T)))


def test_residual_validity_without_jitter() -> None:
    assert theory.residual_validity(T, theory.uniform_age(T, F, 0.0)) == T * (1 - F / 2)
    area, _ = integrate.quad(residual_law, 0, T, points=[T / 2])
    assert area == pytest.approx(T * (1 - F / 2))


def test_exposure_is_the_area_under_both_survivals() -> None:
    rate_hz = 1 / 2000.0
    area, _ = integrate.quad(lambda t: residual_law(t) * exp(-rate_hz * t), 0, T, points=[T / 2])
    assert theory.exposure(T, F, rate_hz) == pytest.approx(area)
    assert theory.detected_before_expiry(T, F, rate_hz) == pytest.approx(rate_hz * area)


def test_the_polled_law_is_a_law_and_that_of_the_rule() -> None:
    age_s, p = theory.polled_age_law(300.0, 0.5, 0.1, 5.0)
    assert p.sum() == pytest.approx(1.0)
    assert np.all(p >= 0)
    rng = np.random.default_rng(1)
    sample = [polled_age(300.0, 0.5, 0.1, 5.0, *rng.random(2)) for _ in range(20_000)]
    law = theory.polled_age(300.0, 0.5, 0.1, 5.0)
    assert np.mean(sample) == pytest.approx(law.mean, abs=5 * law.sd / sqrt(len(sample)))
    assert np.std(sample) == pytest.approx(law.sd, rel=0.05)
    assert max(sample) <= age_s.max()


def test_published_spreads_of_the_polled_rule() -> None:
    # SPIRE counts the life from ten seconds before issue, so L = T + 10 s
    assert theory.polled_age(3610.0, 0.5, 0.1, 5.0).sd == pytest.approx(26.2, abs=0.05)
    assert theory.rayleigh_age(3610.0, 0.5, 0.1, 5.0).sd == pytest.approx(27.8, abs=0.05)
    assert theory.polled_age(310.0, 0.5, 0.1, 5.0).sd == pytest.approx(6.5, abs=0.05)
    assert theory.rayleigh_age(310.0, 0.5, 0.1, 5.0).sd == pytest.approx(8.2, abs=0.05)


def test_superseded_tends_to_its_limit() -> None:
    lam = 1 / 300.0
    assert theory.superseded_detected(T, F, lam, 1e4) == pytest.approx(1 - exp(-lam * F * T))
    assert theory.superseded_detected(T, F, lam, 0.01) < 1 - exp(-lam * F * T)


@pytest.mark.parametrize("outage_s", [600.0, 1800.0, 2700.0, 3600.0, 5000.0])
def test_downtime_is_the_area_under_the_expired_share(outage_s: float) -> None:
    area, _ = integrate.quad(
        lambda d: theory.expired_share(T, F, d), 0, outage_s, points=[T / 2, T], limit=200
    )
    assert theory.downtime(T, F, outage_s) == pytest.approx(area, rel=1e-6, abs=1e-6)


def test_erlang_c_of_one_and_two_servers() -> None:
    assert theory.erlang_c(1, 0.7) == pytest.approx(0.7)
    assert theory.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert theory.mean_wait(1, 0.7, 1.0) == pytest.approx(0.7 / 0.3)


def test_drain_is_bounded_by_one_cycle() -> None:
    assert theory.drain(1000, T, F, 600.0, 2 * 1000 / (F * T)) == pytest.approx(600.0)
    assert theory.drain(1000, T, F, inf, 2 * 1000 / (F * T)) == pytest.approx(F * T / 2)


@pytest.mark.parametrize(("threshold", "reference", "ratio"), [(4.5, 1.5, 1.0), (6.5, 2.0, 3.0)])
def test_run_length_of_the_sum_is_that_of_a_markov_chain(
    threshold: float, reference: float, ratio: float
) -> None:
    """Brook and Evans 1972, "An approach to the probability distribution of cusum run length".

    Levels after an event on a grid of width w: up by one, down by the fall until the next event,
    which is exponential. Rounding each fall to the grid shifts it by w/2 at most; the law of the
    number of events times the mean gap gives the time. At w = 1/200 that moves a run length of
    some hundred by well under two in a hundred.
    """
    per_event = 200
    states = np.arange(round(threshold * per_event))  # levels below h, in grid steps
    fall = ratio / reference / per_event  # rate of the fall per step
    chain = np.zeros((len(states), len(states)))
    for state in states:
        levels = np.arange(state + 1)  # of the sum at the next event, before it adds one
        p = np.exp(-fall * (state - levels)) * -np.expm1(-fall)
        p[0] = np.exp(-fall * state)
        up = levels + per_event
        kept = up < len(states)
        chain[state, up[kept]] += p[kept]
    events = np.linalg.solve(np.eye(len(states)) - chain, np.ones(len(states)))[0]
    assert theory.cusum_run_length(threshold, reference, ratio) == pytest.approx(
        events / ratio, rel=0.02
    )


def test_run_length_where_one_event_is_enough_is_the_wait_for_it() -> None:
    assert theory.cusum_run_length(0.9, 2.0, 4.0) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="too few digits"):
        theory.cusum_run_length(24.0, 1.5, 6.0)


def test_waits_by_priority_keep_the_work_of_one_queue() -> None:
    """Kleinrock's conservation law: Σ ρ_p·W_p is what it is without priorities."""
    rates_hz, service_s, servers = [0.004, 0.002, 0.003], 300.0, 4
    waits = theory.priority_waits(servers, rates_hz, service_s)
    assert waits == sorted(waits)
    total = sum(rates_hz) * theory.mean_wait(servers, sum(rates_hz), service_s)
    assert np.dot(rates_hz, waits) == pytest.approx(total)


def test_lives_under_a_ca_settle_where_the_fixed_point_says() -> None:
    fraction, ttl_s, term_s, longest_s = 0.4, 86400.0, 43200.0, 57600.0
    lives = theory.truncated_lives(lambda s: fraction * s, ttl_s, term_s, longest_s)
    first = term_s / (1.0 - (1.0 - fraction) ** len(lives))
    assert lives == pytest.approx([first * (1.0 - fraction) ** n for n in range(3)], rel=1e-4)
    age_s = sum(fraction * life_s for life_s in lives)
    assert age_s == pytest.approx(term_s, rel=1e-4)
    # one life, all of it asked for: the residual of an ordinary document
    assert theory.residual_of_lives((T,), lambda s: F * s) == T * (1 - F / 2)


@pytest.mark.parametrize(("refresh_s", "lead_s"), [(3.0, 4.0), (4.2, 4.0), (8.0, 4.0)])
def test_a_stale_bundle_refuses_what_its_two_draws_say(refresh_s: float, lead_s: float) -> None:
    term_s, age_s = 6.0, 0.5

    def refused_s(fetched_s: float, left_s: float) -> float:
        return max(0.0, max(0.0, fetched_s - lead_s) - left_s)

    cells = (np.arange(2000) + 0.5) / 2000
    fetched, left = np.meshgrid(cells * refresh_s, cells * age_s)
    expected = np.vectorize(refused_s)(fetched, left).mean() / term_s
    found = theory.refused_by_stale_bundle(refresh_s, lead_s, term_s, age_s)
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_clock_within_the_backdating_refuses_nothing() -> None:
    assert theory.refused_by_clock(T, F * T, 10.0, 10.0) == 0.0
    assert theory.refused_by_clock(T, F * T, 110.0, 10.0) == pytest.approx(100 / 1910)
    assert theory.refused_by_clock(T, F * T, 1e6, 10.0) == 1.0
