"""Attempts and where they wait, where an issuer has more than servers and one queue.

Attempts lie in one ring in the order in which they were accepted, which is that of their deadlines;
each stage's queue is a chain through it.
"""

from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.spec.schema import Issuer, Scenario
from simulator.fleet.layout import ENTRY
from simulator.fleet.memory import F8, I8, U4, U8, Memory, kernel, reserve, struct, table
from simulator.limits import limited, limits
from simulator.population import Command, CommandKind

DATASTORE, SIGNING = range(2)
"""stages, in the order in which an attempt goes through them"""
NOBODY = -1
FIRST_ROOM = 1 << 12
"""attempts that a ring holds at first"""
NO_BOUND = 1 << 62


class Attempt:
    """One accepted attempt at a request."""

    record: U4
    issues: U4
    """of its slot when it was made"""
    finished: I8
    given_up: I8
    behind: I8
    """number of the attempt behind it in the queue that it stands in"""
    joined_s: F8
    """when it joined that queue"""
    deadline_s: F8
    datastore_s: F8
    signing_s: F8
    """what each stage will take, its factor left out"""


ATTEMPT = struct(Attempt)


class Stage:
    """Servers in parallel behind one FIFO queue."""

    servers: I8
    mean_s: F8
    factor: F8
    busy: I8
    serving: U8
    """entries: heap of the ends of work; the note is the attempt's number"""
    first: I8
    """number of the attempt that waits longest, ``NOBODY`` when none does"""
    last: I8


STAGE = struct(Stage)


class Desk:
    """State of the issuer beyond ``Issuer``; arrays by address."""

    stages: U8
    first_stage: I8
    attempts: U8
    """ring of the attempts from number ``oldest`` on"""
    mask: I8
    oldest: I8
    next_timer: I8
    """the first attempt whose deadline has not come"""
    next: I8
    capacity: I8
    held: I8
    """attempts that have arrived and are not finished"""
    unfinished: I8
    deadline_s: F8
    next_turn_s: U8
    """float64 by source"""
    sources: I8
    """limiters; 0 where nobody is limited"""
    timeouts: I8
    wasted: I8
    overhead_s: F8
    """of a batch"""
    batch_s: F8
    """instant and node of the last accepted attempt"""
    batch_node: I8
    in_batch: I8
    """accepted attempts of that instant and node"""
    batch_limit: I8
    """0 for no limit"""
    batch_gap_s: F8
    nodes: U8
    """of ``nodes``"""
    node_count: I8
    """0 where syncs are not chained"""
    sync_s: F8
    sync_jitter: F8
    backs_off: I8
    """a node's agent backs off as a whole, by the numbers below"""
    backoff_base_s: F8
    backoff_factor: F8
    backoff_cap_s: F8
    backoff_jitter: F8
    limited: I8
    limited_wait_s: F8


DESK = struct(Desk)


@kernel
def attempt_of(desk: Desk, number: int) -> Attempt:
    """Return an attempt that is not forgotten yet."""
    attempts = table(desk.attempts, desk.mask + 1, ATTEMPT)
    found: Attempt = attempts[number & desk.mask]
    return found


@kernel
def finish(desk: Desk, number: int) -> None:
    """Mark an attempt as over, and forget those that are from the oldest on."""
    attempt_of(desk, number).finished = 1
    desk.unfinished -= 1
    while desk.oldest < desk.next and attempt_of(desk, desk.oldest).finished:
        desk.oldest += 1


class Node:
    """The agent of a node."""

    next_s: F8
    """when it syncs next"""
    synced_s: F8
    """when it synced last"""
    sync: I8
    """number of the sync to come"""
    failures: I8
    """syncs in a row that failed"""


NODE = struct(Node)


def needs_desk(scenario: Scenario) -> bool:
    """Return whether an issuer has more than servers and one queue without end."""
    of = scenario.issuer
    wanted = (of.datastore, of.queue_limit, of.deadline_s)
    batched = of.batch_overhead_s > 0.0 or of.batch_limit is not None
    more = batched or of.chained_syncs or limited(scenario)
    return more or any(feature is not None for feature in wanted)


