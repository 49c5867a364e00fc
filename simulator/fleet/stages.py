"""The issuer with all that may be on: limiter, bound, datastore, deadlines (``population.py``).

Runs in place of ``issuer.serve`` where a scenario asks for any of it, so that those that do not pay
nothing. The attempts and where they wait are the business of ``desk``.
"""

from math import inf, log

import numpy as np
from numba import types

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from simulator.fleet.agents import back_off, file_entry
from simulator.fleet.desk import (
    DATASTORE,
    DESK,
    NOBODY,
    SIGNING,
    STAGE,
    Attempt,
    Desk,
    attempt_of,
    finish,
)
from simulator.fleet.issuer import (
    ISSUED,
    ISSUER,
    REFUSED,
    REQUEST,
    SERVICE,
    TIMED_OUT,
    WASTED,
    Issuer,
    count_issue,
    count_refusal,
    file_asked,
    refuses,
)
from simulator.fleet.laws import limiter
from simulator.fleet.layout import (
    ANSWERED,
    ASKED,
    BATCH,
    BATCHES,
    ENTRY,
    FILED,
    FLEET,
    LANE,
    LANES,
    NEXT_BATCH,
    RECORD,
    WAKE,
    Fleet,
    Lane,
    agent_and_slot,
    class_of,
    first_record,
    is_restart,
    log_event,
    node_of,
)
from simulator.fleet.memory import entry, int64, kernel, table
from simulator.fleet.nodes import asks_now, fail, waits_for_batch
from simulator.fleet.replacing import must_ask
from simulator.fleet.restarts import take_any_note
from simulator.fleet.slots import issues
from simulator.fleet.wheel import WHEEL, Wheel, file, peek, pop, precedes, put, sift_down, sift_up
from simulator.limits import BY_ADDRESS

DATASTORE_STREAM = np.uint64(Stream.DATASTORE)
ARRIVAL = 1 << 30
"""note of an entry on the wheel: an attempt whose turn has come; below it the attempt's number"""


@kernel
def _log(fleet: Fleet, lane: Lane, t_s: float, kind: int, attempt: Attempt) -> None:
    if fleet.tracing:
        record = int64(attempt.record)
        agent, slot = agent_and_slot(class_of(fleet, record), record)
        log_event(lane, t_s, kind, agent, slot, int64(attempt.issues) - 1)


@kernel
def _wait_for_turn(fleet: Fleet, desk: Desk, t_s: float, record: int) -> float:
    """Return how long the limiter holds an attempt; inf when its deadline comes before."""
    if desk.sources == 0:
        return 0.0
    agent_class = class_of(fleet, record)
    if agent_class.limit_hz == 0.0:
        return 0.0
    source = agent_class.limiter
    if source == BY_ADDRESS:
        source = node_of(fleet, record) // agent_class.nodes_per_address
    next_turn_s = table(desk.next_turn_s, desk.sources, np.float64)
    wait_s, next_s = limiter(
        t_s, next_turn_s[source], agent_class.limit_hz, agent_class.limit_burst
    )
    if wait_s >= desk.deadline_s:
        return inf
    next_turn_s[source] = next_s
    return wait_s


@kernel
def _work_s(fleet: Fleet, record: int, stream: np.uint64, k: int, mean_s: float) -> float:
    agent, slot = agent_and_slot(class_of(fleet, record), record)
    key = entity_key(fleet.seed_key, np.uint64(agent), stream)
    return -log(keyed_uniform(key, np.uint64(k + slot))) * mean_s


