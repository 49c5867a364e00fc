"""The agents: lazy, replayed exactly when something shared touches them.

Each agent is touched once a renewal: it takes note of the issuer's answer, catches up with its
switches (``switching``) and says when it asks next.
"""

from math import inf

import numpy as np
from numba import types

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.spec.rules import AT_USE
from simulator.fleet import laws  # noqa: F401  (makes the laws callable from here)
from simulator.fleet.issuer import (
    ISSUED,
    TIMED_OUT,
)
from simulator.fleet.laws import (
    backoff_delay,
    next_sync,
)
from simulator.fleet.layout import (
    BATCH,
    BATCHES,
    ENTRY,
    FLEET,
    ISSUE,
    LANE,
    LANES,
    RECORD,
    REFUSED,
    REVOKED,
    SERIAL_SHIFT,
    SHARD,
    SHARDS,
    SPAN,
    WAKE,
    WATCHED,
    AgentClass,
    Entry,
    Fleet,
    Lane,
    Record,
    agent_and_slot,
    class_of,
    log_event,
    node_of,
    records_of,
    users_of,
)
from simulator.fleet.losses import asked_again_s, count_first, lost, stop_idling
from simulator.fleet.memory import Table, entry, int64, kernel, prefetch, table
from simulator.fleet.slots import (
    accepted_from_s,
    age_at_renewal,
    behind_s,
    expires_s,
    flag,
    issues,
    overdue_s,
    retag,
)
from simulator.fleet.switching import next_use, replay
from simulator.fleet.wheel import Wheel, file, put

SYNC_PHASE = np.uint64(Stream.SYNC_PHASE)
BACKOFF = np.uint64(Stream.BACKOFF)
AHEAD = 12
"""answers between the request for a cache line and its use"""
STRIDE = np.uint64(RECORD.itemsize)


@kernel
def ask_next(
    fleet: Fleet,
    agent_class: AgentClass,
    agent: int,
    slot: int,
    i: int,
    due_s: float,
    now_s: float,
    answers: Table[Entry],
    position: int,
) -> None:
    """Write when record ``i`` makes its next request, as an entry and into the record.

    By timer that is when it is due; at use, the first use from then on. An agent whose next use
    is farther than ``scan_s`` wakes ``margin_s`` before that horizon and looks further.
    """
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    note = issues(record)
    t_s = due_s
    if fleet.rule == AT_USE:
        until_s = max(now_s, due_s) + fleet.scan_s
        t_s = next_use(fleet, agent_class, agent, i - slot, slot, due_s, until_s)
        if t_s == inf:
            t_s = until_s - fleet.margin_s
            note = WAKE
    record.event_s = t_s
    put(answers, position, t_s, i, note)


@kernel
def at_sync(fleet: Fleet, i: int, due_s: float) -> float:
    """Return when a renewal that is due is asked for, where that waits for the node's next sync."""
    if fleet.rule == AT_USE:
        return due_s
    key = entity_key(fleet.seed_key, np.uint64(node_of(fleet, i)), SYNC_PHASE)
    phase_s = keyed_uniform(key, np.uint64(0)) * fleet.renewal_sync_s
    return next_sync(due_s, phase_s, fleet.renewal_sync_s)


@kernel
def due_next(
    fleet: Fleet, agent_class: AgentClass, agent: int, slot: int, i: int, serial: int
) -> float:
    """Return from when on what record ``i`` was just issued makes a request."""
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    issued_s: float = record.issued_s
    due_s = issued_s + age_at_renewal(fleet, agent_class, agent, slot, serial, issued_s)
    if fleet.rule == AT_USE:
        late_s = behind_s(fleet, agent_class, agent)
        return min(due_s, expires_s(fleet, agent_class, record, i) + late_s)
    return at_sync(fleet, i, due_s) if fleet.renewal_sync_s > 0.0 else due_s


