"""Waves of a herd: by renewal number, of timers only, and nothing where there was no herd."""

import pytest

from analysis.figures.waves import waves as figure
from analysis.waves import waves
from scenarios.record.record import RunRecord
from scenarios.spec import resolve
from simulator.simulate import simulate
from tests.records import simulated


@pytest.fixture(scope="module")
def herd() -> RunRecord:
    path = resolve.catalog()["mass-restart"]
    scenario = resolve.load(path, agents=4000, horizon_s=7200.0).scenario
    return simulate(scenario, 1, "fleet", replications=3)


def test_the_first_wave_of_a_polled_rule_is_the_higher_one(herd: RunRecord) -> None:
    found = waves(herd)
    polled, once = found["x509-svid-1h"], found["x509-svid-1h-drawn-once"]
    assert polled[0].low is not None
    assert once[0].high is not None
    assert polled[0].low > 2 * once[0].high
    assert len(polled) == 3
    assert polled[0].n == 3


def test_the_polled_wave_falls_with_the_root_of_its_number(herd: RunRecord) -> None:
    first, second = waves(herd)["x509-svid-1h"][:2]
    assert first.value is not None
    assert second.value is not None
    assert 1.1 < first.value / second.value < 1.8  # √2, and the luck of the busiest interval


def test_the_figure_says_what_it_shows(herd: RunRecord) -> None:
    drawn = figure(herd)
    assert drawn is not None
    assert "4,000 agents" in drawn.caption


def test_no_herd_no_waves() -> None:
    scenario = resolve.load(
        resolve.catalog()["which-lifetime"], agents=10, horizon_s=600.0
    ).scenario
    stationary = simulate(scenario, 1, "fleet", replications=1, regimes=["x509-svid-5m"])
    assert waves(stationary) == {}
    assert figure(stationary) is None
    measured = simulated()
    measured.manifest.world = "measured"
    assert waves(measured) == {}
