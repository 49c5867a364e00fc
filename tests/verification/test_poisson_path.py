"""Counting private switches in bulk is equal in law to drawing each of them."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from scenarios.demand.streams import seed_key
from scenarios.spec.schema import Engine, Scenario
from simulator.fleet.population import FleetPopulation
from simulator.population import Command, CommandKind
from tests.scenes import NIGHT, WORK, make_regime, make_scenario

PATHS = ("exact", "poisson")
SEEDS = 80
SIGNIFICANCE = 0.001
AGENTS, END_S = 40, 20_000.0
REGIME = make_regime("fraction", ttl_s=600.0)


def scenario(path: str) -> Scenario:
    """Return an evening: the second task sleeps until eight."""
    base = make_scenario(REGIME, agents=AGENTS, tasks=(WORK, NIGHT), horizon_s=END_S)
    start = base.start.model_copy(update={"hour_of_day": 17.5})
    engine = Engine(switches=path)  # type: ignore[arg-type]
    return base.model_copy(update={"start": start, "engine": engine})


PROFILE = tuple(0.2 if hour % 2 else 0.9 for hour in range(24))


def test_a_profile_thins_the_bulk_path_alike() -> None:
    """Means of both paths against the integral of the weights from 17:30 on, 4 s.e."""
    hours = np.arange(17.5, 17.5 + END_S / 3600, 1 / 7200) % 24
    on = np.array(PROFILE)[hours.astype(int)]
    night = (hours >= 20) | (hours < 6)
    rate_hz = on * (WORK.rate_hz + NIGHT.rate_hz * night)
    expected = AGENTS * float(rate_hz.mean()) * END_S
    for path in PATHS:
        base = scenario(path)
        workloads = tuple(w.model_copy(update={"diurnal": PROFILE}) for w in base.workloads)
        weighted = base.model_copy(update={"workloads": workloads})
        totals = []
        for seed in range(20):
            population = FleetPopulation(weighted, REGIME, seed_key(seed))
            population.advance(END_S)
            totals.append(population.counters().switches)
        assert abs(np.mean(totals) - expected) < 4 * np.sqrt(expected / 20)


def run(path: str, seed: int, stops: tuple[float, ...] = ()) -> FleetPopulation:
    """Run through an outage that lets every credential expire."""
    population = FleetPopulation(scenario(path), REGIME, seed_key(seed))
    assert population.switch_path == path
    commands = {4000.0: CommandKind.ISSUER_DOWN, 9000.0: CommandKind.ISSUER_UP}
    for stop_s in sorted({*commands, *stops}):
        population.advance(stop_s)
        if stop_s in commands:
            population.command(Command(commands[stop_s]))
        else:
            population.counters()
            population.current_task(3)
    population.advance(END_S)
    return population


@cache
def sample(path: str) -> dict[str, NDArray[np.float64]]:
    """Return what ``SEEDS`` runs counted, of disjoint seeds for the two paths."""
    offset = 1000 if path == "exact" else 0
    runs = [run(path, offset + seed) for seed in range(SEEDS)]
    counters = [population.counters() for population in runs]
    tasks = np.array([[p.current_task(agent) for agent in range(AGENTS)] for p in runs])
    return {
        "switches": np.array([c.switches for c in counters], dtype=float),
        "auth_failures": np.array([c.auth_failures for c in counters], dtype=float),
        "issued": np.array([c.issued for c in counters], dtype=float),
        "task": tasks.ravel().astype(float),
    }


@pytest.mark.parametrize("name", ["switches", "auth_failures", "issued"])
def test_two_samples_agree(name: str) -> None:
    exact, poisson = sample("exact")[name], sample("poisson")[name]
    assert exact.std() > 0
    assert stats.ks_2samp(exact, poisson).pvalue > SIGNIFICANCE
    assert stats.levene(exact, poisson).pvalue > SIGNIFICANCE
    assert stats.ttest_ind(exact, poisson, equal_var=False).pvalue > SIGNIFICANCE


def test_current_tasks_agree() -> None:
    table = [np.bincount(sample(path)["task"].astype(int), minlength=2) for path in PATHS]
    assert stats.chi2_contingency(np.array(table)).pvalue > SIGNIFICANCE


def test_the_number_of_switches_is_poisson() -> None:
    switches = sample("poisson")["switches"]
    mean = AGENTS * (WORK.rate_hz * END_S + NIGHT.rate_hz * (END_S - 2.5 * 3600))
    assert abs(switches.mean() - mean) < 4 * np.sqrt(mean / SEEDS)
    assert switches.var(ddof=1) / mean == pytest.approx(1.0, abs=4 * np.sqrt(2 / SEEDS))


def test_looking_changes_nothing() -> None:
    looked = run("poisson", 5, stops=(10.0, 1234.5, 5555.5, 8999.0, 9001.0, 15_000.0))
    left = run("poisson", 5)
    assert looked.counters() == left.counters()


def test_counts_grow_with_time_at_the_right_rate() -> None:
    population = FleetPopulation(scenario("poisson"), REGIME, seed_key(9))
    stops_s = np.arange(9500.0, END_S, 250.0)
    seen = []
    for stop_s in stops_s:
        population.advance(float(stop_s))
        seen.append(population.counters().switches)
    gaps = np.diff(seen)
    mean = AGENTS * (WORK.rate_hz + NIGHT.rate_hz) * 250.0
    dispersion = ((gaps - mean) ** 2).sum() / mean
    assert stats.chi2.cdf(dispersion, len(gaps)) == pytest.approx(0.5, abs=0.499)


def test_rules_renewed_at_use_are_always_exact() -> None:
    regime = make_regime("at-use", ttl_s=300.0)
    population = FleetPopulation(scenario("poisson"), regime, seed_key(1))
    assert population.switch_path == "exact"


def test_auto_aggregates_only_what_would_take_long() -> None:
    small = scenario("auto")
    assert FleetPopulation(small, REGIME, seed_key(1)).switch_path == "exact"
    busy = WORK.model_copy(update={"rate_hz": 100.0})
    large = make_scenario(REGIME, agents=100_000, tasks=(busy,))
    assert FleetPopulation(large, REGIME, seed_key(1)).switch_path == "poisson"
