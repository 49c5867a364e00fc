"""What the kernels keep in memory: one struct a class, its fields the annotations.

``Fleet`` is the hub: kernels receive its address and reach the rest from there.
"""

from typing import Annotated

from scenarios.demand.initial import SLOTS
from scenarios.spec.schema import HOURS
from simulator.fleet.memory import F8, I1, I4, I8, U4, U8, Table, kernel, struct, table
from simulator.population import TRACE_DTYPE

SHARDS = 64
"""logical parts of the fleet, for any number of threads; sums are added in their order"""


class Record:
    """A credential slot and, in an agent's first slot, the agent's switch clock: 32 bytes."""

    next_switch_s: F8
    """time of the next switch candidate that was not yet counted (first slot)"""
    issued_s: F8
    event_s: F8
    """when the slot makes its next attempt at a request; in the past while one is being served"""
    candidate: U4
    """number of the candidate at ``next_switch_s`` (first slot)"""
    tag: U4
    """serial + 1 in the upper 24 bits; below them the flags and, in the first slot, task + 1"""


RECORD = struct(Record)
NO_SERIAL = 0
SERIAL_SHIFT = 8
MAX_ISSUES = 1 << 24
MAX_CANDIDATES = 1 << 32
REFUSED = 1 << 5
"""the slot's request was refused at least once; it backs off until ``event_s``"""
REVOKED = 1 << 6
"""validity ended by command, at ``Fleet.ended_s`` of the record"""
WATCHED = 1 << 7
"""first slot: what is issued to the agent is logged"""
TASK_MASK = 31
"""first slot: the current task + 1"""


class Entry:
    """Something that will happen, or just did, to a record at an instant: 16 bytes."""

    t_s: F8
    record: U4
    note: U4
    """of a request: number of issues of the slot so far, ``WAKE`` where an agent only wants to look
    for its next use; of an answer: its ``EventKind`` or ``WAKE``"""


ENTRY = struct(Entry)
WAKE = 1 << 31
NEXT_BATCH = 1 << 28
"""a note: what the last batch of the node had no room for; it waits for no sync"""
RESTART = 1 << 29
"""a note: the agent restarts (the record is its first); below, how often it did before"""
RESTART_OF_NODE = RESTART | (RESTART - 1)
"""a note: so it does because its node does"""


class AgentClass:
    """A workload class."""

    first_agent: I8
    agents: I8
    restart_hz: F8
    first_record: I8
    first_node: I8
    agents_per_node: I8
    on_node: I8
    """agents of a node share the document of the first"""
    slots: I8
    tasks: I8
    plain: I8
    """one always-active task and no profile: every candidate is a switch"""
    ttl_s: F8
    """life that its documents are asked for"""
    ca_since_s: F8
    ca_term_s: F8
    ca_life_s: F8
    shortened: I8
    """the CA shortens some of its documents"""
    refused: I8
    """some of its documents are refused for a while after their issue"""
    ca_lead_s: F8
    refresh_s: F8
    refresh_phase_s: F8
    skew_share: F8
    skewed_s: F8
    """how far a clock that is off is behind"""
    backdate_s: F8
    rate_hz: F8
    cumulative_hz: Annotated[tuple[float, ...], "f8", SLOTS]
    active_masks: Annotated[tuple[int, ...], "u4", SLOTS]
    weighted: I8
    """candidates are thinned by ``weights``"""
    weights: Annotated[tuple[float, ...], "f8", HOURS]
    """share of the rates by hour of day"""
    use_hz: Annotated[tuple[float, ...], "f8", SLOTS]
    """by slot: rate of its tasks active at the starting hour"""
    tenant: I8
    """its number, or ``simulator.layout.EVERYBODY`` where there are none"""
    limit_hz: F8
    """of requests from one source; 0 for no limit"""
    limit_burst: I8
    limiter: I8
    """source that all agents are, or ``limits.BY_ADDRESS``"""
    nodes_per_address: I8


