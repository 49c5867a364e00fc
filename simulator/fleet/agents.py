"""The agents: lazy, replayed exactly when something shared touches them.

An agent's switches touch nothing but itself, so nobody executes them in order: they are counted
when the agent is next issued a credential, is read, or the run ends, from the same keyed draws at
the same instants. Each agent is touched once a renewal.
"""

from math import inf

import numpy as np
from numba import types

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.spec.rules import AT_USE, AVAILABILITY_TARGET, FRACTION_POLLED
from simulator.fleet import laws  # noqa: F401  (makes the laws callable from here)
from simulator.fleet.issuer import (
    ISSUED,
    ISSUER,
    TIMED_OUT,
    Issuer,
    accept,
    count_issue,
    count_refusal,
    log_attempt,
    order,
    overtake,
    refuses,
)
from simulator.fleet.laws import (
    active_at,
    backoff_delay,
    by_own_clock,
    ca_truncation,
    entry_delay,
    expiry,
    gap,
    initial_slot,
    kept_at,
    next_sync,
    renewal_age,
    task_at,
    trusted_from,
    usable_from,
    walked_slot,
)
from simulator.fleet.layout import (
    BATCH,
    BATCHES,
    BLOCK,
    ENTRY,
    FLEET,
    ISSUE,
    LANE,
    LANES,
    LIFE,
    NO_SERIAL,
    PARTS,
    RECORD,
    REFUSED,
    REVOKED,
    SERIAL_SHIFT,
    SHARD,
    SHARDS,
    SPAN,
    TASK_MASK,
    WAKE,
    WATCHED,
    AgentClass,
    Entry,
    Fleet,
    Lane,
    Life,
    Record,
    agent_and_slot,
    class_of,
    first_record,
    holder_of,
    log_event,
    node_of,
    records_of,
    users_of,
)
from simulator.fleet.losses import asked_again_s, count_first, lose, lost, stop_idling
from simulator.fleet.memory import Table, entry, int64, kernel, prefetch, table
from simulator.fleet.wheel import WHEEL, Wheel, file, put
from simulator.population import EventKind

SWITCH = int(EventKind.SWITCH)
GAP, MARK = np.uint64(Stream.SWITCH_GAP), np.uint64(Stream.SWITCH_MARK)
DIURNAL = np.uint64(Stream.DIURNAL)
SYNC_PHASE = np.uint64(Stream.SYNC_PHASE)
RENEWAL, POLL_PHASE = np.uint64(Stream.RENEWAL), np.uint64(Stream.POLL_PHASE)
BACKOFF = np.uint64(Stream.BACKOFF)
INITIAL_AGE = np.uint64(Stream.INITIAL_AGE)
INITIAL_LIFE = np.uint64(Stream.INITIAL_LIFE)
INITIAL_TASK = np.uint64(Stream.INITIAL_TASK)
RESTART = np.uint64(Stream.RESTART)
CLOCK_SKEW = np.uint64(Stream.CLOCK_SKEW)
INITIAL_WALK = np.uint64(Stream.INITIAL_WALK)
AHEAD = 12
"""answers between the request for a cache line and its use"""
STRIDE = np.uint64(RECORD.itemsize)


# -- a slot ---------------------------------------------------------------------------------------


@kernel
def issues(record: Record) -> int:
    """Return how often the slot was issued a credential; its serial is one less."""
    return int64(record.tag) >> SERIAL_SHIFT


@kernel
def flag(record: Record, mask: int) -> bool:
    """Return whether a flag of a record is set."""
    return int64(record.tag) & mask != 0


@kernel
def retag(record: Record, clear: int, add: int) -> None:
    """Clear and set bits of a record's tag."""
    record.tag = np.uint32((int64(record.tag) & ~clear) | add)


@kernel
def life_factor(fleet: Fleet, issued_s: float) -> float:
    """Return the factor on the life of what was issued at an instant."""
    n = fleet.life_count - 1
    if n == 0:  # nobody ordered any
        return 1.0
    lives: Table[Life] = table(fleet.lives, fleet.life_count, LIFE)
    while lives[n].from_s > issued_s:
        n -= 1
    return lives[n].factor


@kernel
def granted_s(fleet: Fleet, agent_class: AgentClass, issued_s: float) -> float:
    """Return the life of what is issued to a class at an instant."""
    return ca_truncation(
        issued_s,
        life_factor(fleet, issued_s) * agent_class.ttl_s,
        agent_class.ca_since_s,
        agent_class.ca_term_s,
        agent_class.ca_life_s,
    )


