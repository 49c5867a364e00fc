"""The issuer: every request of the fleet in one FIFO queue before ``servers`` servers.

The only stage that all agents share, hence the only one that runs in one thread. It executes
requests and departures in their order up to an instant that no answer can reach back behind: an
answer at t causes no request before t + lookahead, so the agents may take note of a whole batch of
answers later, in parallel.
"""

from math import log

import numpy as np
from numba import types

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key, keyed_uniform
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
    RECORD,
    SERIAL_SHIFT,
    WAKE,
    Entry,
    Fleet,
    Lane,
    Record,
    agent_and_slot,
    class_of,
    is_restart,
    log_event,
    node_of,
)
from simulator.fleet.memory import F8, I8, U8, Table, entry, int64, kernel, struct, table
from simulator.fleet.wheel import WHEEL, Wheel, file, peek, pop, put, sift_down, sift_up
from simulator.population import EventKind

ISSUED, REFUSED, REQUEST = int(EventKind.ISSUED), int(EventKind.REFUSED), int(EventKind.REQUEST)
WASTED, TIMED_OUT = int(EventKind.WASTED), int(EventKind.TIMED_OUT)
SERVICE, CUT_OFF = np.uint64(Stream.SERVICE), np.uint64(Stream.CUT_OFF)
DOUBTS = 1 << 12
ORDERS = 256
"""requests made by commands that may wait for their turn"""


class Issuer:
    """State of the issuer; arrays by address."""

    servers: I8
    service_time_s: F8
    signing_factor: F8
    """on the service times that begin now"""
    desk: U8
    """of ``stages``; 0 where none of that is on"""
    by_hand: I8
    """issuance MANUAL: every attempt is answered in the same instant"""
    down: I8
    partitions: I8
    """how many are under way"""
    faults: I8
    cut_off_share: U8
    """float64 by fault: share of nodes that it cuts off now"""
    issue_lookahead_s: F8
    """no answer causes a request sooner than this after it"""
    refuse_lookahead_s: F8
    busy: I8
    serving: U8
    """entries: heap of departures"""
    queue: U8
    """entries: accepted and not yet taken up; a ring, rewound when empty"""
    queue_capacity: I8
    queue_mask: I8
    """size of the part in use, a power of two, less one: what was never needed stays untouched"""
    queue_head: I8
    queue_tail: I8
    doubts: U8
    """uint32 by record modulo ``DOUBTS``: requests on the wheel that a command overtook"""
    orders: U8
    """entries: requests made by commands at times not yet reached, in their order; each comes
    before whatever else happens at its instant"""
    order_next: I8
    order_count: I8
    requests: I8
    refusals: I8
    issued: I8
    queue_waits: I8
    queue_wait_s: F8
    issued_in_second: U8
    """int32 by second"""
    refused_in_second: U8
    seconds: I8


ISSUER = struct(Issuer)


@kernel
def service_s(fleet: Fleet, issuer: Issuer, record: int, serial: int) -> float:
    """Return how long the issue of this serial of a slot takes."""
    agent, slot = agent_and_slot(class_of(fleet, record), record)
    key = entity_key(fleet.seed_key, np.uint64(agent), SERVICE)
    work_s = -log(keyed_uniform(key, np.uint64(SLOTS * serial + slot))) * issuer.service_time_s
    return work_s * issuer.signing_factor


@kernel
def _widen_queue(issuer: Issuer) -> None:
    """Double the part of the ring that is in use and full; what lies before its head moves on."""
    queue = table(issuer.queue, issuer.queue_capacity, ENTRY)
    size = issuer.queue_mask + 1
    head = issuer.queue_head & issuer.queue_mask
    for i in range(head):
        queue[size + i] = queue[i]
    issuer.queue_head = head
    issuer.queue_tail = head + size
    issuer.queue_mask = 2 * size - 1


@kernel
def accept(fleet: Fleet, issuer: Issuer, t_s: float, record: int, serial: int) -> None:
    """Give a request to a free server or queue it."""
    if issuer.busy < issuer.servers:
        serving = table(issuer.serving, issuer.servers, ENTRY)
        sift_up(serving, issuer.busy, t_s + service_s(fleet, issuer, record, serial), record, 0)
        issuer.busy += 1
        return
    if issuer.queue_tail - issuer.queue_head > issuer.queue_mask:
        _widen_queue(issuer)
    queue = table(issuer.queue, issuer.queue_capacity, ENTRY)
    put(queue, issuer.queue_tail & issuer.queue_mask, t_s, record, serial)
    issuer.queue_tail += 1
    issuer.queue_waits += 1