def build_desk(
    memory: Memory, scenario: Scenario, nodes: int, records: int, by_timer: bool
) -> None:
    """Lay out the desk of a fleet and let its issuer know.

    Args:
        memory: of the fleet.
        scenario: its issuer and the quotas of its tenants.
        nodes: of the fleet.
        records: of the fleet.
        by_timer: whether requests are made by timers, hence by the agents of the nodes.
    """
    of = scenario.issuer
    desk, stages = np.zeros(1, DESK), np.zeros(2, STAGE)
    stages["factor"], stages["first"] = 1.0, NOBODY
    for place, stage in ((DATASTORE, of.datastore), (SIGNING, of)):
        if stage is not None:
            row = stages[place : place + 1]
            row["servers"], row["mean_s"] = stage.servers, stage.service_time_s
            memory.hold(row, "serving", reserve(stage.servers, ENTRY), f"serving{place}")
    desk["first_stage"] = SIGNING if of.datastore is None else DATASTORE
    desk["capacity"] = NO_BOUND
    if of.queue_limit is not None:
        desk["capacity"] = int(stages["servers"].sum()) + of.queue_limit
    desk["overhead_s"], desk["batch_node"] = of.batch_overhead_s, NOBODY
    desk["deadline_s"] = inf if of.deadline_s is None else of.deadline_s
    if limited(scenario):
        _, desk["sources"] = limits(scenario, nodes)
        memory.hold(desk, "next_turn_s", np.full(int(desk["sources"][0]), -inf))
    if by_timer:
        _build_nodes(memory, desk, of, nodes)
    memory.hold(desk, "stages", stages)
    desk["mask"] = FIRST_ROOM - 1
    memory.hold(desk, "attempts", reserve(FIRST_ROOM, ATTEMPT))
    memory.hold(memory.issuer, "desk", desk)
    if of.deadline_s is not None:
        memory.fleet["has_deadline"] = True
        memory.hold(memory.fleet, "timeouts", reserve(records, np.uint32))


def _build_nodes(memory: Memory, desk: NDArray[np.void], of: Issuer, nodes: int) -> None:
    """Lay out the agents of the nodes, as far as they are on."""
    desk["batch_limit"], desk["batch_gap_s"] = of.batch_limit or 0, of.batch_gap_s
    if not of.chained_syncs:
        return
    desk["node_count"] = nodes
    desk["sync_s"], desk["sync_jitter"] = of.agent_sync_s, of.agent_sync_jitter
    if (backoff := of.sync_backoff) is not None:
        desk["backs_off"] = True
        for name in ("base_s", "factor", "cap_s", "jitter"):
            desk[f"backoff_{name}"] = getattr(backoff, name)
    memory.hold(desk, "nodes", np.zeros(nodes, NODE))


def provide_attempts(memory: Memory) -> None:
    """Make sure that half of the ring of attempts is free."""
    desk = memory.arrays["desk"]
    oldest, end, room = int(desk["oldest"][0]), int(desk["next"][0]), int(desk["mask"][0]) + 1
    if end - oldest > room // 2:
        numbers = np.arange(oldest, end)
        grown = reserve(2 * room, ATTEMPT)
        grown[numbers & (2 * room - 1)] = memory.arrays["attempts"][numbers & (room - 1)]
        desk["mask"] = 2 * room - 1
        memory.hold(desk, "attempts", grown)


def order(memory: Memory, command: Command) -> None:
    """Execute an order that concerns the issuer, with a desk or without."""
    issuer, arrays = memory.issuer, memory.arrays
    match command.kind:
        case CommandKind.ISSUER_DOWN | CommandKind.ISSUER_UP:
            issuer["down"] = command.kind == CommandKind.ISSUER_DOWN
        case CommandKind.CUT_OFF | CommandKind.RECONNECT:
            shares = arrays["cut_off_share"]
            shares[command.fault] = command.value if command.kind == CommandKind.CUT_OFF else 0.0
            issuer["partitions"] = np.count_nonzero(shares)
        case CommandKind.SLOW_DATASTORE if "stages" in arrays:
            arrays["stages"]["factor"][DATASTORE] = command.value
        case CommandKind.SLOW_SIGNING if "stages" in arrays:
            arrays["stages"]["factor"][SIGNING] = command.value
        case CommandKind.SLOW_SIGNING:
            issuer["signing_factor"] = command.value


def counted(memory: Memory) -> dict[str, Any]:
    """Return the counters that only a desk has."""
    if "desk" not in memory.arrays:
        return {}
    desk = memory.arrays["desk"][0]
    whole = {name: int(desk[name]) for name in ("timeouts", "wasted", "limited")}
    return whole | {"limited_wait_s": float(desk["limited_wait_s"])}


def unfinished(memory: Memory) -> int:
    """Return how many accepted requests the issuer has not done its work for."""
    if "desk" in memory.arrays:
        return int(memory.arrays["desk"]["unfinished"][0])
    issuer = memory.issuer[0]
    return int(issuer["busy"] + issuer["queue_tail"] - issuer["queue_head"])
