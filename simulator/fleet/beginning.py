"""What every agent holds at t = 0, and what it asks for first."""

from math import inf

import numpy as np
from numba import types

from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.spec.rules import AT_USE
from simulator.fleet.agents import ask_next, at_sync
from simulator.fleet.laws import (
    by_own_clock,
    entry_delay,
    expiry,
    gap,
    initial_slot,
    walked_slot,
)
from simulator.fleet.layout import (
    BATCH,
    BATCHES,
    ENTRY,
    FLEET,
    NO_SERIAL,
    PARTS,
    RECORD,
    REVOKED,
    SERIAL_SHIFT,
    AgentClass,
    Fleet,
    Record,
    class_of,
    first_record,
    users_of,
)
from simulator.fleet.losses import lose
from simulator.fleet.memory import entry, kernel, table
from simulator.fleet.slots import age_at_renewal, behind_s, granted_s, retag
from simulator.fleet.wheel import put

GAP, MARK = np.uint64(Stream.SWITCH_GAP), np.uint64(Stream.SWITCH_MARK)
INITIAL_AGE = np.uint64(Stream.INITIAL_AGE)
INITIAL_LIFE = np.uint64(Stream.INITIAL_LIFE)
INITIAL_TASK = np.uint64(Stream.INITIAL_TASK)
RESTART = np.uint64(Stream.RESTART)
INITIAL_WALK = np.uint64(Stream.INITIAL_WALK)


@kernel
def _begin_slot(
    fleet: Fleet, agent_class: AgentClass, agent: int, slot: int, record: Record, i: int
) -> float:
    """Give a slot what it holds at t = 0; return when it is due."""
    if fleet.cold:
        record.issued_s = inf
        key = entity_key(fleet.seed_key, np.uint64(agent), RESTART)
        again_s = entry_delay(key, 0, slot, fleet.entry_reload_s, fleet.agent_sync_s)
        lose(fleet, i, 0.0, again_s)
        if fleet.rule != AT_USE:
            retag(record, 0, REVOKED)  # as if what it held had ended at t = 0
        return again_s
    if fleet.synchronised:
        record.issued_s = 0.0
        due_s = age_at_renewal(fleet, agent_class, agent, slot, 0, 0.0)
        ends_s = expiry(0.0, granted_s(fleet, agent_class, 0.0))
    elif agent_class.shortened:
        record.issued_s, due_s, ends_s = walked_slot(
            fleet.rule,
            agent_class.ttl_s,
            fleet.fraction,
            fleet.jitter,
            fleet.poll_s,
            fleet.before_expiry_s,
            fleet.target_s,
            fleet.target_jitter_s,
            fleet.grace_s,
            fleet.forgotten_share,
            fleet.mended_within_s,
            agent_class.use_hz[slot],
            behind_s(fleet, agent_class, agent),
            agent_class.ca_since_s,
            agent_class.ca_term_s,
            agent_class.ca_life_s,
            entity_key(fleet.seed_key, np.uint64(agent), INITIAL_WALK),
            slot,
            0.0,
        )
    else:
        record.issued_s, due_s, ends_s = initial_slot(
            fleet.rule,
            agent_class.ttl_s,
            fleet.fraction,
            fleet.jitter,
            fleet.poll_s,
            fleet.before_expiry_s,
            fleet.target_s,
            fleet.target_jitter_s,
            fleet.grace_s,
            fleet.forgotten_share,
            fleet.mended_within_s,
            agent_class.use_hz[slot],
            entity_key(fleet.seed_key, np.uint64(agent), INITIAL_AGE),
            entity_key(fleet.seed_key, np.uint64(agent), INITIAL_LIFE),
            entity_key(fleet.seed_key, np.uint64(agent), INITIAL_TASK),
            slot,
        )
        late_s = behind_s(fleet, agent_class, agent)
        record.issued_s, due_s = by_own_clock(record.issued_s, due_s, late_s)
        ends_s = expiry(record.issued_s, agent_class.ttl_s)
    if record.issued_s < inf:
        record.tag = np.uint32(1 << SERIAL_SHIFT)
    if fleet.rule == AT_USE:
        return min(due_s, ends_s + behind_s(fleet, agent_class, agent))
    return due_s


@entry(types.void(types.uint64, types.int64, types.int64, types.int64))
def begin(place: np.uint64, part: int, first_agent: int, end_agent: int) -> None:
    """Put a part of some agents into their state at t = 0; their first requests go to batch 0."""
    fleet = table(place, 1, FLEET)[0]
    records = table(fleet.records, fleet.record_count, RECORD)
    answers = table(table(fleet.batches, BATCHES, BATCH)[0].entries, fleet.batch_capacity, ENTRY)
    share = (end_agent - first_agent + PARTS - 1) // PARTS
    base = first_record(fleet, first_agent)
    low = first_agent + share * part
    for agent in range(low, min(low + share, end_agent)):
        first = first_record(fleet, agent)
        agent_class = class_of(fleet, first)
        key = entity_key(fleet.seed_key, np.uint64(agent), GAP)
        records[first].next_switch_s = gap(keyed_uniform(key, np.uint64(0)), agent_class.rate_hz)
        if users_of(agent_class, first) == 0:
            records[first].event_s = inf
            put(answers, first - base, inf, first, NO_SERIAL)
            continue
        for slot in range(agent_class.slots):
            i = first + slot
            due_s = _begin_slot(fleet, agent_class, agent, slot, records[i], i)
            if fleet.renewal_sync_s > 0.0 and not fleet.cold:
                due_s = at_sync(fleet, i, due_s)
            ask_next(fleet, agent_class, agent, slot, i, due_s, 0.0, answers, i - base)