@kernel
def depart(fleet: Fleet, issuer: Issuer) -> tuple[float, int]:
    """Let the next credential leave its server and take up the next request."""
    serving = table(issuer.serving, issuer.servers, ENTRY)
    t_s, record = serving[0].t_s, int64(serving[0].record)
    if issuer.queue_head < issuer.queue_tail:
        queue = table(issuer.queue, issuer.queue_capacity, ENTRY)
        taken = queue[issuer.queue_head & issuer.queue_mask]
        next_record = int64(taken.record)
        end_s = t_s + service_s(fleet, issuer, next_record, int64(taken.note))
        issuer.queue_wait_s += t_s - taken.t_s
        issuer.queue_head += 1
        if issuer.queue_head == issuer.queue_tail:
            issuer.queue_head = 0
            issuer.queue_tail = 0
        sift_down(serving, issuer.busy, end_s, next_record, 0)
    else:
        issuer.busy -= 1
        last = serving[issuer.busy]
        sift_down(serving, issuer.busy, last.t_s, int64(last.record), 0)
    return t_s, record


@kernel
def overtaken(fleet: Fleet, issuer: Issuer, t_s: float, i: int, serial: int) -> bool:
    """Return whether the request of record ``i`` for a serial is void: a command made it sooner."""
    doubts = table(issuer.doubts, DOUBTS, np.uint32)
    doubt = i & (DOUBTS - 1)
    if doubts[doubt] == 0:  # spares a far access for all but a few
        return False
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    if record.event_s == t_s and int64(record.tag) >> SERIAL_SHIFT == serial:
        return False
    doubts[doubt] -= np.uint32(1)
    return True


@kernel
def void(issuer: Issuer, i: int, event_s: float) -> None:
    """Doubt the entry that record ``i`` has on the wheel for ``event_s``, if it has one."""
    if event_s < np.inf:
        table(issuer.doubts, DOUBTS, np.uint32)[i & (DOUBTS - 1)] += np.uint32(1)


@kernel
def overtake(issuer: Issuer, record: Record, i: int, now_s: float) -> None:
    """Void the request that record ``i`` has on the wheel: one is made now."""
    void(issuer, i, record.event_s)
    record.event_s = np.nextafter(now_s, -np.inf)


@kernel
def count_issue(issuer: Issuer, t_s: float) -> None:
    """Count one issued credential in its second."""
    issuer.issued += 1
    table(issuer.issued_in_second, issuer.seconds, np.int32)[int64(t_s)] += np.int32(1)


@kernel
def count_refusal(issuer: Issuer, t_s: float) -> None:
    """Count one refused attempt in its second."""
    issuer.refusals += 1
    table(issuer.refused_in_second, issuer.seconds, np.int32)[int64(t_s)] += np.int32(1)


@kernel
def cut_off(fleet: Fleet, issuer: Issuer, node: int) -> bool:
    """Return whether a partition under way concerns a node."""
    key = entity_key(fleet.seed_key, np.uint64(node), CUT_OFF)
    shares = table(issuer.cut_off_share, issuer.faults, np.float64)
    for fault in range(issuer.faults):
        if shares[fault] > 0.0 and keyed_uniform(key, np.uint64(fault)) < shares[fault]:
            return True
    return False


@kernel
def refuses(fleet: Fleet, issuer: Issuer, record: int) -> bool:
    """Return whether an attempt does not get through to the issuer."""
    if issuer.down != 0 or issuer.partitions == 0:
        return issuer.down != 0
    return cut_off(fleet, issuer, node_of(fleet, record))


@kernel
def node_reaches(fleet: Fleet, issuer: Issuer, node: int) -> bool:
    """Return whether a node can reach the issuer."""
    if issuer.down != 0 or issuer.partitions == 0:
        return issuer.down == 0
    return not cut_off(fleet, issuer, node)


@kernel
def log_attempt(
    fleet: Fleet, lane: Lane, issuer: Issuer, t_s: float, record: int, serial: int
) -> None:
    """Trace one attempt at a request, for the credential ``serial``."""
    agent, slot = agent_and_slot(class_of(fleet, record), record)
    log_event(lane, t_s, REQUEST, agent, slot, serial - 1)
    if not issuer.by_hand and refuses(fleet, issuer, record):
        log_event(lane, t_s, REFUSED, agent, slot, serial - 1)


