"""Time to detection against laws that are known, and against another implementation."""

from math import exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import AalenJohansenFitter

from analysis import survival
from analysis.survival import Times

RATE_HZ, LIFE_S, UNTIL_S = 1 / 600, 900.0, 1000.0


def exponential_thefts(n: int, seed: int) -> Times:
    """Exponential detection against a uniform remaining life and censoring at random."""
    rng = np.random.default_rng(seed)
    detected, expired = rng.exponential(1 / RATE_HZ, n), rng.uniform(0, LIFE_S, n)
    censored = rng.uniform(0, 4000, n)
    time_s = np.minimum(np.minimum(detected, expired), censored)
    cause = np.where(time_s == censored, 0, np.where(time_s == detected, 1, 2))
    return Times(time_s, cause, np.arange(n))


def test_detected_share_covers_its_closed_form_as_often_as_it_says() -> None:
    # P(detected before a U(0, T) expiry) = 1 − (1 − e^{−μT})/(μT)
    truth = 1 - (1 - exp(-RATE_HZ * LIFE_S)) / (RATE_HZ * LIFE_S)
    covered = 0
    for seed in range(60):
        times = exponential_thefts(150, seed)
        _, _, low, high = survival.cumulative_incidence(times, 1, UNTIL_S).points[-1]
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
        cause = np.where(expired <= censored, 1, 0)
        times = Times(np.minimum(expired, censored), cause, np.arange(100))
        found = survival.restricted_mean(times, until_s)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    assert covered >= 52


def test_clusters_that_share_their_luck_are_covered_too() -> None:
    # each cluster of four is watched or not: P(detected before U(0, T)) halves
    truth = (1 - (1 - exp(-RATE_HZ * LIFE_S)) / (RATE_HZ * LIFE_S)) / 2
    covered = naive = 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        cluster = np.repeat(np.arange(40), 4)
        watched = np.repeat(rng.random(40) < 0.5, 4)
        detected = np.where(watched, rng.exponential(1 / RATE_HZ, 160), np.inf)
        expired = rng.uniform(0, LIFE_S, 160)
        rows = np.minimum(detected, expired), np.where(detected < expired, 1, 2)
        for clusters in (cluster, np.arange(160)):
            times = Times(*rows, clusters)
            _, _, low, high = survival.cumulative_incidence(times, 1, UNTIL_S).points[-1]
            covered += clusters is cluster and low <= truth <= high
            naive += clusters is not cluster and low <= truth <= high
    assert covered >= 52
    assert naive < covered


def test_values_and_bands_are_those_of_lifelines() -> None:
    times = exponential_thefts(400, 5)
    peer = AalenJohansenFitter().fit(times.time_s, times.cause, event_of_interest=1)
    band = peer.confidence_interval_.to_numpy()
    at_s = peer.cumulative_density_.index.to_numpy()
    curve = survival.cumulative_incidence(times, 1, float(times.time_s.max()))
    for t_s, value, low, high in curve.points[10:-3]:  # the first few vary, the last ends all
        place = np.searchsorted(at_s, t_s + 1e-6, side="right") - 1
        assert value == pytest.approx(peer.cumulative_density_.to_numpy()[place, 0])
        assert low == pytest.approx(band[place].min(), abs=0.01)
        assert high == pytest.approx(band[place].max(), abs=0.01)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e6, allow_subnormal=False), st.integers(0, 4), st.integers(0, 9)),
        min_size=1,
        max_size=30,
    ),
    st.floats(1, 1e6),
)
def test_incidences_rise_stay_in_their_bands_and_sum_to_at_most_one(
    thefts: list[tuple[float, int, int]], until_s: float
) -> None:
    time_s, cause, cluster = (np.array(column) for column in zip(*thefts, strict=True))
    times = Times(time_s, cause, cluster)
    curves = [survival.cumulative_incidence(times, of, until_s) for of in range(1, 5)]
    for curve in curves:
        values = [point[1] for point in curve.points]
        assert values == sorted(values)
        assert all(
            -1e-12 <= low <= value + 1e-12 and value <= high + 1e-12 <= 1 + 1e-9
            for _, value, low, high in curve.points
        )
    assert sum(curve.points[-1][1] for curve in curves) <= 1 + 1e-9
    mean = survival.restricted_mean(times, until_s)
    if mean.value is not None and mean.low is not None and mean.high is not None:
        assert -1e-9 <= mean.low <= mean.value + 1e-9 * until_s
        assert mean.value <= mean.high + 1e-9 * until_s <= until_s * (1 + 1e-8)
