"""An order to renew everything within a window: few runs give one, so it is compiled apart."""

import numpy as np
from numba import types

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.spec.rules import AT_USE, SERVER_DIRECTED
from simulator.fleet.agents import ask_next, at_sync, due_at_use, file_entry
from simulator.fleet.issuer import ISSUER, void
from simulator.fleet.layout import (
    ENTRY,
    FLEET,
    NO_SERIAL,
    RECORD,
    agent_and_slot,
    class_of,
)
from simulator.fleet.losses import lost
from simulator.fleet.memory import entry, table
from simulator.fleet.slots import in_flight, issues
from simulator.fleet.wheel import WHEEL
from simulator.layout import EVERYBODY

RENEW_ALL, RENEWAL_CHECK = np.uint64(Stream.RENEW_ALL), np.uint64(Stream.RENEWAL_CHECK)


@entry(types.void(types.uint64, types.float64, types.float64, types.int64))
def hurry(place: np.uint64, now_s: float, window_s: float, tenant: int) -> None:
    """Make what a tenant holds due within a window, unless it is due before or being renewed."""
    fleet = table(place, 1, FLEET)[0]
    issuer = table(fleet.issuer, 1, ISSUER)[0]
    wheel = table(fleet.wheel, 1, WHEEL)[0]
    records = table(fleet.records, fleet.record_count, RECORD)
    hurried_s = table(fleet.hurried_s, fleet.record_count, np.float64)
    asked = table(fleet.spare, 1, ENTRY)
    fleet.hurried = 1
    for i in range(fleet.record_count):
        record = records[i]
        if issues(record) == NO_SERIAL or lost(fleet, i) or in_flight(record, now_s):
            continue
        agent_class = class_of(fleet, i)
        if tenant not in (EVERYBODY, agent_class.tenant):
            continue
        agent, slot = agent_and_slot(agent_class, i)
        k = np.uint64(SLOTS * (issues(record) - 1) + slot)
        u = keyed_uniform(entity_key(fleet.seed_key, np.uint64(agent), RENEW_ALL), k)
        due_s = now_s + u * window_s
        if fleet.rule == SERVER_DIRECTED:
            key = entity_key(fleet.seed_key, np.uint64(agent), RENEWAL_CHECK)
            due_s = max(due_s, now_s + keyed_uniform(key, k) * fleet.poll_s)
        if fleet.renewal_sync_s > 0.0:
            due_s = at_sync(fleet, i, due_s)
        was_s = record.event_s
        if due_s >= (
            due_at_use(fleet, agent_class, agent, slot, record, i)
            if fleet.rule == AT_USE
            else was_s
        ):
            continue
        hurried_s[i] = due_s
        ask_next(fleet, agent_class, agent, slot, i, due_s, now_s, asked, 0)
        if record.event_s != was_s:
            void(issuer, i, was_s)
            file_entry(wheel, asked[0])