@kernel
def expires_s(fleet: Fleet, agent_class: AgentClass, record: Record, i: int) -> float:
    """Return when the credential of record number ``i`` ends or ended."""
    if flag(record, REVOKED):
        ended_s: Table[float] = table(fleet.ended_s, fleet.record_count, np.float64)
        return ended_s[i]
    return expiry(record.issued_s, granted_s(fleet, agent_class, record.issued_s))


@kernel
def behind_s(fleet: Fleet, agent_class: AgentClass, agent: int) -> float:
    """Return how far an agent's clock is behind."""
    if agent_class.skew_share <= 0.0:
        return 0.0
    place = (agent - agent_class.first_agent) // agent_class.agents_per_node
    node = np.uint64(agent_class.first_node + place)
    u = keyed_uniform(entity_key(fleet.seed_key, node, CLOCK_SKEW), np.uint64(0))
    return agent_class.skewed_s if u < agent_class.skew_share else 0.0


@kernel
def accepted_from_s(fleet: Fleet, agent_class: AgentClass, agent: int, issued_s: float) -> float:
    """Return from when what an agent was issued at an instant is accepted."""
    trusted_s = trusted_from(
        issued_s,
        agent_class.ca_since_s,
        agent_class.ca_term_s,
        agent_class.ca_lead_s,
        agent_class.refresh_s,
        agent_class.refresh_phase_s,
    )
    late_s = behind_s(fleet, agent_class, agent)
    return max(trusted_s, usable_from(issued_s, late_s, agent_class.backdate_s))


@kernel
def overdue_s(fleet: Fleet, agent_class: AgentClass, record: Record, i: int, now_s: float) -> float:
    """Return how long a slot has held an expired credential, since t = 0 at most."""
    if fleet.rule == AT_USE:
        return 0.0
    return max(0.0, now_s - max(0.0, expires_s(fleet, agent_class, record, i)))


@kernel
def in_flight(record: Record, now_s: float) -> bool:
    """Return whether a request of the slot is being answered or backs off."""
    return flag(record, REFUSED) or record.event_s < now_s


@kernel
def age_at_renewal(
    fleet: Fleet, agent_class: AgentClass, agent: int, slot: int, serial: int, issued_s: float
) -> float:
    """Draw the renewal age of one credential."""
    factor = life_factor(fleet, issued_s)
    k = np.uint64(SLOTS * serial + slot)
    u_phase = 0.0
    if fleet.rule in (FRACTION_POLLED, AVAILABILITY_TARGET):
        u_phase = keyed_uniform(entity_key(fleet.seed_key, np.uint64(agent), POLL_PHASE), k)
    u_draw = keyed_uniform(entity_key(fleet.seed_key, np.uint64(agent), RENEWAL), k)
    age_s = renewal_age(
        fleet.rule,
        granted_s(fleet, agent_class, issued_s),
        fleet.fraction,
        fleet.jitter,
        fleet.poll_s,
        factor * fleet.before_expiry_s,
        fleet.target_s,
        fleet.target_jitter_s,
        fleet.grace_s,
        u_phase,
        u_draw,
    )
    return max(0.0, age_s + behind_s(fleet, agent_class, agent))


# -- switches -------------------------------------------------------------------------------------


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


# -- what an agent does next ----------------------------------------------------------------------


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


@kernel
def file_entry(wheel: Wheel, asked: Entry) -> None:
    """File what an agent asks for next, if it asks at all."""
    if asked.t_s < inf:
        file(wheel, asked.t_s, int64(asked.record), int64(asked.note))


# -- entry points ---------------------------------------------------------------------------------


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