@kernel
def due_at_use(
    fleet: Fleet, agent_class: AgentClass, agent: int, slot: int, record: Record, i: int
) -> float:
    """Return from when on a use makes a request (AT_USE); −inf for an empty slot."""
    if lost(fleet, i):
        return asked_again_s(fleet, i)
    serial = issues(record) - 1
    if serial < 0:
        return -inf
    issued_s = record.issued_s
    due_s = issued_s + age_at_renewal(fleet, agent_class, agent, slot, serial, issued_s)
    if fleet.hurried:
        hurried_s = table(fleet.hurried_s, fleet.record_count, np.float64)[i]
        due_s = min(due_s, hurried_s) if hurried_s > 0.0 else due_s
    expired_s = expires_s(fleet, agent_class, record, i) + behind_s(fleet, agent_class, agent)
    return min(due_s, expired_s)


@kernel
def note_span(fleet: Fleet, lane: Lane, agent: int, users: int, from_s: float, to_s: float) -> None:
    """Note a time in which nothing that an agent holds is accepted, for the bulk count."""
    if from_s < to_s:
        span = table(lane.spans, 2 * fleet.batch_capacity, SPAN)[lane.span_rows]
        span.agent = agent
        span.users = users
        span.from_s = from_s
        span.to_s = to_s
        lane.span_rows += 1