@kernel
def _open(fleet: Fleet, desk: Desk, t_s: float, record: int, note: int) -> int:
    """Note an accepted attempt; return its number."""
    number = desk.next
    desk.next += 1
    desk.unfinished += 1
    stages = table(desk.stages, 2, STAGE)
    k = SLOTS * note
    if fleet.has_deadline:
        k += int64(table(fleet.timeouts, fleet.record_count, np.uint32)[record]) << 40
    attempt = attempt_of(desk, number)
    attempt.record = np.uint32(record)
    attempt.issues = np.uint32(note)
    attempt.finished = 0
    attempt.given_up = 0
    attempt.behind = NOBODY
    attempt.deadline_s = t_s + desk.deadline_s
    attempt.signing_s = _work_s(fleet, record, SERVICE, k, stages[SIGNING].mean_s)
    if desk.overhead_s > 0.0 or desk.batch_limit > 0:
        node = node_of(fleet, record)
        if t_s != desk.batch_s or node != desk.batch_node:
            attempt.signing_s += desk.overhead_s
            desk.in_batch = 0
        desk.in_batch += 1
        desk.batch_s = t_s
        desk.batch_node = node
    if desk.first_stage == DATASTORE:
        mean_s = stages[DATASTORE].mean_s
        attempt.datastore_s = _work_s(fleet, record, DATASTORE_STREAM, k, mean_s)
    return number


@kernel
def offer(
    fleet: Fleet, issuer: Issuer, wheel: Wheel, lane: Lane, t_s: float, record: int, note: int
) -> bool:
    """Make an attempt at a slot's credential number ``note``; return whether it is refused now."""
    desk = table(issuer.desk, 1, DESK)[0]
    issuer.requests += 1
    if fleet.tracing:
        agent, slot = agent_and_slot(class_of(fleet, record), record)
        log_event(lane, t_s, REQUEST, agent, slot, note - 1)
    through = not refuses(fleet, issuer, record)
    wait_s = _wait_for_turn(fleet, desk, t_s, record) if through else inf
    if wait_s == inf:
        count_refusal(issuer, t_s)
        if fleet.tracing:
            agent, slot = agent_and_slot(class_of(fleet, record), record)
            log_event(lane, t_s, REFUSED, agent, slot, note - 1)
        return True
    number = _open(fleet, desk, t_s, record, note)
    if wait_s > 0.0:
        desk.limited += 1
        desk.limited_wait_s += wait_s
        file(wheel, t_s + wait_s, record, ARRIVAL | (number & (ARRIVAL - 1)))
        return False
    return arrive(fleet, issuer, lane, t_s, number)


@kernel
def arrive(fleet: Fleet, issuer: Issuer, lane: Lane, t_s: float, number: int) -> bool:
    """Let an accepted attempt in; return whether it was refused because the issuer is full."""
    desk = table(issuer.desk, 1, DESK)[0]
    if desk.held >= desk.capacity:
        _log(fleet, lane, t_s, REFUSED, attempt_of(desk, number))
        finish(desk, number)
        count_refusal(issuer, t_s)
        return True
    desk.held += 1
    _join(issuer, desk, desk.first_stage, t_s, number)
    return False


@kernel
def _end_of_work(desk: Desk, place: int, t_s: float, attempt: Attempt) -> float:
    work_s = attempt.datastore_s if place == DATASTORE else attempt.signing_s
    factor: float = table(desk.stages, 2, STAGE)[place].factor
    return t_s + work_s * factor


@kernel
def _join(issuer: Issuer, desk: Desk, place: int, t_s: float, number: int) -> None:
    """Let an attempt be taken up by a stage, or queue for it."""
    stage = table(desk.stages, 2, STAGE)[place]
    attempt = attempt_of(desk, number)
    if stage.busy < stage.servers:
        end_s = _end_of_work(desk, place, t_s, attempt)
        serving = table(stage.serving, stage.servers, ENTRY)
        sift_up(serving, stage.busy, end_s, int64(attempt.record), number & (ARRIVAL - 1))
        stage.busy += 1
        return
    attempt.joined_s = t_s
    attempt.behind = NOBODY
    if stage.first == NOBODY:
        stage.first = number
    else:
        attempt_of(desk, stage.last).behind = number
    stage.last = number
    issuer.queue_waits += 1


