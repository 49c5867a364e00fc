"""Keyed draws: uniform, independent over every part of the key, the same wherever they are made."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy import stats

from scenarios.demand.streams import Stream, entity_key, keyed_uniform, seed_key, uniform


@given(
    st.integers(-(2**70), 2**70),
    st.integers(0, 2**40),
    st.sampled_from(Stream),
    st.integers(0, 2**50),
)
def test_a_draw_is_a_function_of_its_key_on_the_open_interval(
    seed: int, entity: int, stream: Stream, k: int
) -> None:
    key = seed_key(seed)
    first = uniform(key, entity, stream, k)
    assert 0.0 < first < 1.0
    assert first == uniform(seed_key(seed), entity, stream, k)
    assert first == keyed_uniform(
        entity_key(key, np.uint64(entity), np.uint64(stream)), np.uint64(k)
    )


def test_draws_are_uniform_and_uncorrelated_along_every_part_of_the_key() -> None:
    n = 20_000
    key = seed_key(11)
    along = {
        "k": [uniform(key, 5, Stream.SERVICE, i) for i in range(n)],
        "entity": [uniform(key, i, Stream.SERVICE, 5) for i in range(n)],
        "seed": [uniform(seed_key(i), 5, Stream.SERVICE, 5) for i in range(2000)],
        "replication": [uniform(seed_key(1, i), 5, Stream.SERVICE, 5) for i in range(2000)],
    }
    for name, draws in along.items():
        assert stats.kstest(draws, "uniform").pvalue > 1e-4, name
        lag = np.corrcoef(draws[1:], draws[:-1])[0, 1]
        assert abs(lag) < 4 / len(draws) ** 0.5, name
    streams = np.array([[uniform(key, i, s, 0) for s in Stream] for i in range(2000)])
    correlation = np.corrcoef(streams, rowvar=False)
    assert np.abs(correlation - np.eye(len(Stream))).max() < 5 / 2000**0.5


def test_replications_and_seeds_give_other_draws() -> None:
    assert len({int(seed_key(s, r)) for s in range(-3, 4) for r in range(5)}) == 35


def test_compiled_and_called_draws_are_the_same() -> None:
    @njit
    def compiled(key: np.uint64, n: int) -> np.ndarray:
        draws = np.empty(n)
        for i in range(n):
            draws[i] = keyed_uniform(key, np.uint64(i))
        return draws

    key = np.uint64(entity_key(seed_key(2), np.uint64(9), np.uint64(Stream.BACKOFF)))
    called = [uniform(seed_key(2), 9, Stream.BACKOFF, i) for i in range(100)]
    assert compiled(key, 100).tolist() == called
