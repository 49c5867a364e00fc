"""Agents that restart: entries on the wheel, each of which makes the next one.

Executed in turns only (``turns``), for a restart may cause a request at any instant after it.
"""

from math import inf

import numpy as np

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key
from simulator.fleet.agents import ask_next, file_entry, take_note
from simulator.fleet.issuer import ISSUER, void
from simulator.fleet.laws import entry_delay, restart_gap
from simulator.fleet.layout import (
    ENTRY,
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
    is_restart,
    log_event,
)
from simulator.fleet.losses import lose, lost
from simulator.fleet.memory import Table, int64, kernel, table
from simulator.fleet.slots import expires_s, flag, in_flight, issues, retag
from simulator.fleet.switching import replay
from simulator.fleet.wheel import WHEEL, put
from simulator.population import EventKind

LOST = int(EventKind.RESTART)
OF_AGENT = np.uint64(Stream.RESTART)


@kernel
def take_any_note(fleet: Fleet, lane: Lane, answers: Table[Entry], position: int) -> int:
    """Let an agent take note of an answer or restart; return how many rows that may have logged."""
    if is_restart(int64(answers[position].note)):
        restart(fleet, lane, answers, position)
        return SLOTS
    take_note(fleet, lane, answers, position)
    return 1


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
        file_entry(table(fleet.wheel, 1, WHEEL)[0], asked[0])
