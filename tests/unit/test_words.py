"""Numbers in words."""

import pytest

from analysis import words
from scenarios.record.estimate import Estimate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.123456, "0.123"),
        (1234.5, "1,234"),
        (99.96, "100"),
        (2e-5, "0.00002"),
        (1e-9, "1.00e-09"),
        (2.5e12, "2.50e+12"),
        (-3.14159, "-3.14"),
    ],
)
def test_three_digits(value: float, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0021, "2.1 ms"),
        (0.5, "500 ms"),
        (90.0, "90 s"),
        (120.0, "2 min"),
        (5400.0, "90 min"),
        (7200.0, "2 h"),
        (86400.0, "24 h"),
        (1e9, "31.7 yr"),
        (float("inf"), "without end"),
        (0, "0 s"),
    ],
)
def test_times_in_the_unit_that_a_person_would_choose(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(600.0, 540.0, 3700.0, 8, "s"), "10 min (9 to 61.7 min, n = 8)"),
        (Estimate(0.25, 0.2, 0.3, 40, "1"), "25 % (20 to 30 %, n = 40)"),
        (Estimate(2.0, 1.0, 3.0, 3, "s", level=0.75), "2 s (1 to 3 s at 75 %, n = 3)"),
        (Estimate(2.0, None, None, 1, "s"), "2 s (n = 1)"),
        (Estimate(None, None, None, 0, "s"), "not estimable (n = 0)"),
        (Estimate(None, 5.0, None, 9, "s"), "not estimable (at least 5 s, n = 9)"),
        (Estimate(None, None, None, 4, "s", infinite=True), "without end (n = 4)"),
        (
            Estimate(0.0, 0.0, 3.7, 2, "1/(agent d)"),
            "0 per agent and day (0 to 3.7 per agent and day, n = 2)",
        ),
    ],
)
def test_an_estimate_says_value_interval_and_n(estimate: Estimate, text: str) -> None:
    assert words.full(estimate) == text
