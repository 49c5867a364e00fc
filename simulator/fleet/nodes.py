"""The agents of the nodes: chains of syncs and batches, where an issuer's scenario asks for them.

A node's syncs are walked through when somebody waits for one, and by all nodes before what they
depend on changes; nobody wakes for a sync at which nothing is due.
"""

from math import inf

import numpy as np
from numba import types

from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from simulator.fleet.desk import DESK, NODE, Desk, Node
from simulator.fleet.issuer import ISSUER, Issuer, node_reaches, overtaken
from simulator.fleet.laws import backoff_delay, sync_gap
from simulator.fleet.layout import FLEET, NEXT_BATCH, RECORD, REFUSED, Fleet, node_of
from simulator.fleet.losses import lost
from simulator.fleet.memory import entry, int64, kernel, table
from simulator.fleet.slots import flag
from simulator.fleet.wheel import Wheel, file

SYNC_PHASE, SYNC_GAP = np.uint64(Stream.SYNC_PHASE), np.uint64(Stream.SYNC_GAP)


@kernel
def _node(desk: Desk, number: int) -> Node:
    found: Node = table(desk.nodes, desk.node_count, NODE)[number]
    return found


@kernel
def _draw(fleet: Fleet, node: Node, number: int) -> float:
    """Return the draw of the gap before the sync to come."""
    key = entity_key(fleet.seed_key, np.uint64(number), SYNC_GAP)
    return keyed_uniform(key, np.uint64(node.sync))


@kernel
def _delay_s(fleet: Fleet, desk: Desk, node: Node, number: int, failures: int) -> float:
    return backoff_delay(
        failures,
        desk.backoff_base_s,
        desk.backoff_factor,
        desk.backoff_cap_s,
        desk.backoff_jitter,
        _draw(fleet, node, number),
    )


@kernel
def _step(fleet: Fleet, issuer: Issuer, desk: Desk, number: int) -> None:
    """Let a node sync."""
    node = _node(desk, number)
    failed = desk.backs_off != 0 and not node_reaches(fleet, issuer, number)
    node.failures = node.failures + 1 if failed else 0
    node.sync += 1
    node.synced_s = node.next_s
    if failed:
        node.next_s += _delay_s(fleet, desk, node, number, node.failures)
    else:
        node.next_s += sync_gap(desk.sync_s, desk.sync_jitter, _draw(fleet, node, number))


@kernel
def _sync_to(fleet: Fleet, issuer: Issuer, desk: Desk, number: int, t_s: float) -> None:
    """Let a node make its syncs before an instant."""
    while _node(desk, number).next_s < t_s:
        _step(fleet, issuer, desk, number)


@kernel
def asks_now(
    fleet: Fleet, issuer: Issuer, desk: Desk, wheel: Wheel, t_s: float, i: int, note: int
) -> bool:
    """Return whether a request that comes up is made: neither void, nor to wait (then filed)."""
    if overtaken(fleet, issuer, t_s, i, note & ~NEXT_BATCH):
        return False
    if desk.node_count == 0 and desk.batch_limit == 0:
        return True
    if _waits(fleet, issuer, desk, wheel, t_s, i, note):
        return False
    # a void entry may wait for the same sync: of the two the second is void now
    table(fleet.records, fleet.record_count, RECORD)[i].event_s = np.nextafter(t_s, -inf)
    return True


@kernel
def _waits(
    fleet: Fleet, issuer: Issuer, desk: Desk, wheel: Wheel, t_s: float, i: int, note: int
) -> bool:
    """Return whether a request that comes up waits for a sync or the next batch; then file it."""
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    number = node_of(fleet, i)
    if desk.node_count > 0:
        _sync_to(fleet, issuer, desk, number, t_s)
        node = _node(desk, number)
        if node.next_s == t_s:
            _step(fleet, issuer, desk, number)
        refused = flag(record, REFUSED)
        for_sync = desk.backs_off != 0 if refused else not lost(fleet, i)
        if for_sync and note & NEXT_BATCH == 0 and node.synced_s != t_s:
            record.event_s = node.next_s
            file(wheel, node.next_s, i, note)
            return True
    return waits_for_batch(fleet, desk, wheel, t_s, i, note)


@kernel
def waits_for_batch(fleet: Fleet, desk: Desk, wheel: Wheel, t_s: float, i: int, note: int) -> bool:
    """Return whether the node's batch of this instant is full; then file the request."""
    if (
        desk.batch_limit == 0
        or desk.in_batch < desk.batch_limit
        or desk.batch_s != t_s
        or desk.batch_node != node_of(fleet, i)
    ):
        return False
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    later_s = t_s + desk.batch_gap_s
    if lost(fleet, i) and not flag(record, REFUSED):
        again_s = table(fleet.again_s, fleet.record_count, np.float64)
        if again_s[i] > -inf:  # it does not idle meanwhile
            again_s[i] = later_s
    record.event_s = later_s
    file(wheel, later_s, i, note | NEXT_BATCH)
    return True


@kernel
def fail(fleet: Fleet, issuer: Issuer, desk: Desk, t_s: float, i: int) -> None:
    """Put the next sync of a node off, where a request that it makes just failed."""
    if desk.backs_off == 0:
        return
    number = node_of(fleet, i)
    _sync_to(fleet, issuer, desk, number, t_s)
    node = _node(desk, number)
    record = table(fleet.records, fleet.record_count, RECORD)[i]
    failures = 1
    if flag(record, REFUSED):
        failures += int64(table(fleet.refusals, fleet.record_count, np.uint32)[i])
    node.next_s = max(node.next_s, t_s + _delay_s(fleet, desk, node, number, failures))


@entry(types.void(types.uint64))
def begin_syncs(place: np.uint64) -> None:
    """Let every node's first sync stand at its phase."""
    fleet = table(place, 1, FLEET)[0]
    desk = table(table(fleet.issuer, 1, ISSUER)[0].desk, 1, DESK)[0]
    for number in range(desk.node_count):
        node = _node(desk, number)
        key = entity_key(fleet.seed_key, np.uint64(number), SYNC_PHASE)
        node.next_s = keyed_uniform(key, np.uint64(0)) * desk.sync_s
        node.synced_s = -1.0


@entry(types.void(types.uint64, types.float64))
def sync_all(place: np.uint64, to_s: float) -> None:
    """Let every node make its syncs before an instant at which it may lose or find the issuer."""
    fleet = table(place, 1, FLEET)[0]
    issuer = table(fleet.issuer, 1, ISSUER)[0]
    desk = table(issuer.desk, 1, DESK)[0]
    for number in range(desk.node_count):
        _sync_to(fleet, issuer, desk, number, to_s)
