"""A credential slot of the fleet: what it holds, until when, and whether a request is under way."""

import numpy as np

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.spec.rules import AT_USE, AVAILABILITY_TARGET, FRACTION_POLLED
from simulator.fleet.laws import (
    ca_truncation,
    expiry,
    renewal_age,
    trusted_from,
    usable_from,
)
from simulator.fleet.layout import (
    LIFE,
    REFUSED,
    REVOKED,
    SERIAL_SHIFT,
    AgentClass,
    Fleet,
    Life,
    Record,
)
from simulator.fleet.memory import Table, int64, kernel, table
from simulator.layout import EVERYBODY

RENEWAL, POLL_PHASE = np.uint64(Stream.RENEWAL), np.uint64(Stream.POLL_PHASE)
CLOCK_SKEW = np.uint64(Stream.CLOCK_SKEW)


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
def life_factor(fleet: Fleet, tenant: int, issued_s: float) -> float:
    """Return the factor on the life of what a tenant was issued at an instant."""
    n = fleet.life_count - 1
    if n == 0:  # nobody ordered any
        return 1.0
    lives: Table[Life] = table(fleet.lives, fleet.life_count, LIFE)
    while lives[n].from_s > issued_s or lives[n].tenant not in (EVERYBODY, tenant):
        n -= 1
    return lives[n].factor


@kernel
def granted_s(fleet: Fleet, agent_class: AgentClass, issued_s: float) -> float:
    """Return the life of what is issued to a class at an instant."""
    return ca_truncation(
        issued_s,
        life_factor(fleet, agent_class.tenant, issued_s) * agent_class.ttl_s,
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
    factor = life_factor(fleet, agent_class.tenant, issued_s)
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
        fleet.forgotten_share,
        fleet.mended_within_s,
        u_phase,
        u_draw,
    )
    return max(0.0, age_s + behind_s(fleet, agent_class, agent))
