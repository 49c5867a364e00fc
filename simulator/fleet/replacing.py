"""The order to replace what an agent holds."""

from math import inf

import numpy as np
from numba import types

from simulator.fleet.agents import back_off, file_entry, renew
from simulator.fleet.issuer import (
    ISSUER,
    Issuer,
    accept,
    count_issue,
    count_refusal,
    log_attempt,
    order,
    overtake,
    refuses,
)
from simulator.fleet.layout import (
    ENTRY,
    FLEET,
    LANE,
    LANES,
    NO_SERIAL,
    RECORD,
    REVOKED,
    AgentClass,
    Fleet,
    class_of,
    first_record,
)
from simulator.fleet.losses import lost
from simulator.fleet.memory import entry, kernel, table
from simulator.fleet.slots import expires_s, in_flight, issues, retag
from simulator.fleet.wheel import WHEEL


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