AGENT_CLASS = struct(AgentClass)


class Lane:
    """What one part counts and logs, on cache lines of its own; the last is for commands."""

    drawn: U8
    """float64 × ``BLOCK``: switches drawn ahead, first their gaps, then their instants"""
    switches: I8
    auth_failures: I8
    waits: I8
    lost: I8
    """documents that restarts lost"""
    first_waits: U8
    """int64 by bin of the time to the first credential"""
    first_wait_s: F8
    open_failures: I8
    """failures since the expiry of what is expired now, where switches are counted in bulk"""
    expired_slots: I8
    in_flight_slots: I8
    trace: U8
    trace_rows: I8
    trace_capacity: I8
    log: U8
    log_rows: I8
    spans: U8
    span_rows: I8


BLOCK = 8
"""switches drawn at a time"""
LANE = struct(Lane, align=128)
LANES = 9


class Span:
    """A time in which an agent held nothing valid, to be searched for failures in bulk."""

    agent: I8
    users: I8
    """agents from there on that use what it holds"""
    from_s: F8
    to_s: F8


SPAN = struct(Span)


class Shard:
    """Sums of seconds, kept by shard so that no number of threads changes their rounding."""

    first_agent: I8
    end_agent: I8
    first_record: I8
    end_record: I8
    expired_s: F8
    open_expired_s: F8


SHARD = struct(Shard)


class Issue:
    """A log line of an issue to a watched agent."""

    issued_s: F8
    record: U4
    serial: I4


ISSUE = struct(Issue)


class Batch:
    """Answers of the issuer; once agents have taken note, what they ask for next instead."""

    entries: U8
    count: I8
    stage: I8
    limit_s: F8
    """no agent asks for anything sooner because of these answers"""


BATCH = struct(Batch)
BATCHES = 2
"""while agents take note of one batch, the issuer works on the next"""
FILED, ANSWERED, ASKED = range(3)
"""stages of a batch"""
PARTS = 8
"""pieces of work for any number of threads, a lane each: ``SHARDS // PARTS`` shards"""


class Life:
    """A factor on the life of what a tenant is issued from an instant on."""

    from_s: F8
    factor: F8
    tenant: I8
    """``simulator.layout.EVERYBODY`` for all"""


LIFE = struct(Life)


class Fleet:
    """The hub: rules, sizes, and the addresses of everything."""

    seed_key: U8
    start_hour: F8
    rule: I8
    fraction: F8
    jitter: F8
    poll_s: F8
    before_expiry_s: F8
    target_s: F8
    target_jitter_s: F8
    grace_s: F8
    forgotten_share: F8
    mended_within_s: F8
    per_request: I8
    """no document serves a second task (AT_USE)"""
    one_task: I8
    """scope ONE_TASK: a slot for each task"""
    synchronised: I8
    cold: I8
    backoff_base_s: F8
    backoff_factor: F8
    backoff_cap_s: F8
    backoff_jitter: F8
    scan_s: F8
    """how far ahead an agent looks for its next use at a time (AT_USE)"""
    margin_s: F8
    """how long before the end of that it wakes to look further"""
    lives: U8
    """the factors on ``ttl_s`` that were ever in force, in order of their instants"""
    life_count: I8
    agents: I8
    records: U8
    record_count: I8
    ended_s: U8
    """float64 by record: when a revoked credential ended"""
    hurried_s: U8
    """float64 by record: when an order made the present credential due; 0 for no order"""
    hurried: I8
    """there was such an order"""
    churn: I8
    """agents restart"""
    lost_s: U8
    """float64 by record: when a restart lost the document, less idle time; −inf for none"""
    again_s: U8
    """float64 by record: from when it may be asked for; −inf where a request was in flight"""
    entry_reload_s: F8
    agent_sync_s: F8
    renewal_sync_s: F8
    """``agent_sync_s`` where renewals wait for the node's next sync, else 0"""
    refusals: U8
    """uint32 by record: failures of the request under way"""
    has_deadline: I8
    timeouts: U8
    """uint32 by record, where there is a deadline: time-outs of the request under way"""
    classes: U8
    class_count: I8
    shards: U8
    lanes: U8
    batches: U8
    batch_capacity: I8
    spare: U8
    """one entry, for a command's own request"""
    picks: U8
    """uint32 by part and answer: the answers that concern a part"""
    wheel: U8
    issuer: U8
    tracing: I8
    aggregated: I8
    """private switches are counted in bulk (``poisson``), none is drawn"""