@kernel
def _leave(issuer: Issuer, desk: Desk, place: int) -> int:
    """End the work that a stage is through with first, take up the next; return its attempt."""
    stage = table(desk.stages, 2, STAGE)[place]
    serving = table(stage.serving, stage.servers, ENTRY)
    t_s, note = serving[0].t_s, int64(serving[0].note)
    number = desk.oldest + ((note - desk.oldest) & (ARRIVAL - 1))
    if stage.first != NOBODY:
        taken = stage.first
        attempt = attempt_of(desk, taken)
        stage.first = attempt.behind
        issuer.queue_wait_s += t_s - attempt.joined_s
        end_s = _end_of_work(desk, place, t_s, attempt)
        sift_down(serving, stage.busy, end_s, int64(attempt.record), taken & (ARRIVAL - 1))
    else:
        stage.busy -= 1
        last = serving[stage.busy]
        sift_down(serving, stage.busy, last.t_s, int64(last.record), int64(last.note))
    return number


@kernel
def _next_stage(desk: Desk) -> int:
    """Return the stage whose work ends first, ``NOBODY`` when none works."""
    stages = table(desk.stages, 2, STAGE)
    store, sign = stages[DATASTORE], stages[SIGNING]
    if store.busy == 0:
        return SIGNING if sign.busy > 0 else NOBODY
    if sign.busy == 0:
        return DATASTORE
    first = table(store.serving, store.servers, ENTRY)[0]
    return DATASTORE if precedes(first, table(sign.serving, sign.servers, ENTRY)[0]) else SIGNING


@kernel
def _end_s(desk: Desk, place: int) -> float:
    """Return when the next work of a stage ends."""
    if place == NOBODY:
        return inf
    stage = table(desk.stages, 2, STAGE)[place]
    return float(table(stage.serving, stage.servers, ENTRY)[0].t_s)


@kernel
def _timer_s(desk: Desk) -> float:
    """Return the next deadline of an attempt that is not over."""
    if desk.deadline_s == inf:
        return inf
    desk.next_timer = max(desk.next_timer, desk.oldest)
    while desk.next_timer < desk.next:
        attempt = attempt_of(desk, desk.next_timer)
        if not attempt.finished:
            return attempt.deadline_s
        desk.next_timer += 1
    return inf


@kernel
def _work_ends(fleet: Fleet, issuer: Issuer, lane: Lane, place: int) -> tuple[bool, int]:
    """End a piece of work; return whether a credential is issued, and to which record."""
    desk = table(issuer.desk, 1, DESK)[0]
    t_s = _end_s(desk, place)
    number = _leave(issuer, desk, place)
    attempt = attempt_of(desk, number)
    record = int64(attempt.record)
    if place == DATASTORE:
        _join(issuer, desk, SIGNING, t_s, number)
        return False, record
    desk.held -= 1
    wasted = attempt.given_up != 0
    if wasted:
        desk.wasted += 1
        _log(fleet, lane, t_s, WASTED, attempt)
    else:
        count_issue(issuer, t_s)
    finish(desk, number)
    return not wasted, record


@kernel
def _give_up(fleet: Fleet, issuer: Issuer, lane: Lane) -> int:
    """Let the next deadline pass; return whose it was."""
    desk = table(issuer.desk, 1, DESK)[0]
    attempt = attempt_of(desk, desk.next_timer)
    desk.next_timer += 1
    desk.timeouts += 1
    attempt.given_up = 1
    _log(fleet, lane, attempt.deadline_s, TIMED_OUT, attempt)
    return int64(attempt.record)


