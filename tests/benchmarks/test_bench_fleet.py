"""The fleet's own benchmarks: what runs often, one kernel at a time, and a run as a whole."""

from typing import Any

import pytest

from simulator.bench import model_m1
from simulator.fleet.population import FleetPopulation
from simulator.population import Command, CommandKind

AGENTS = 20_000
HOUR_S = 3600.0


def population(span_s: float = 24 * HOUR_S) -> FleetPopulation:
    of = model_m1.scenario(AGENTS, span_s)
    made = model_m1.begin(FleetPopulation, of, seed=1)
    assert isinstance(made, FleetPopulation)
    return made


@pytest.mark.benchmark(group="frequent")
def test_a_stop_with_a_look(benchmark: Any) -> None:  # noqa: ANN401
    fleet = population()

    def stop() -> int:
        fleet.advance(fleet.now_s + 0.01)
        return len(fleet.read(7))

    assert benchmark(stop) == 1


@pytest.mark.benchmark(group="frequent")
def test_a_replacement(benchmark: Any) -> None:  # noqa: ANN401
    fleet = population()

    def replace() -> None:
        fleet.advance(fleet.now_s + 0.01)
        fleet.command(Command(CommandKind.REPLACE, 7))

    benchmark(replace)
    assert fleet.counters().requests > 0


@pytest.mark.benchmark(group="targeted")
def test_one_hour_of_switches(benchmark: Any) -> None:  # noqa: ANN401
    def hour() -> int:
        fleet = population()
        fleet.advance(HOUR_S)
        return fleet.counters().switches

    assert benchmark.pedantic(hour, rounds=3) == pytest.approx(AGENTS * 60, rel=0.01)


@pytest.mark.benchmark(group="targeted")
def test_counting_the_expired(benchmark: Any) -> None:  # noqa: ANN401
    fleet = population()
    fleet.advance(HOUR_S)
    assert benchmark(fleet.expired_now) == 0


@pytest.mark.benchmark(group="whole")
def test_a_day_of_m1(benchmark: Any) -> None:  # noqa: ANN401
    of = model_m1.scenario(AGENTS, 24 * HOUR_S)

    def day() -> int:
        return model_m1.events_until(population(), of, 24 * HOUR_S)

    assert benchmark.pedantic(day, rounds=1) == pytest.approx(1544 * AGENTS, rel=0.02)