FLEET = struct(Fleet)
TRACE = TRACE_DTYPE
MAX_LANES = 9


class Trace:
    """A row of ``population.TRACE_DTYPE``."""

    t_s: F8
    kind: I1
    agent: I8
    slot: I4
    serial: I8


@kernel
def is_restart(note: int) -> bool:
    """Return whether a note says that an agent restarts; other flags lie above."""
    return RESTART <= note < 2 * RESTART


@kernel
def class_of(fleet: Fleet, record: int) -> AgentClass:
    """Return the class of the agent that a record belongs to."""
    classes: Table[AgentClass] = table(fleet.classes, fleet.class_count, AGENT_CLASS)
    i = fleet.class_count - 1
    while record < classes[i].first_record:
        i -= 1
    return classes[i]


@kernel
def agent_and_slot(agent_class: AgentClass, record: int) -> tuple[int, int]:
    """Return whose slot a record is."""
    offset = record - agent_class.first_record
    if agent_class.slots == 1:
        return agent_class.first_agent + offset, 0
    return agent_class.first_agent + offset // agent_class.slots, offset % agent_class.slots


@kernel
def holder_of(agent_class: AgentClass, record: int) -> int:
    """Return the record of what the agent of a first record uses: its own, or its node's first."""
    if not agent_class.on_node:
        return record
    return record - (record - agent_class.first_record) % agent_class.agents_per_node


@kernel
def users_of(agent_class: AgentClass, record: int) -> int:
    """Return how many agents use what the agent of a record holds; 0 where it holds nothing."""
    if not agent_class.on_node:
        return 1
    place = record - agent_class.first_record
    if place % agent_class.agents_per_node != 0:
        return 0
    return min(agent_class.agents_per_node, agent_class.agents - place)


@kernel
def node_of(fleet: Fleet, record: int) -> int:
    """Return the number of the node of a record's agent (``Layout.node_number``)."""
    agent_class = class_of(fleet, record)
    agent, _ = agent_and_slot(agent_class, record)
    place = (agent - agent_class.first_agent) // agent_class.agents_per_node
    return agent_class.first_node + place


@kernel
def records_of(fleet: Fleet, part: int, parts: int) -> tuple[int, int]:
    """Return the range of the records of ``parts`` parts from ``part`` on."""
    shards = table(fleet.shards, SHARDS, SHARD)
    begin = shards[part * SHARDS // PARTS].first_record
    return begin, shards[(part + parts) * SHARDS // PARTS - 1].end_record


@kernel
def first_record(fleet: Fleet, agent: int) -> int:
    """Return the number of an agent's first record."""
    classes: Table[AgentClass] = table(fleet.classes, fleet.class_count, AGENT_CLASS)
    c = fleet.class_count - 1
    while agent < classes[c].first_agent:
        c -= 1
    return classes[c].first_record + (agent - classes[c].first_agent) * classes[c].slots


@kernel
def log_event(lane: Lane, t_s: float, kind: int, agent: int, slot: int, serial: int) -> None:
    """Add a row to a lane's trace; one that does not fit is counted, so that it is noticed."""
    if lane.trace_rows < lane.trace_capacity:
        row = table(lane.trace, lane.trace_capacity, TRACE)[lane.trace_rows]
        row.t_s = t_s
        row.kind = kind
        row.agent = agent
        row.slot = slot
        row.serial = serial
    lane.trace_rows += 1
