"""Serials grow whatever the wall clock does, and carry the instant of issue."""

import time

from hypothesis import given
from hypothesis import strategies as st

from loadgen.service.serials import Serials, issued_wall_s, serial_text


@given(st.lists(st.integers(1_700_000_000_000_000_000, 2_200_000_000_000_000_000), max_size=50))
def test_serials_grow_when_the_clock_steps_back(instants: list[int]) -> None:
    clock = iter(instants)
    serials = Serials(lambda: next(clock))
    made = [serials.next() for _ in instants]
    assert made == sorted(set(made))
    texts = [serial_text(serial) for serial in made]
    assert texts == sorted(texts)
    assert all(len(text) == 16 for text in texts)


def test_a_serial_carries_its_instant() -> None:
    before = time.time()
    serial = Serials().next()
    assert before - 1e-5 <= issued_wall_s(serial) <= time.time() + 1e-5


def test_a_burst_does_not_run_ahead_of_the_clock() -> None:
    """4,096 serials fit into a microsecond, so the instant stays that of the issue."""
    serials = Serials()
    last = [serials.next() for _ in range(5_000)][-1]
    assert issued_wall_s(last) <= time.time() + 1e-3
