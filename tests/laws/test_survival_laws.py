"""Time to detection against laws that are known, and against another implementation."""

import warnings
from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import AalenJohansenFitter

from analysis import survival

RATE_HZ, LIFE_S, UNTIL_S = 1 / 600, 900.0, 1000.0


def exponential_thefts(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exponential detection against a uniform remaining life and censoring at random."""
    rng = np.random.default_rng(seed)
    detected, expired = rng.exponential(1 / RATE_HZ, n), rng.uniform(0, LIFE_S, n)
    censored = rng.uniform(0, 4000, n)
    time_s = np.minimum(np.minimum(detected, expired), censored)
    cause = np.where(time_s == censored, 0, np.where(time_s == detected, 1, 2))
    return time_s, cause, np.minimum(expired, censored)


def test_detected_share_covers_its_closed_form_as_often_as_it_says() -> None:
    # P(detected before a U(0, T) expiry) = 1 − (1 − e^{−μT})/(μT)
    truth = 1 - (1 - exp(-RATE_HZ * LIFE_S)) / (RATE_HZ * LIFE_S)
    covered = 0
    for seed in range(60):
        time_s, cause, _ = exponential_thefts(150, seed)
        _, _, low, high = survival.cumulative_incidence(time_s, cause, 1, UNTIL_S).points[-1]
        covered += low <= truth <= high
    assert covered >= 52  # P(Bin(60, 0.95) < 52) = 0.7 %


def test_restricted_mean_covers_its_closed_form_as_often_as_it_says() -> None:
    # E[min(U(0, T), t)] = t − t²/(2T) for t ≤ T
    until_s = 600.0
    truth = until_s - until_s**2 / (2 * LIFE_S)
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        expired, censored = rng.uniform(0, LIFE_S, 100), rng.uniform(0, 4000, 100)
        found = survival.restricted_mean(
            np.minimum(expired, censored), expired <= censored, until_s
        )
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert covered >= 52


def test_values_and_bands_are_those_of_lifelines() -> None:
    time_s, cause, _ = exponential_thefts(80, 5)
    peer = AalenJohansenFitter().fit(time_s, cause, event_of_interest=1)
    band = peer.confidence_interval_.to_numpy()
    at_s = peer.cumulative_density_.index.to_numpy()
    curve = survival.cumulative_incidence(time_s, cause, 1, float(time_s.max()))
    for t_s, value, low, high in curve.points[1:-3]:  # the last event leaves nobody at risk
        place = np.searchsorted(at_s, t_s + 1e-6, side="right") - 1
        assert value == pytest.approx(peer.cumulative_density_.to_numpy()[place, 0])
        assert (low, high) == pytest.approx((band[place].min(), band[place].max()))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e6, allow_subnormal=False), st.integers(0, 4)),
        min_size=1,
        max_size=30,
    ),
    st.floats(1, 1e6),
)
def test_incidences_rise_stay_in_their_bands_and_sum_to_at_most_one(
    thefts: list[tuple[float, int]], until_s: float
) -> None:
    time_s = np.array([t for t, _ in thefts])
    cause = np.array([c for _, c in thefts])
    curves = [survival.cumulative_incidence(time_s, cause, of, until_s) for of in range(1, 5)]
    for curve in curves:
        values = [point[1] for point in curve.points]
        assert values == sorted(values)
        assert all(
            0 <= low <= v + 1e-12 and v <= high + 1e-12 <= 1 + 1e-9
            for _, v, low, high in curve.points
        )
    assert sum(curve.points[-1][1] for curve in curves) <= 1 + 1e-9


def test_no_warning_escapes_from_the_library() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        survival.cumulative_incidence(np.array([1.0, 1, 1]), np.array([1, 2, 1]), 1, 2.0)
