"""What the port asks at an instant: switches so far, what has expired, what is in flight."""

import numpy as np
from numba import types

from simulator.fleet.layout import (
    FLEET,
    LANE,
    LANES,
    PARTS,
    RECORD,
    SHARD,
    SHARDS,
    agent_and_slot,
    class_of,
    first_record,
    records_of,
    users_of,
)
from simulator.fleet.memory import entry, table
from simulator.fleet.slots import expires_s, in_flight, overdue_s
from simulator.fleet.switching import replay


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