@kernel
def count_tenure(
    fleet: Fleet,
    lane: Lane,
    agent_class: AgentClass,
    agent: int,
    first: int,
    i: int,
    t_s: float,
) -> None:
    """Count what was done with what record ``i`` held, which is replaced now."""
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    users = users_of(agent_class, first)
    for user in range(users):  # more than one: of one slot each
        replay(fleet, lane, agent_class, agent + user, first + user, t_s)
    late_s = overdue_s(fleet, agent_class, record, i, t_s)
    if fleet.aggregated:
        if agent_class.refused:
            refused_to_s = accepted_from_s(fleet, agent_class, agent, record.issued_s)
            refused_to_s = min(refused_to_s, expires_s(fleet, agent_class, record, i))
            from_s = max(0.0, record.issued_s)
            note_span(fleet, lane, agent, users, from_s, min(t_s, refused_to_s))
        if late_s > 0.0:
            expired_s = expires_s(fleet, agent_class, record, i)
            note_span(fleet, lane, agent, users, max(0.0, expired_s), t_s)
    if late_s > 0.0:
        shard = table(fleet.shards, SHARDS, SHARD)[agent * SHARDS // fleet.agents]
        shard.expired_s += late_s * users


@kernel
def renew(
    fleet: Fleet, lane: Lane, t_s: float, i: int, answers: Table[Entry], position: int
) -> None:
    """Take note of an issue to record ``i``."""
    agent_class = class_of(fleet, i)
    agent, slot = agent_and_slot(agent_class, i)
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    first = i - slot
    count_tenure(fleet, lane, agent_class, agent, first, i, t_s)
    count_first(fleet, lane, i, -inf if flag(record, REFUSED) else record.event_s, t_s)
    serial = issues(record)
    record.issued_s = t_s
    retag(record, REFUSED | REVOKED, 0)
    record.tag += np.uint32(1 << SERIAL_SHIFT)
    if fleet.hurried:
        table(fleet.hurried_s, fleet.record_count, np.float64)[i] = 0.0
    if fleet.has_deadline:
        table(fleet.timeouts, fleet.record_count, np.uint32)[i] = 0
    due_s = due_next(fleet, agent_class, agent, slot, i, serial)
    ask_next(fleet, agent_class, agent, slot, i, due_s, t_s, answers, position)
    if flag(table(fleet.records, fleet.record_count, RECORD)[first], WATCHED):
        row = table(lane.log, fleet.batch_capacity, ISSUE)[lane.log_rows]
        row.issued_s = t_s
        row.record = np.uint32(i)
        row.serial = np.int32(serial)
        lane.log_rows += 1
    if fleet.tracing:
        log_event(lane, t_s, ISSUED, agent, slot, serial)


@kernel
def back_off(
    fleet: Fleet, lane: Lane, t_s: float, i: int, answers: Table[Entry], position: int
) -> None:
    """Take note of a refusal or a time-out of record ``i``'s request."""
    agent_class = class_of(fleet, i)
    agent, slot = agent_and_slot(agent_class, i)
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    if fleet.rule == AT_USE:
        replay(fleet, lane, agent_class, agent, i - slot, t_s)
    refusals = table(fleet.refusals, fleet.record_count, np.uint32)
    count = int64(refusals[i]) + 1 if flag(record, REFUSED) else 1
    refusals[i] = np.uint32(count)
    if count == 1 and lost(fleet, i):
        stop_idling(fleet, i, record.event_s)
    key = entity_key(fleet.seed_key, np.uint64(agent), BACKOFF)
    k = np.uint64(SLOTS * issues(record) + slot + (count << 40))
    delay_s = backoff_delay(
        count,
        fleet.backoff_base_s,
        fleet.backoff_factor,
        fleet.backoff_cap_s,
        fleet.backoff_jitter,
        keyed_uniform(key, k),
    )
    record.event_s = t_s + delay_s
    retag(record, REFUSED, REFUSED)
    put(answers, position, record.event_s, i, issues(record))


@kernel
def look_further(
    fleet: Fleet, lane: Lane, t_s: float, i: int, answers: Table[Entry], position: int
) -> None:
    """Look for the next use of a slot that had none within the last horizon (AT_USE)."""
    agent_class = class_of(fleet, i)
    agent, slot = agent_and_slot(agent_class, i)
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    if record.event_s != t_s:  # a command made it ask meanwhile
        put(answers, position, inf, i, WAKE)
        return
    replay(fleet, lane, agent_class, agent, i - slot, t_s)
    due_s = due_at_use(fleet, agent_class, agent, slot, record, i)
    ask_next(fleet, agent_class, agent, slot, i, due_s, t_s, answers, position)


@kernel
def take_note(fleet: Fleet, lane: Lane, answers: Table[Entry], position: int) -> None:
    """Let an agent take note of one answer; what it asks for next is left in its place."""
    answer = answers[position]
    t_s, i, kind = answer.t_s, int64(answer.record), int64(answer.note)
    if kind == ISSUED:
        renew(fleet, lane, t_s, i, answers, position)
    elif kind == WAKE:
        look_further(fleet, lane, t_s, i, answers, position)
    else:
        if kind == TIMED_OUT:
            table(fleet.timeouts, fleet.record_count, np.uint32)[i] += np.uint32(1)
        back_off(fleet, lane, t_s, i, answers, position)


@kernel
def file_entry(wheel: Wheel, asked: Entry) -> None:
    """File what an agent asks for next, if it asks at all."""
    if asked.t_s < inf:
        file(wheel, asked.t_s, int64(asked.record), int64(asked.note))


@entry(types.void(types.uint64, types.int64, types.int64, types.int64))
def settle(place: np.uint64, b: int, part: int, parts: int) -> None:
    """Let ``parts`` parts of the agents, from ``part`` on, take note of a batch, in order.

    What they ask for next is left in place of the answers, for ``serve`` to file.
    """
    fleet = table(place, 1, FLEET)[0]
    lane = table(fleet.lanes, LANES, LANE)[part]
    batch = table(fleet.batches, BATCHES, BATCH)[b]
    answers = table(batch.entries, fleet.batch_capacity, ENTRY)
    picks = table(
        fleet.picks + np.uint64(4 * part * fleet.batch_capacity), fleet.batch_capacity, np.uint32
    )
    begin, end = records_of(fleet, part, parts)
    mine = 0
    for i in range(batch.count):
        picks[mine] = np.uint32(i)
        mine += begin <= int64(answers[i].record) < end
    for j in range(mine):
        if j + AHEAD < mine:
            prefetch(fleet.records + np.uint64(answers[picks[j + AHEAD]].record) * STRIDE)
        take_note(fleet, lane, answers, int64(picks[j]))
