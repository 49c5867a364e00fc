"""Private switches in bulk: how many fell before an instant, without drawing each of them.

Equal in law to the exact path and, like it, a pure function of keys: time is cut into hours of the
day, the number of switches in an hour is one keyed Poisson draw, and the number in a part of it
follows by halving: of n uniform instants, Binomial(n, ½) lie in the first half. Whoever asks, in
whatever order, gets one consistent history, down to instants where few are left.
"""

from math import exp, floor, lgamma, log, sqrt

import numpy as np
from numba import types

from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.spec.rules import SECONDS_PER_HOUR
from simulator.fleet.layout import (
    FLEET,
    LANE,
    LANES,
    RECORD,
    SPAN,
    AgentClass,
    Fleet,
    agent_and_slot,
    class_of,
    first_record,
    holder_of,
    records_of,
)
from simulator.fleet.memory import entry, int64, kernel, table
from simulator.fleet.slots import accepted_from_s, expires_s

COUNT, SPLIT = np.uint64(Stream.SWITCH_COUNT), np.uint64(Stream.SWITCH_SPLIT)
MARK = np.uint64(Stream.SWITCH_MARK)
FEW = 32
"""switches of a part of an hour from which on their instants are drawn themselves"""
DRAWS = 16
"""bits of an occurrence number left for the uniforms of one rejection sampler"""


@kernel
def poisson_draw(mean: float, key: np.uint64, k: np.uint64) -> int:
    """Return a Poisson draw: products of uniforms, or Hörmann's PTRS from a mean of 10 on.

    W. Hörmann 1993, "The transformed rejection method for generating Poisson random variables".
    """
    if mean <= 0.0:
        return 0
    if mean < 10.0:
        n, product, bound = -1, 1.0, exp(-mean)
        while product > bound:
            n += 1
            product *= keyed_uniform(key, k + np.uint64(n))
        return n
    b = 0.931 + 2.53 * sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    sure = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u = keyed_uniform(key, k) - 0.5
        v = keyed_uniform(key, k + np.uint64(1))
        k += np.uint64(2)
        edge = 0.5 - abs(u)
        n = int64(floor((2.0 * a / edge + b) * u + mean + 0.43))
        if edge >= 0.07 and v <= sure:
            return n
        if n < 0 or (edge < 0.013 and v > edge):
            continue
        odds = log(v * inverse_alpha / (a / (edge * edge) + b))
        if odds <= n * log(mean) - mean - lgamma(n + 1.0):
            return n


@kernel
def halving_draw(n: int, key: np.uint64) -> int:
    """Return a Binomial(n, ½) draw by Hörmann's BTRS, n at least 20.

    W. Hörmann 1993, "The generation of binomial random variates".
    """
    spread = sqrt(0.25 * n)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.005
    alpha = (2.83 + 5.1 / b) * spread
    sure = 0.92 - 4.2 / b
    mode = floor((n + 1) * 0.5)
    peak = lgamma(mode + 1.0) + lgamma(n - mode + 1.0)
    k = np.uint64(0)
    while True:
        u = keyed_uniform(key, k) - 0.5
        v = keyed_uniform(key, k + np.uint64(1))
        k += np.uint64(2)
        edge = 0.5 - abs(u)
        left = int64(floor((2.0 * a / edge + b) * u + 0.5 * n + 0.5))
        if left < 0 or left > n:
            continue
        if edge >= 0.07 and v <= sure:
            return left
        if log(v * alpha / (a / (edge * edge) + b)) <= (
            peak - lgamma(left + 1.0) - lgamma(n - left + 1.0)
        ):
            return left


@kernel
def hour_begins_s(fleet: Fleet, hour: int) -> float:
    """Return when hour number ``hour`` of the run begins; 0 holds t = 0."""
    return max(0.0, (hour - fleet.start_hour % 1.0) * SECONDS_PER_HOUR)


@kernel
def hour_of(fleet: Fleet, t_s: float) -> int:
    """Return the number of the hour that holds an instant."""
    hour = int64(t_s / SECONDS_PER_HOUR + fleet.start_hour % 1.0)
    return hour + 1 if hour_begins_s(fleet, hour + 1) <= t_s else hour


@kernel
def active_rate_hz(fleet: Fleet, agent_class: AgentClass, hour: int) -> float:
    """Return the rate of the tasks that are active in an hour."""
    bit = (int64(fleet.start_hour) + hour) % 24
    rate_hz, before_hz = 0.0, 0.0
    for task in range(agent_class.tasks):
        up_to_hz = agent_class.cumulative_hz[task]
        if (int64(agent_class.active_masks[task]) >> bit) & 1:
            rate_hz += up_to_hz - before_hz
        before_hz = up_to_hz
    return rate_hz


@kernel
def in_hour(fleet: Fleet, agent_class: AgentClass, agent: int, hour: int) -> int:
    """Return the number of switches in a whole hour."""
    length_s = hour_begins_s(fleet, hour + 1) - hour_begins_s(fleet, hour)
    key = entity_key(fleet.seed_key, np.uint64(agent), COUNT)
    weight = agent_class.weights[(int64(fleet.start_hour) + hour) % 24]
    mean = active_rate_hz(fleet, agent_class, hour) * weight * length_s
    return poisson_draw(mean, key, np.uint64(hour << DRAWS))


