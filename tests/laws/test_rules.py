"""The laws of credentials against what they promise."""

from math import inf, isinf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.spec import rules
from scenarios.spec.authority import CertificateAuthority
from scenarios.spec.regime import Renewal

NO_TARGET = 0.0, 0.0, 0.0, 0.0, 0.0
unit = st.floats(1e-12, 1 - 1e-12)
ttl = st.floats(1.0, 1e8)


def test_the_rules_number_the_keywords() -> None:
    assert [int(r) for r in Renewal] == [
        rules.NEVER,
        rules.FRACTION,
        rules.FRACTION_POLLED,
        rules.BEFORE_EXPIRY,
        rules.AT_USE,
        rules.AVAILABILITY_TARGET,
        rules.PER_REQUEST,
        rules.SERVER_DIRECTED,
    ]


@given(ttl, st.floats(0.05, 0.9), st.floats(0.0, 0.1), unit, unit)
def test_renewal_by_fraction_stays_in_its_jitter(
    ttl_s: float, fraction: float, jitter: float, u: float, v: float
) -> None:
    for rule in (rules.FRACTION, rules.AT_USE, rules.SERVER_DIRECTED):
        age = rules.renewal_age(rule, ttl_s, fraction, jitter, 5.0, 1.0, *NO_TARGET, u, v)
        centre = ttl_s * fraction
        assert centre * (1 - jitter) * (1 - 1e-12) <= age <= centre * (1 + jitter) * (1 + 1e-12)


@given(st.floats(60.0, 1e6), st.floats(0.3, 0.7), st.floats(0.01, 0.2), unit, unit)
def test_polled_renewal_comes_between_its_first_chance_and_the_poll_after_its_last(
    ttl_s: float, fraction: float, jitter: float, u: float, v: float
) -> None:
    poll_s = 5.0
    age = rules.polled_age(ttl_s, fraction, jitter, poll_s, u, v)
    opens = ttl_s - (1 + jitter) * (1 - fraction) * ttl_s
    closes = ttl_s - (1 - jitter) * (1 - fraction) * ttl_s
    assert opens <= age <= closes + poll_s


@given(st.floats(2000.0, 1e6), st.floats(0.05, 0.95), st.floats(1.0, 600.0), unit, unit)
def test_a_target_renews_within_its_window_or_that_of_half_life_whichever_comes_first(
    ttl_s: float, share: float, width_s: float, u: float, v: float
) -> None:
    poll_s, target_s = 5.0, share * (ttl_s - 600.0)
    age = rules.availability_age(ttl_s, 0.5, 0.1, poll_s, target_s, width_s, 0.0, u, v)
    opens = min(ttl_s - target_s - width_s, 0.45 * ttl_s)
    closes = min(ttl_s - target_s, 0.55 * ttl_s)
    assert opens * (1 - 1e-9) <= age <= closes * (1 + 1e-9) + poll_s


@given(st.floats(60.0, 1e6), unit, unit)
def test_a_target_without_grace_is_the_half_life_rule(ttl_s: float, u: float, v: float) -> None:
    age = rules.availability_age(ttl_s, 0.5, 0.1, 5.0, 0.9 * ttl_s, 10.0, 0.2 * ttl_s, u, v)
    assert age == rules.polled_age(ttl_s, 0.5, 0.1, 5.0, u, v)


@given(ttl, unit)
def test_the_fixed_rules(ttl_s: float, u: float) -> None:
    assert isinf(rules.renewal_age(rules.NEVER, ttl_s, 0.5, 0.0, 5.0, 1.0, *NO_TARGET, u, u))
    assert isinf(rules.renewal_age(rules.FRACTION, inf, 0.5, 0.0, 5.0, 1.0, *NO_TARGET, u, u))
    before_s = 0.25 * ttl_s
    age = rules.renewal_age(rules.BEFORE_EXPIRY, ttl_s, 0.5, 0.0, 5.0, before_s, *NO_TARGET, u, u)
    assert age == pytest.approx(0.75 * ttl_s)
    assert isinf(rules.expiry(3.0, inf))


@given(st.integers(1, 200), st.floats(0.1, 100), st.floats(1, 4), st.floats(0, 1), unit)
def test_backoff_grows_to_its_cap_and_no_further(
    refusals: int, base_s: float, factor: float, jitter: float, u: float
) -> None:
    cap_s = 240.0
    delay = rules.backoff_delay(refusals, base_s, factor, cap_s, jitter, u)
    wanted = min(cap_s, base_s * factor ** min(refusals - 1, 60))
    assert wanted * (1 - jitter) * (1 - 1e-9) <= delay <= wanted * (1 + jitter) * (1 + 1e-9)


@given(ttl, st.floats(0.1, 0.9), st.floats(0.0, 0.1), unit, unit)
def test_the_length_biased_life_grows_with_its_draw(
    ttl_s: float, fraction: float, jitter: float, u: float, v: float
) -> None:
    low, high = sorted((u, v))
    a = rules.stationary_position(rules.FRACTION, ttl_s, fraction, jitter, low)
    b = rules.stationary_position(rules.FRACTION, ttl_s, fraction, jitter, high)
    assert a <= b


@given(st.floats(0, 23.999), st.integers(0, 24), st.integers(0, 24))
def test_an_hour_range_and_its_complement_share_the_day(hour: float, begin: int, end: int) -> None:
    if begin % 24 != end % 24:
        assert rules.is_active(hour, begin, end % 24) != rules.is_active(hour, end % 24, begin % 24)


@given(st.floats(-1e7, 1e7), ttl, st.floats(-1.0, 0.0), st.floats(60.0, 1e6), st.floats(0.5, 0.99))
def test_no_leaf_outlives_its_ca_and_none_is_shortened_below_the_last_of_a_term(
    issued_s: float, ttl_s: float, since: float, ca_ttl_s: float, activate: float
) -> None:
    ca = CertificateAuthority(ttl_s=ca_ttl_s, activate_fraction=activate, prepare_fraction=0.5)
    term_s, since_s = ca.term_s, since * ca.term_s
    life_s = rules.ca_truncation(issued_s, ttl_s, since_s, term_s, ca.longest_s)
    number = rules.ca_number(issued_s, since_s, term_s)
    ends_s = since_s + number * term_s + ca.longest_s
    rounding = 1e-9 * (abs(issued_s) + ca_ttl_s)
    assert life_s <= ttl_s
    assert rules.expiry(issued_s, life_s) <= ends_s + rounding
    assert life_s >= min(ttl_s, ca.shortest_s) - rounding
    assert life_s <= ca.longest_s + rounding
    if ttl_s <= ca.shortest_s - rounding:
        assert life_s == ttl_s


def test_spire_s_rotation() -> None:
    ca = CertificateAuthority()
    hours = (ca.term_s, ca.lead_s, ca.longest_s, ca.shortest_s, 24 * 3600 * ca.needed_ratio)
    assert [h / 3600 for h in hours] == pytest.approx([12, 8, 16, 4, 144])
    assert isinf(rules.ca_truncation(1.0, inf, 0.0, ca.term_s, ca.longest_s))
