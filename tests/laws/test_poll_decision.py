"""The decision that a poll takes, repeated, is the renewal age that the simulator draws at once."""

from statistics import fmean

from hypothesis import given
from hypothesis import strategies as st

from scenarios.demand.streams import Stream, seed_key, uniform
from scenarios.spec.rules import due_at_poll, polled_age

LIFE_S, FRACTION, JITTER, POLL_S = 3610.0, 0.5, 0.1, 5.0
SHARES = st.floats(0.0, 1.0)


@given(st.floats(0.0, 1e6), st.floats(1.0, 1e6), st.floats(0.05, 0.95), st.floats(0.0, 0.9), SHARES)
def test_a_poll_with_less_life_left_renews_whenever_one_with_more_does(
    left_s: float, life_s: float, fraction: float, jitter: float, u: float
) -> None:
    if due_at_poll(left_s, life_s, fraction, jitter, u):
        assert due_at_poll(0.9 * left_s, life_s, fraction, jitter, u)
    width = (1.0 - fraction) * life_s
    assert due_at_poll(width * (1.0 - jitter) * 0.999, life_s, fraction, jitter, u)
    assert not due_at_poll(width * (1.0 + jitter) * 1.001, life_s, fraction, jitter, u)


def renewed_at(key: int, entity: int) -> float:
    """Poll by poll, a fresh draw each, as a hollow agent does."""
    opens_s = LIFE_S * (1.0 - FRACTION * (1.0 + JITTER))
    age_s = opens_s + POLL_S * uniform(key, entity, Stream.POLL_PHASE, 0)
    k = 0
    while not due_at_poll(
        LIFE_S - age_s, LIFE_S, FRACTION, JITTER, uniform(key, entity, Stream.RENEWAL, k)
    ):
        age_s += POLL_S
        k += 1
    return age_s


def test_repeated_polls_have_the_law_of_the_age_drawn_at_once() -> None:
    key, n = seed_key(7), 4000
    polled = sorted(renewed_at(key, entity) for entity in range(n))
    drawn = sorted(
        polled_age(
            LIFE_S,
            FRACTION,
            JITTER,
            POLL_S,
            uniform(key, n + entity, Stream.POLL_PHASE, 0),
            uniform(key, n + entity, Stream.RENEWAL, 0),
        )
        for entity in range(n)
    )
    # five standard errors of a mean whose standard deviation is about 26 s
    assert abs(fmean(polled) - fmean(drawn)) < 5 * 26.0 * (2 / n) ** 0.5
    for q in (0.1, 0.5, 0.9):
        assert abs(polled[int(q * n)] - drawn[int(q * n)]) < 5.0
