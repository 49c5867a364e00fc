"""An agent's switches: counted when it is touched, from the same keyed draws at the same instants.

They touch nothing but the agent itself, so nobody executes them in order.
"""

from math import inf

import numpy as np

from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.spec.rules import AT_USE
from simulator.fleet.laws import (
    active_at,
    gap,
    kept_at,
    task_at,
)
from simulator.fleet.layout import (
    BLOCK,
    NO_SERIAL,
    RECORD,
    TASK_MASK,
    AgentClass,
    Fleet,
    Lane,
    Record,
    holder_of,
    log_event,
)
from simulator.fleet.memory import int64, kernel, table
from simulator.fleet.slots import accepted_from_s, expires_s, issues, retag
from simulator.population import EventKind

SWITCH = int(EventKind.SWITCH)
GAP, MARK = np.uint64(Stream.SWITCH_GAP), np.uint64(Stream.SWITCH_MARK)
DIURNAL = np.uint64(Stream.DIURNAL)


@kernel
def replay(
    fleet: Fleet, lane: Lane, agent_class: AgentClass, agent: int, first: int, to_s: float
) -> None:
    """Execute an agent's switches strictly before ``to_s``; ``first`` is its first record."""
    records = table(fleet.records, fleet.record_count, RECORD)
    clock = records[first]
    if fleet.aggregated or clock.next_switch_s >= to_s:
        return
    lazy = fleet.rule != AT_USE and not fleet.tracing and not agent_class.refused
    if agent_class.plain and lazy:
        _replay_plain(fleet, lane, agent_class, agent, first, to_s)
    else:
        _replay_any(fleet, lane, agent_class, agent, first, to_s)


@kernel
def _replay_plain(
    fleet: Fleet, lane: Lane, agent_class: AgentClass, agent: int, first: int, to_s: float
) -> None:
    """One always-active task and a timer rule: every candidate is a switch, none asks."""
    records = table(fleet.records, fleet.record_count, RECORD)
    clock = records[first]
    held = holder_of(agent_class, first)
    ends_s = expires_s(fleet, agent_class, records[held], held)
    key = entity_key(fleet.seed_key, np.uint64(agent), GAP)
    drawn_s = table(lane.drawn, BLOCK, np.float64)
    rate_hz = agent_class.rate_hz
    t_s = clock.next_switch_s
    begin = np.uint64(clock.candidate)
    n = begin
    failures = 0
    while t_s < to_s:
        for j in range(BLOCK):  # independent of each other, hence drawn by vector units
            drawn_s[j] = gap(keyed_uniform(key, n + np.uint64(1 + j)), rate_hz)
        later_s = t_s
        for j in range(BLOCK):
            later_s += drawn_s[j]
            drawn_s[j] = later_s
        within = BLOCK - 1
        if later_s >= to_s:  # counted, not branched on: where it ends cannot be foreseen
            within = 0
            for j in range(BLOCK - 1):
                within += drawn_s[j] < to_s
        if ends_s < to_s:
            failures += t_s >= ends_s
            for j in range(within):
                failures += drawn_s[j] >= ends_s
        t_s = drawn_s[within]
        n += np.uint64(within + 1)
    clock.next_switch_s = t_s
    clock.candidate = np.uint32(n)
    retag(clock, TASK_MASK, 1)
    lane.switches += int64(n - begin)
    lane.auth_failures += failures


@kernel
def _replay_any(
    fleet: Fleet, lane: Lane, agent_class: AgentClass, agent: int, first: int, to_s: float
) -> None:
    """Any class and rule, with or without a trace."""
    clock = table(fleet.records, fleet.record_count, RECORD)[first]
    gaps = entity_key(fleet.seed_key, np.uint64(agent), GAP)
    marks = entity_key(fleet.seed_key, np.uint64(agent), MARK)
    t_s = clock.next_switch_s
    n = np.uint64(clock.candidate)
    while t_s < to_s:
        task = task_of(agent_class, marks, n)
        if agent_class.plain or is_switch(fleet, agent_class, agent, task, n, t_s):
            _switch(fleet, lane, agent_class, agent, first, task, t_s)
        n += np.uint64(1)
        t_s += gap(keyed_uniform(gaps, n), agent_class.rate_hz)
    clock.next_switch_s = t_s
    clock.candidate = np.uint32(n)


@kernel
def task_of(agent_class: AgentClass, marks: np.uint64, n: np.uint64) -> int:
    """Return the task of candidate ``n``."""
    if agent_class.plain:
        return 0
    mark_hz = keyed_uniform(marks, n) * agent_class.rate_hz
    return task_at(mark_hz, agent_class.cumulative_hz[: agent_class.tasks])


@kernel
def is_switch(
    fleet: Fleet, agent_class: AgentClass, agent: int, task: int, n: np.uint64, t_s: float
) -> bool:
    """Return whether neither the task's hours nor the class's profile thin a candidate away."""
    if not active_at(t_s, fleet.start_hour, int64(agent_class.active_masks[task])):
        return False
    if not agent_class.weighted:
        return True
    u = keyed_uniform(entity_key(fleet.seed_key, np.uint64(agent), DIURNAL), n)
    return kept_at(t_s, fleet.start_hour, agent_class.weights, u)


@kernel
def _switch(
    fleet: Fleet,
    lane: Lane,
    agent_class: AgentClass,
    agent: int,
    first: int,
    task: int,
    t_s: float,
) -> None:
    """Count one switch, and whether it found a valid credential."""
    records = table(fleet.records, fleet.record_count, RECORD)
    retag(records[first], TASK_MASK, task + 1)
    lane.switches += 1
    i = first + task if fleet.one_task else holder_of(agent_class, first)
    record = records[i]
    if (
        fleet.per_request
        or issues(record) == NO_SERIAL
        or t_s >= expires_s(fleet, agent_class, record, i)
    ):
        if fleet.rule == AT_USE and t_s >= record.event_s:  # the last attempt was accepted
            lane.waits += 1
        else:
            lane.auth_failures += 1
    elif agent_class.refused:
        lane.auth_failures += t_s < accepted_from_s(fleet, agent_class, agent, record.issued_s)
    if fleet.tracing:
        log_event(lane, t_s, SWITCH, agent, task, issues(record) - 1)


@kernel
def next_use(
    fleet: Fleet,
    agent_class: AgentClass,
    agent: int,
    first: int,
    slot: int,
    from_s: float,
    until_s: float,
) -> float:
    """Return the first switch that uses a slot in [from_s, until_s), looking ahead; else inf."""
    clock: Record = table(fleet.records, fleet.record_count, RECORD)[first]
    gaps = entity_key(fleet.seed_key, np.uint64(agent), GAP)
    marks = entity_key(fleet.seed_key, np.uint64(agent), MARK)
    t_s = clock.next_switch_s
    n = np.uint64(clock.candidate)
    while t_s < until_s:
        if t_s >= from_s:
            if agent_class.plain:
                return t_s
            task = task_of(agent_class, marks, n)
            if (task == slot or not fleet.one_task) and is_switch(
                fleet, agent_class, agent, task, n, t_s
            ):
                return t_s
        n += np.uint64(1)
        t_s += gap(keyed_uniform(gaps, n), agent_class.rate_hz)
    return inf
