"""What a run will cost is said beforehand, and grows as the work does."""

import pytest

from scenarios.errors import UsageError
from scenarios.spec.schema import Engine
from simulator.forecast import forecast, refuse_beyond_memory, switch_path
from simulator.simulate import plan
from tests.scenes import WORK, make_regime, make_scenario

REGIME = make_regime("fraction")


@pytest.mark.parametrize("engine", ["fleet", "reference"])
def test_ten_times_the_agents_cost_ten_times_the_work(engine: str) -> None:
    small = forecast(make_scenario(REGIME, agents=100_000), engine, 1)
    large = forecast(make_scenario(REGIME, agents=1_000_000), engine, 1)
    assert large.events == pytest.approx(10 * small.events)
    assert large.replication_s == pytest.approx(10 * small.replication_s)
    assert large.peak_bytes > small.peak_bytes


def test_replications_and_regimes_add_up() -> None:
    scenario = make_scenario(REGIME, agents=1000)
    twice = scenario.model_copy(update={"regimes": (REGIME, make_regime("at-use"))})
    one, eight = forecast(scenario, "fleet", 1), forecast(scenario, "fleet", 8)
    assert eight.total_s - one.total_s == pytest.approx(7 * one.replication_s)
    assert forecast(twice, "fleet", 1).total_s > one.total_s


def test_counting_in_bulk_is_foreseen() -> None:
    busy = WORK.model_copy(update={"rate_hz": 100.0})
    scenario = make_scenario(REGIME, agents=1_000_000, tasks=(busy,), horizon_s=86_400.0)
    exact = scenario.model_copy(update={"engine": Engine(switches="exact")})
    assert (switch_path(scenario, REGIME), switch_path(exact, REGIME)) == ("poisson", "exact")
    assert forecast(exact, "fleet", 1).total_s > 100 * forecast(scenario, "fleet", 1).total_s


def test_more_than_the_machine_has_is_refused() -> None:
    expected = forecast(make_scenario(REGIME, agents=10_000_000), "fleet", 1)
    refuse_beyond_memory(expected, available_bytes=64e9)
    with pytest.raises(UsageError, match="--yes"):
        refuse_beyond_memory(expected, available_bytes=1e9)


def test_the_record_says_which_way_switches_were_counted() -> None:
    bulk = make_scenario(REGIME).model_copy(update={"engine": Engine(switches="poisson")})
    assert any("Poisson" in note for note in plan(bulk, 1, "fleet", 1).notes)
    assert not plan(bulk, 1, "reference", 1).notes
    assert not plan(make_scenario(REGIME), 1, "fleet", 1).notes