@entry(types.void(types.uint64, types.int64, types.float64))
def catch_up(place: np.uint64, part: int, to_s: float) -> None:
    """Replay every agent of a part to ``to_s``."""
    fleet = table(place, 1, FLEET)[0]
    lane = table(fleet.lanes, LANES, LANE)[part]
    shards = table(fleet.shards, SHARDS, SHARD)
    records = table(fleet.records, fleet.record_count, RECORD)
    for s in range(part * SHARDS // PARTS, (part + 1) * SHARDS // PARTS):
        shard = shards[s]
        shard.open_expired_s = 0.0
        i = shard.first_record
        while i < shard.end_record:
            agent_class = class_of(fleet, i)
            agent, _ = agent_and_slot(agent_class, i)
            replay(fleet, lane, agent_class, agent, i, to_s)
            users = users_of(agent_class, i)
            for slot in range(i, i + agent_class.slots if users > 0 else i):
                late_s = overdue_s(fleet, agent_class, records[slot], slot, to_s)
                shard.open_expired_s += late_s * users
            i += agent_class.slots


@entry(types.void(types.uint64, types.int64, types.float64))
def count_expired(place: np.uint64, part: int, now_s: float) -> None:
    """Count the slots of a part that hold an expired credential."""
    fleet = table(place, 1, FLEET)[0]
    records = table(fleet.records, fleet.record_count, RECORD)
    begin, end = records_of(fleet, part, 1)
    count = 0
    for i in range(begin, end):
        agent_class = class_of(fleet, i)
        users = users_of(agent_class, i)
        if users > 0 and expires_s(fleet, agent_class, records[i], i) <= now_s:
            count += users
    table(fleet.lanes, LANES, LANE)[part].expired_slots = count


@entry(types.void(types.uint64, types.int64, types.float64))
def count_in_flight(place: np.uint64, part: int, now_s: float) -> None:
    """Count the slots of a part that have a request under way."""
    fleet = table(place, 1, FLEET)[0]
    records = table(fleet.records, fleet.record_count, RECORD)
    begin, end = records_of(fleet, part, 1)
    count = 0
    for i in range(begin, end):
        count += in_flight(records[i], now_s)
    table(fleet.lanes, LANES, LANE)[part].in_flight_slots = count


@entry(types.void(types.uint64, types.int64, types.float64))
def catch_up_one(place: np.uint64, agent: int, to_s: float) -> None:
    """Replay one agent's switches strictly before ``to_s``."""
    fleet = table(place, 1, FLEET)[0]
    lane = table(fleet.lanes, LANES, LANE)[LANES - 1]
    first = first_record(fleet, agent)
    replay(fleet, lane, class_of(fleet, first), agent, first, to_s)


@kernel
def must_ask(fleet: Fleet, issuer: Issuer, agent_class: AgentClass, i: int, now_s: float) -> bool:
    """End the validity of what record ``i`` holds; return whether a request is made for it now."""
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    if issues(record) == NO_SERIAL:
        return False
    ended_s = table(fleet.ended_s, fleet.record_count, np.float64)
    ended_s[i] = min(expires_s(fleet, agent_class, record, i), now_s)
    retag(record, REVOKED, REVOKED)
    if lost(fleet, i):
        table(fleet.again_s, fleet.record_count, np.float64)[i] = -inf
    if in_flight(record, now_s):
        return False
    overtake(issuer, record, i, now_s)
    return True


@entry(types.void(types.uint64, types.int64, types.float64, types.int64))
def replace(place: np.uint64, agent: int, now_s: float, later: int) -> None:
    """End the validity of what an agent holds and attempt requests for its successors.

    ``later`` leaves the requests for ``serve`` to execute, when the issuer has not yet come so far.
    """
    fleet = table(place, 1, FLEET)[0]
    issuer = table(fleet.issuer, 1, ISSUER)[0]
    wheel = table(fleet.wheel, 1, WHEEL)[0]
    lane = table(fleet.lanes, LANES, LANE)[LANES - 1]
    records = table(fleet.records, fleet.record_count, RECORD)
    spare = table(fleet.spare, 1, ENTRY)
    first = first_record(fleet, agent)
    agent_class = class_of(fleet, first)
    for i in range(first, first + agent_class.slots):
        if not must_ask(fleet, issuer, agent_class, i, now_s):
            continue
        record = records[i]
        if later:
            order(issuer, now_s, i, issues(record))
            continue
        issuer.requests += 1
        if fleet.tracing:
            log_attempt(fleet, lane, issuer, now_s, i, issues(record))
        if issuer.by_hand:
            count_issue(issuer, now_s)
            renew(fleet, lane, now_s, i, spare, 0)
            file_entry(wheel, spare[0])
        elif refuses(fleet, issuer, i):
            count_refusal(issuer, now_s)
            back_off(fleet, lane, now_s, i, spare, 0)
            file_entry(wheel, spare[0])
        else:
            accept(fleet, issuer, now_s, i, issues(record))
