"""The switch law: resumable, memoryless, thinned by the hour, independent of everything else."""

from itertools import islice, takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenarios.demand.streams import seed_key
from scenarios.demand.switches import (
    Switch,
    SwitchLaw,
    mean_rates_hz,
    switch_law,
    switches,
    use_rate_hz,
)
from scenarios.spec.schema import Task, Workload


def workload(
    *tasks: tuple[float, tuple[tuple[int, int], ...]], diurnal: tuple[float, ...] = ()
) -> Workload:
    return Workload(
        name="w",
        count=1,
        diurnal=diurnal,
        tasks=tuple(
            Task(name=f"t{i}", rate_hz=rate, permissions=("a:b",), active_hours=hours)
            for i, (rate, hours) in enumerate(tasks)
        ),
    )


ALWAYS = ((0, 24),)


@given(st.integers(0, 2**40), st.integers(0, 10**9), st.integers(1, 60))
@settings(max_examples=30)
def test_a_stream_resumes_where_it_was_left(seed: int, agent: int, cut: int) -> None:
    law = switch_law(workload((0.5, ((3, 5), (22, 1))), (0.25, ALWAYS)), 23.5)
    key = seed_key(seed)
    whole = list(islice(switches(key, agent, law), cut + 20))
    last = whole[cut - 1]
    resumed = list(islice(switches(key, agent, law, last.t_s, last.candidate + 1), 20))
    assert resumed == whole[cut:]


def test_gaps_of_an_always_active_task_are_exponential() -> None:
    law = switch_law(workload((2.0, ALWAYS)), 0.0)
    times = [s.t_s for s in islice(switches(seed_key(1), 0, law), 4000)]
    assert stats.kstest(np.diff([0.0, *times]), "expon", args=(0, 0.5)).pvalue > 1e-3


def test_thinning_gives_each_task_its_rate_and_its_hours() -> None:
    load = workload((0.02, ((8, 20),)), (0.01, ((22, 6),)))
    day_s = 86400.0
    law = switch_law(load, 12.0)
    starts: list[list[float]] = [[], []]
    for agent in range(60):
        for s in takewhile(lambda s: s.t_s < day_s, switches(seed_key(3), agent, law)):
            starts[s.task].append((12.0 + s.t_s / 3600) % 24)
    assert all(8 <= hour < 20 for hour in starts[0])
    assert all(hour >= 22 or hour < 6 for hour in starts[1])
    for found, rate_hz in zip(starts, mean_rates_hz(load, 12.0, day_s), strict=True):
        expected = 60 * day_s * rate_hz
        assert abs(len(found) - expected) < 4 * expected**0.5


def test_use_rate_counts_what_is_active_at_the_start() -> None:
    law = switch_law(workload((0.02, ((8, 20),)), (0.01, ((22, 6),)), (0.5, ALWAYS)), 9.0)
    assert use_rate_hz(law) == pytest.approx(0.52)
    assert use_rate_hz(law, 1) == 0.0
    assert use_rate_hz(law, 2) == pytest.approx(0.5)


PROFILE = tuple(0.25 if 6 <= hour < 18 else 1.0 for hour in range(24))


def test_a_profile_thins_by_the_hour_and_moves_no_candidate() -> None:
    day_s, rate_hz, agents = 86400.0, 0.02, 60
    plain, weighted = (
        switch_law(workload((rate_hz, ALWAYS), diurnal=weights), 3.0) for weights in ((), PROFILE)
    )
    by_hour = np.zeros(24)
    for agent in range(agents):
        every = {s.candidate: s.t_s for s in until(plain, agent, day_s)}
        for s in until(weighted, agent, day_s):
            assert every[s.candidate] == s.t_s
            by_hour[int((3.0 + s.t_s / 3600) % 24)] += 1
    expected = agents * 3600 * rate_hz * np.array(PROFILE)
    z = (by_hour - expected) / np.sqrt(expected)
    assert stats.chi2.sf(z @ z, 24) > 1e-3
    assert by_hour.sum() < 0.7 * agents * day_s * rate_hz, "five eighths on average"


def until(law: SwitchLaw, agent: int, to_s: float) -> list[Switch]:
    return list(takewhile(lambda s: s.t_s < to_s, switches(seed_key(5), agent, law)))


def test_mean_and_starting_rates_know_the_profile() -> None:
    load = workload((0.02, ALWAYS), (0.01, ((0, 12),)), diurnal=PROFILE)
    assert use_rate_hz(switch_law(load, 7.5)) == pytest.approx(0.25 * 0.03)
    assert mean_rates_hz(load, 5.0, 2 * 3600.0) == pytest.approx((0.625 * 0.02, 0.625 * 0.01))
    assert mean_rates_hz(load, 11.0, 2 * 3600.0) == pytest.approx((0.25 * 0.02, 0.125 * 0.01))


def test_an_agent_without_rate_never_switches() -> None:
    assert list(switches(seed_key(1), 0, switch_law(workload((0.0, ALWAYS)), 0.0))) == []