@entry(types.int64(types.uint64, types.int64, types.float64))
def serve(place: np.uint64, b: int, to_s: float) -> int:
    """Do what ``issuer.serve`` does, with all that may be on.

    Stops early, too, when the ring of attempts is full: then it must be widened first.
    """
    fleet = table(place, 1, FLEET)[0]
    issuer = table(fleet.issuer, 1, ISSUER)[0]
    desk = table(issuer.desk, 1, DESK)[0]
    wheel = table(fleet.wheel, 1, WHEEL)[0]
    lane = table(fleet.lanes, LANES, LANE)[LANES - 1]
    batches = table(fleet.batches, BATCHES, BATCH)
    answers = table(batches[b].entries, fleet.batch_capacity, ENTRY)
    file_asked(fleet, wheel)
    other = batches[1 - b]
    limit_s = min(to_s, other.limit_s) if other.stage == ANSWERED else to_s
    count = 0
    while count < fleet.batch_capacity and desk.next - desk.oldest <= desk.mask:
        request_s = peek(wheel, limit_s)
        timer_s = _timer_s(desk)
        stage = _next_stage(desk)
        end_s = _end_s(desk, stage)
        t_s = min(end_s, timer_s, request_s)
        if t_s >= limit_s:
            break
        if end_s == t_s:
            issued, record = _work_ends(fleet, issuer, lane, stage)
            if issued:
                put(answers, count, t_s, record, ISSUED)
                count += 1
                limit_s = min(limit_s, t_s + issuer.issue_lookahead_s)
            continue
        if timer_s == t_s:
            record = _give_up(fleet, issuer, lane)
            fail(fleet, issuer, desk, t_s, record)
            put(answers, count, t_s, record, TIMED_OUT)
            count += 1
            limit_s = min(limit_s, t_s + issuer.refuse_lookahead_s)
            continue
        t_s, record, note = pop(wheel)
        if note == WAKE or is_restart(note):
            put(answers, count, t_s, record, note)
            count += 1
            limit_s = min(limit_s, t_s + (fleet.margin_s if note == WAKE else 0.0))
            continue
        if note & ARRIVAL:
            number = desk.oldest + ((note - desk.oldest) & (ARRIVAL - 1))
            refused = arrive(fleet, issuer, lane, t_s, number)
        elif not asks_now(fleet, issuer, desk, wheel, t_s, record, note):
            continue
        else:
            refused = offer(fleet, issuer, wheel, lane, t_s, record, note & ~NEXT_BATCH)
        if refused:
            fail(fleet, issuer, desk, t_s, record)
            put(answers, count, t_s, record, REFUSED)
            count += 1
            limit_s = min(limit_s, t_s + issuer.refuse_lookahead_s)
    batches[b].count = count
    batches[b].limit_s = limit_s
    batches[b].stage = ANSWERED if count > 0 else FILED
    room = count < fleet.batch_capacity and desk.next - desk.oldest <= desk.mask
    return int64(limit_s >= to_s and room)


@entry(types.int64(types.uint64, types.float64))
def take_turns(place: np.uint64, to_s: float) -> int:
    """Do what ``turns.take_turns`` does, with all that may be on; stops for a full ring, too."""
    fleet = table(place, 1, FLEET)[0]
    issuer = table(fleet.issuer, 1, ISSUER)[0]
    desk = table(issuer.desk, 1, DESK)[0]
    lane = table(fleet.lanes, LANES, LANE)[LANES - 1]
    batch = table(fleet.batches, BATCHES, BATCH)[0]
    answers = table(batch.entries, fleet.batch_capacity, ENTRY)
    noted = 0
    while noted < fleet.batch_capacity and desk.next - desk.oldest <= desk.mask:
        done = serve(place, 0, to_s)
        for position in range(batch.count):
            noted += take_any_note(fleet, lane, answers, position)
        if batch.count > 0:
            batch.stage = ASKED
        elif done:
            return 1
    return 0


@entry(types.void(types.uint64, types.int64, types.float64))
def replace(place: np.uint64, agent: int, now_s: float) -> None:
    """Do what ``agents.replace`` does, with all that may be on."""
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
        if waits_for_batch(
            fleet, table(issuer.desk, 1, DESK)[0], wheel, now_s, i, issues(records[i])
        ):
            continue
        if offer(fleet, issuer, wheel, lane, now_s, i, issues(records[i])):
            fail(fleet, issuer, table(issuer.desk, 1, DESK)[0], now_s, i)
            back_off(fleet, lane, now_s, i, spare, 0)
            file_entry(wheel, spare[0])
