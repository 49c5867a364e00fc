"""Agents that restart: entries on the wheel, each of which makes the next one.

Executed in turns only (``turns``), for a restart may cause a request at any instant after it.
"""

from math import inf

import numpy as np
from numba import types

from scenarios.demand.streams import Stream, entity_key
from simulator.fleet.agents import (
    ask_next,
    expires_s,
    file_asked,
    flag,
    in_flight,
    issues,
    replay,
    retag,
)
from simulator.fleet.issuer import ISSUER, void
from simulator.fleet.laws import entry_delay, node_delay, restart_gap
from simulator.fleet.layout import (
    AGENT_CLASS,
    ENTRY,
    FLEET,
    ISSUE,
    NO_SERIAL,
    RECORD,
    RESTART,
    RESTART_OF_NODE,
    REVOKED,
    WATCHED,
    AgentClass,
    Entry,
    Fleet,
    Lane,
    agent_and_slot,
    class_of,
    log_event,
)
from simulator.fleet.losses import lose, lost
from simulator.fleet.memory import Table, entry, int64, kernel, table
from simulator.fleet.wheel import WHEEL, file, put
from simulator.population import EventKind

LOST = int(EventKind.RESTART)
OF_AGENT, OF_NODE = np.uint64(Stream.RESTART), np.uint64(Stream.MASS_RESTART)


@kernel
def restart(fleet: Fleet, lane: Lane, answers: Table[Entry], position: int) -> None:
    """Let an agent lose what it holds; when it restarts next is left in the place of the answer."""
    answer = answers[position]
    t_s, first, note = answer.t_s, int64(answer.record), int64(answer.note)
    agent_class = class_of(fleet, first)
    agent, _ = agent_and_slot(agent_class, first)
    key = entity_key(fleet.seed_key, np.uint64(agent), OF_AGENT)
    replay(fleet, lane, agent_class, agent, first, t_s)
    for slot in range(agent_class.slots):
        _lose_slot(fleet, lane, agent_class, agent, slot, key, t_s)
    if note == RESTART_OF_NODE:
        put(answers, position, inf, first, note)
        return
    n = (note & (RESTART - 1)) + 1
    next_s = t_s + restart_gap(key, n, agent_class.restart_hz)
    put(answers, position, next_s, first, RESTART | n)


@kernel
def _lose_slot(
    fleet: Fleet,
    lane: Lane,
    agent_class: AgentClass,
    agent: int,
    slot: int,
    key: np.uint64,
    t_s: float,
) -> None:
    """Let a slot lose its document, and ask for it anew unless a request is in flight."""
    records = table(fleet.records, fleet.record_count, RECORD)
    i = agent_class.first_record + (agent - agent_class.first_agent) * agent_class.slots + slot
    record = records[i]
    if issues(record) == NO_SERIAL or lost(fleet, i):
        return
    ended_s = table(fleet.ended_s, fleet.record_count, np.float64)
    ended_s[i] = min(expires_s(fleet, agent_class, record, i), t_s)
    retag(record, REVOKED, REVOKED)
    lane.lost += 1
    if flag(records[i - slot], WATCHED):
        row = table(lane.log, fleet.batch_capacity, ISSUE)[lane.log_rows]
        row.issued_s = t_s
        row.record = np.uint32(i)
        row.serial = np.int32(-issues(record))  # the complement of the serial: none of an issue
        lane.log_rows += 1
    if fleet.tracing:
        log_event(lane, t_s, LOST, agent, slot, issues(record) - 1)
    if in_flight(record, t_s):
        lose(fleet, i, t_s, -inf)
        return
    delay_s = entry_delay(key, issues(record), slot, fleet.entry_reload_s, fleet.agent_sync_s)
    again_s = t_s + delay_s
    lose(fleet, i, t_s, again_s)
    was_s = record.event_s
    asked = table(fleet.spare, 1, ENTRY)
    ask_next(fleet, agent_class, agent, slot, i, again_s, t_s, asked, 0)
    if record.event_s != was_s:
        void(table(fleet.issuer, 1, ISSUER)[0], i, was_s)
        file_asked(table(fleet.wheel, 1, WHEEL)[0], asked[0])


@entry(types.void(types.uint64))
def begin_restarts(place: np.uint64) -> None:
    """File the first restart of every agent that restarts by itself."""
    fleet = table(place, 1, FLEET)[0]
    wheel = table(fleet.wheel, 1, WHEEL)[0]
    classes = table(fleet.classes, fleet.class_count, AGENT_CLASS)
    for c in range(fleet.class_count):
        agent_class = classes[c]
        if agent_class.restart_hz <= 0.0:
            continue
        for n in range(agent_class.agents):
            key = entity_key(fleet.seed_key, np.uint64(agent_class.first_agent + n), OF_AGENT)
            first = agent_class.first_record + n * agent_class.slots
            file(wheel, restart_gap(key, 0, agent_class.restart_hz), first, RESTART)


@entry(types.void(types.uint64, types.float64, types.int64, types.float64, types.float64))
def restart_nodes(place: np.uint64, now_s: float, fault: int, share: float, over_s: float) -> None:
    """File the restarts of a share of the nodes, each at its instant of a window."""
    fleet = table(place, 1, FLEET)[0]
    wheel = table(fleet.wheel, 1, WHEEL)[0]
    classes = table(fleet.classes, fleet.class_count, AGENT_CLASS)
    for c in range(fleet.class_count):
        agent_class = classes[c]
        for n in range(agent_class.agents):
            node = agent_class.first_node + n // agent_class.agents_per_node
            key = entity_key(fleet.seed_key, np.uint64(node), OF_NODE)
            delay_s = node_delay(key, fault, share, over_s)
            if delay_s < inf:
                first = agent_class.first_record + n * agent_class.slots
                file(wheel, now_s + delay_s, first, RESTART_OF_NODE)