@kernel
def before_share(fleet: Fleet, agent: int, hour: int, n: int, share: float) -> int:
    """Return how many of an hour's ``n`` switches fall into its first ``share``."""
    if share <= 0.0:
        return 0
    split = entity_key(fleet.seed_key, np.uint64(agent), SPLIT)
    low, width, node, before = 0.0, 1.0, 1, 0
    while n > FEW:
        left = halving_draw(n, entity_key(split, np.uint64(hour), np.uint64(node)))
        width *= 0.5
        node *= 2
        if share < low + width:
            n = left
        else:
            before += left
            n -= left
            low += width
            node += 1
    key = entity_key(split, np.uint64(hour), np.uint64(node))
    for i in range(n):
        before += low + width * keyed_uniform(key, np.uint64(i)) < share
    return before


@kernel
def in_hour_before(
    fleet: Fleet, agent_class: AgentClass, agent: int, hour: int, to_s: float
) -> int:
    """Return the number of switches of an hour before ``to_s``, an instant in it."""
    begin_s = hour_begins_s(fleet, hour)
    share = (to_s - begin_s) / (hour_begins_s(fleet, hour + 1) - begin_s)
    if share <= 0.0:
        return 0
    n = in_hour(fleet, agent_class, agent, hour)
    return before_share(fleet, agent, hour, n, share)


@kernel
def switches_in(
    fleet: Fleet, agent_class: AgentClass, agent: int, from_s: float, to_s: float
) -> int:
    """Return the number of an agent's switches in [from_s, to_s)."""
    first, last = hour_of(fleet, from_s), hour_of(fleet, to_s)
    total = in_hour_before(fleet, agent_class, agent, last, to_s)
    total -= in_hour_before(fleet, agent_class, agent, first, from_s)
    for hour in range(first, last):
        total += in_hour(fleet, agent_class, agent, hour)
    return total


@kernel
def last_task(fleet: Fleet, agent_class: AgentClass, agent: int, now_s: float) -> int:
    """Return the task of the last switch before ``now_s``, −1 when there was none."""
    hour = hour_of(fleet, now_s)
    n = in_hour_before(fleet, agent_class, agent, hour, now_s)
    while n == 0 and hour > 0:
        hour -= 1
        n = in_hour(fleet, agent_class, agent, hour)
    if n == 0:
        return -1
    key = entity_key(entity_key(fleet.seed_key, np.uint64(agent), MARK), np.uint64(hour), COUNT)
    mark_hz = keyed_uniform(key, np.uint64(n)) * active_rate_hz(fleet, agent_class, hour)
    bit = (int64(fleet.start_hour) + hour) % 24
    before_hz = 0.0
    for task in range(agent_class.tasks):
        up_to_hz = agent_class.cumulative_hz[task]
        if (int64(agent_class.active_masks[task]) >> bit) & 1:
            mark_hz -= up_to_hz - before_hz
            if mark_hz < 0.0:
                return task
        before_hz = up_to_hz
    return agent_class.tasks - 1


@entry(types.void(types.uint64))
def count_spans(place: np.uint64) -> None:
    """Count the failures in the times without a valid credential that ``renew`` noted."""
    fleet = table(place, 1, FLEET)[0]
    lanes = table(fleet.lanes, LANES, LANE)
    for i in range(LANES):
        lane = lanes[i]
        spans = table(lane.spans, 2 * fleet.batch_capacity, SPAN)
        for row in range(lane.span_rows):
            span = spans[row]
            agent_class = class_of(fleet, first_record(fleet, span.agent))
            for user in range(span.users):
                lane.auth_failures += switches_in(
                    fleet, agent_class, span.agent + user, span.from_s, span.to_s
                )
        lane.span_rows = 0


@entry(types.void(types.uint64, types.int64, types.float64))
def count_switches(place: np.uint64, part: int, to_s: float) -> None:
    """Count a part's switches before ``to_s``, and its failures with what is expired then."""
    fleet = table(place, 1, FLEET)[0]
    lane = table(fleet.lanes, LANES, LANE)[part]
    records = table(fleet.records, fleet.record_count, RECORD)
    begin, end = records_of(fleet, part, 1)
    switches, failures = 0, 0
    for i in range(begin, end):  # a timer rule: one slot an agent
        agent_class = class_of(fleet, i)
        agent, _ = agent_and_slot(agent_class, i)
        switches += switches_in(fleet, agent_class, agent, 0.0, to_s)
        held = holder_of(agent_class, i)
        ends_s = max(0.0, expires_s(fleet, agent_class, records[held], held))
        if agent_class.refused:
            issued_s = records[held].issued_s
            refused_to_s = accepted_from_s(fleet, agent_class, agent, issued_s)
            refused_to_s = min(to_s, ends_s, refused_to_s)
            if max(0.0, issued_s) < refused_to_s:
                failures += switches_in(fleet, agent_class, agent, max(0.0, issued_s), refused_to_s)
        if ends_s < to_s:
            failures += switches_in(fleet, agent_class, agent, ends_s, to_s)
    lane.switches = switches
    lane.open_failures = failures


@entry(types.int64(types.uint64, types.int64, types.float64))
def current_task(place: np.uint64, agent: int, now_s: float) -> int:
    """Return the task of an agent's last switch before ``now_s``, −1 when there was none."""
    fleet = table(place, 1, FLEET)[0]
    return last_task(fleet, class_of(fleet, first_record(fleet, agent)), agent, now_s)