@kernel
def file_asked(fleet: Fleet, wheel: Wheel) -> None:
    """File what agents asked for after earlier answers."""
    batches = table(fleet.batches, BATCHES, BATCH)
    for b in range(BATCHES):
        batch = batches[b]
        if batch.stage != ASKED:
            continue
        entries = table(batch.entries, fleet.batch_capacity, ENTRY)
        for i in range(batch.count):
            asked = entries[i]
            if asked.t_s < np.inf:
                file(wheel, asked.t_s, int64(asked.record), int64(asked.note))
        batch.stage = FILED


@kernel
def order(issuer: Issuer, now_s: float, record: int, serial: int) -> None:
    """Note a request that a command makes now, for ``serve`` to execute when it comes so far."""
    orders = table(issuer.orders, ORDERS, ENTRY)
    put(orders, issuer.order_count, now_s, record, serial)
    issuer.order_count += 1


@kernel
def _order_s(issuer: Issuer) -> float:
    """Return when the next order is due, inf when there is none."""
    if issuer.order_next == issuer.order_count:
        issuer.order_next = 0
        issuer.order_count = 0
        return np.inf
    orders: Table[Entry] = table(issuer.orders, ORDERS, ENTRY)
    return orders[issuer.order_next].t_s


@entry(types.int64(types.uint64, types.int64, types.float64))
def serve(place: np.uint64, b: int, to_s: float) -> int:
    """Execute what touches the issuer before ``to_s`` and leave the answers in batch ``b``.

    Orders of commands at ``to_s`` itself are executed, too. Stops early at an instant from which on
    agents may ask because of these answers, or of those of the other batch if they have not yet
    taken note of it, or when the batch is full. Returns 1 when everything is done, else 0.
    """
    fleet = table(place, 1, FLEET)[0]
    issuer = table(fleet.issuer, 1, ISSUER)[0]
    wheel = table(fleet.wheel, 1, WHEEL)[0]
    lane = table(fleet.lanes, LANES, LANE)[LANES - 1]
    batches = table(fleet.batches, BATCHES, BATCH)
    answers = table(batches[b].entries, fleet.batch_capacity, ENTRY)
    serving = table(issuer.serving, issuer.servers, ENTRY)
    orders = table(issuer.orders, ORDERS, ENTRY)
    order_s = _order_s(issuer)
    file_asked(fleet, wheel)
    other = batches[1 - b]
    limit_s = min(to_s, other.limit_s) if other.stage == ANSWERED else to_s
    count = 0
    while count < fleet.batch_capacity:
        t_s = peek(wheel, limit_s)
        next_s = min(t_s, serving[0].t_s) if issuer.busy > 0 else t_s
        if order_s <= limit_s and order_s <= next_s:
            ordered = orders[issuer.order_next]
            t_s, record, note = order_s, int64(ordered.record), int64(ordered.note)
            issuer.order_next += 1
            order_s = _order_s(issuer)
        elif issuer.busy > 0 and serving[0].t_s <= t_s and serving[0].t_s < limit_s:
            t_s, record = depart(fleet, issuer)
            count_issue(issuer, t_s)
            put(answers, count, t_s, record, ISSUED)
            count += 1
            limit_s = min(limit_s, t_s + issuer.issue_lookahead_s)
            continue
        elif t_s == np.inf:
            break
        else:
            t_s, record, note = pop(wheel)
            if note == WAKE or is_restart(note):  # the agent's affair
                put(answers, count, t_s, record, note)
                count += 1
                limit_s = min(limit_s, t_s + (fleet.margin_s if note == WAKE else 0.0))
                continue
            if overtaken(fleet, issuer, t_s, record, note):
                continue
        issuer.requests += 1
        if fleet.tracing:
            log_attempt(fleet, lane, issuer, t_s, record, note)
        if issuer.by_hand:
            count_issue(issuer, t_s)
            put(answers, count, t_s, record, ISSUED)
            count += 1
            limit_s = min(limit_s, t_s + issuer.issue_lookahead_s)
        elif refuses(fleet, issuer, record):
            count_refusal(issuer, t_s)
            put(answers, count, t_s, record, REFUSED)
            count += 1
            limit_s = min(limit_s, t_s + issuer.refuse_lookahead_s)
        else:
            accept(fleet, issuer, t_s, record, note)
    batches[b].count = count
    batches[b].limit_s = limit_s
    batches[b].stage = ANSWERED if count > 0 else FILED
    return int64(limit_s >= to_s and count < fleet.batch_capacity)
