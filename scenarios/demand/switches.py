"""When an agent switches to which task: a keyed, thinned Poisson process.

Candidate n follows candidate n−1 after −ln(u(SWITCH_GAP, n))/Λ, Λ the sum of the class's rates; a
mark u(SWITCH_MARK, n)·Λ picks the task, and an inactive task thins the candidate away, as does a
u(DIURNAL, n) of at least the class's weight at that hour, if it has weights (Lewis and Shedler
1979, "Simulation of nonhomogeneous Poisson processes by thinning"). Nothing else in the
model changes a switch, so anybody can compute them: the reference, the kernel, the control plane
that wants to know when a victim next uses its credential, and the arrival schedule.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import NamedTuple

import numpy as np

from scenarios.demand.streams import Stream, entity_key, keyed_uniform, ln
from scenarios.spec.rules import hour_of_day, is_active
from scenarios.spec.schema import Workload


class SwitchLaw(NamedTuple):
    """What a workload class needs to draw its switches."""

    total_rate_hz: float
    cumulative_hz: tuple[float, ...]
    """running sum of the tasks' rates, in order"""
    active_masks: tuple[int, ...]
    """bit h is set when the task is active in hour h of the day"""
    start_hour: float
    diurnal: tuple[float, ...] = ()
    """share of the rates by hour of day; 1 when empty"""

    @property
    def plain(self) -> bool:
        """Whether there is one always-active task, so that every candidate is a switch."""
        return self.active_masks == (ALL_DAY,) and not self.diurnal

    def weight(self, hour: int) -> float:
        """Return the share of the rates at an hour of day."""
        return self.diurnal[hour] if self.diurnal else 1.0


class Switch(NamedTuple):
    """One task start."""

    t_s: float
    task: int
    candidate: int
    """number of the candidate that became this switch"""


ALL_DAY = (1 << 24) - 1


def switch_law(workload: Workload, start_hour: float) -> SwitchLaw:
    """Return the law of one workload class in a run that starts at ``start_hour`` of the day."""
    total, cumulative = 0.0, []
    for task in workload.tasks:
        total += task.rate_hz
        cumulative.append(total)
    masks = [
        sum(1 << h for h in range(24) if any(is_active(h, a, b) for a, b in task.active_hours))
        for task in workload.tasks
    ]
    return SwitchLaw(total, tuple(cumulative), tuple(masks), start_hour, workload.diurnal)


def mean_starts(
    workload: Workload,
    start_hour: float,
    since_s: float,
    until_s: float,
    counted: Callable[[int], bool] = lambda _: True,
) -> float:
    """Return how many tasks one agent starts in a span, on average.

    Args:
        workload: the agent's class.
        start_hour: of the day at which the run starts.
        since_s: beginning of the span.
        until_s: its end.
        counted: whether a task, by its number, is counted.
    """
    total, t_s = 0.0, since_s
    while t_s < until_s:
        hour = hour_of_day(t_s, start_hour)
        step_s = min(until_s - t_s, max(1e-6, (int(hour) + 1 - hour) * 3600.0))
        weight = workload.diurnal[int(hour)] if workload.diurnal else 1.0
        total += (
            step_s
            * weight
            * sum(
                task.rate_hz
                for number, task in enumerate(workload.tasks)
                if counted(number)
                and any(is_active(int(hour), begin, end) for begin, end in task.active_hours)
            )
        )
        t_s += step_s
    return total


def gap(u: float, total_rate_hz: float) -> float:
    """Return the time to the next candidate; inf where nothing ever happens."""
    return -ln(u) / total_rate_hz if total_rate_hz > 0.0 else inf


def task_at(mark_hz: float, cumulative_hz: tuple[float, ...]) -> int:
    """Return the first task whose cumulated rate exceeds ``mark_hz``."""
    for task in range(len(cumulative_hz) - 1):
        if mark_hz < cumulative_hz[task]:
            return task
    return len(cumulative_hz) - 1


def active_at(t_s: float, start_hour: float, active_mask: int) -> bool:
    """Return whether the mask has the hour of day of run time ``t_s``."""
    return (active_mask >> int(hour_of_day(t_s, start_hour))) & 1 == 1


def kept_at(t_s: float, start_hour: float, weights: tuple[float, ...], u: float) -> bool:
    """Return whether the weight of the hour of day of run time ``t_s`` keeps a candidate."""
    return u < weights[int(hour_of_day(t_s, start_hour))]


def switches(
    seed_key: np.uint64, agent: int, law: SwitchLaw, t_s: float = 0.0, candidate: int = 0
) -> Iterator[Switch]:
    """Yield an agent's switches in order, without end where its rate is positive.

    Args:
        seed_key: from ``streams.seed_key``.
        agent: number of the agent.
        law: of its class.
        t_s: time of candidate ``candidate − 1``; a caller resumes with a yielded switch's ``t_s``
            and ``candidate + 1``.
        candidate: number of the first candidate to draw.
    """
    if law.total_rate_hz <= 0.0:
        return
    gaps = entity_key(seed_key, np.uint64(agent), np.uint64(Stream.SWITCH_GAP))
    marks = entity_key(seed_key, np.uint64(agent), np.uint64(Stream.SWITCH_MARK))
    thins = entity_key(seed_key, np.uint64(agent), np.uint64(Stream.DIURNAL))
    plain = law.plain
    while True:
        t_s += gap(keyed_uniform(gaps, np.uint64(candidate)), law.total_rate_hz)
        task = 0
        if not plain:
            mark = keyed_uniform(marks, np.uint64(candidate)) * law.total_rate_hz
            task = task_at(mark, law.cumulative_hz)
        if plain or (
            active_at(t_s, law.start_hour, law.active_masks[task])
            and (
                not law.diurnal
                or kept_at(
                    t_s, law.start_hour, law.diurnal, keyed_uniform(thins, np.uint64(candidate))
                )
            )
        ):
            yield Switch(t_s, task, candidate)
        candidate += 1


def use_rate_hz(law: SwitchLaw, task: int | None = None) -> float:
    """Return the rate of switches at the starting hour, to one task or to any."""
    hour, before_hz, rate_hz = int(law.start_hour), 0.0, 0.0
    for index, (cumulated_hz, mask) in enumerate(
        zip(law.cumulative_hz, law.active_masks, strict=True)
    ):
        if (mask >> hour) & 1 and task in (None, index):
            rate_hz += cumulated_hz - before_hz
        before_hz = cumulated_hz
    return rate_hz * law.weight(hour)


def mean_rates_hz(workload: Workload, start_hour: float, span_s: float) -> tuple[float, ...]:
    """Return each task's mean rate over the first ``span_s`` of a run.

    Exact: the share of the span in which a task is active, times the class's weight, hour by hour.
    """
    law = switch_law(workload, start_hour)
    active_s = [0.0] * len(workload.tasks)
    t_s = 0.0
    while t_s < span_s:
        hour = hour_of_day(t_s, start_hour)
        step_s = min(span_s - t_s, max(1e-6, (int(hour) + 1 - hour) * 3600.0))
        for task, mask in enumerate(law.active_masks):
            active_s[task] += step_s * law.weight(int(hour)) if (mask >> int(hour)) & 1 else 0.0
        t_s += step_s
    return tuple(
        task.rate_hz * seconds / span_s
        for task, seconds in zip(workload.tasks, active_s, strict=True)
    )
