"""What an agent holds at t = 0: credential ages from their stationary law.

Plain scalar functions over keyed draws; the reference calls them as they stand and the fleet
compiles the same objects.

Exact for a renewal process whose cycle is the renewal age (timer rules) or the renewal age and an
exponential wait for the next use (AT_USE, at the rate of the tasks active at the starting hour);
the time that the issuer takes, some milliseconds of a cycle, is left out. A credential that is
never renewed has no stationary age: it counts as issued at t = 0. Where a CA shortens lives there
is no such law, and renewals are walked through from some days before (``walked_slot``).
"""

from math import inf, log

import numpy as np

from scenarios.demand.streams import keyed_uniform
from scenarios.spec import rules

SLOTS = 16
"""slots of an agent at most, the stride of slot-wise occurrence numbers"""

HISTORY_TERMS = 8.0
"""terms of the CA for which a fleet whose lives it shortens has run before t = 0"""

EMPTY = (inf, -inf, -inf)
"""issue, due and expiry of an empty slot"""


def polled_life(
    rule: int,
    ttl_s: float,
    fraction: float,
    jitter: float,
    poll_s: float,
    target_s: float,
    target_jitter_s: float,
    grace_s: float,
    life_key: np.uint64,
    slot: int,
) -> float:
    """Return the length-biased renewal age under FRACTION_POLLED or AVAILABILITY_TARGET.

    Accepts an ordinary age r with probability r/b, b the largest possible one; trial j uses draws
    3j, 3j+1 (the age's two uniforms) and 3j+2 (acceptance) of INITIAL_LIFE.
    """
    bound = ttl_s - (1.0 - jitter) * (1.0 - fraction) * ttl_s + poll_s
    if rule == rules.AVAILABILITY_TARGET and ttl_s - target_s > grace_s:
        bound = min(bound, ttl_s - target_s + poll_s)
    draw = 0
    while True:
        u_phase = keyed_uniform(life_key, np.uint64(slot + SLOTS * draw))
        u_draw = keyed_uniform(life_key, np.uint64(slot + SLOTS * (draw + 1)))
        u_accept = keyed_uniform(life_key, np.uint64(slot + SLOTS * (draw + 2)))
        age = rules.renewal_age(
            rule,
            ttl_s,
            fraction,
            jitter,
            poll_s,
            0.0,
            target_s,
            target_jitter_s,
            grace_s,
            0.0,
            0.0,
            u_phase,
            u_draw,
        )
        if u_accept * bound <= age:
            return age
        draw += 3


def initial_slot(
    rule: int,
    ttl_s: float,
    fraction: float,
    jitter: float,
    poll_s: float,
    before_expiry_s: float,
    target_s: float,
    target_jitter_s: float,
    grace_s: float,
    forgotten_share: float,
    mended_within_s: float,
    use_hz: float,
    age_key: np.uint64,
    life_key: np.uint64,
    task_key: np.uint64,
    slot: int,
) -> tuple[float, float, float]:
    """Return issue, due and expiry of one slot in the stationary state; ``EMPTY`` if it has none.

    Args:
        rule: a member of ``regime.Renewal``.
        ttl_s: life of the credential.
        fraction: of the life at which renewal is due.
        jitter: half-width of its jitter.
        poll_s: time between polls.
        before_expiry_s: distance from expiry (BEFORE_EXPIRY).
        target_s: as ``rules.renewal_age`` has it, and so the next four.
        target_jitter_s: see there.
        grace_s: see there.
        forgotten_share: see there.
        mended_within_s: see there.
        use_hz: rate of the slot's tasks that are active at the starting hour (AT_USE).
        age_key: ``entity_key`` of the agent's INITIAL_AGE.
        life_key: the same for INITIAL_LIFE.
        task_key: the same for INITIAL_TASK.
        slot: number of the slot.
    """
    if rule == rules.AT_USE and use_hz <= 0.0:
        return EMPTY
    if rule == rules.NEVER or ttl_s == inf:
        return 0.0, inf, rules.expiry(0.0, ttl_s)
    u_age = keyed_uniform(age_key, np.uint64(slot))
    u_life = keyed_uniform(life_key, np.uint64(slot))
    if rule in (rules.FRACTION_POLLED, rules.AVAILABILITY_TARGET):
        life = polled_life(
            rule,
            ttl_s,
            fraction,
            jitter,
            poll_s,
            target_s,
            target_jitter_s,
            grace_s,
            life_key,
            slot,
        )
    elif rule == rules.BEFORE_EXPIRY:
        life = rules.stationary_age_by_hand(
            ttl_s, before_expiry_s, forgotten_share, mended_within_s, u_life
        )
    else:
        life = rules.stationary_position(rule, ttl_s, fraction, jitter, u_life)
    age = u_age * life
    if rule == rules.AT_USE:
        fresh = fraction * ttl_s * use_hz
        if keyed_uniform(task_key, np.uint64(slot)) * (fresh + 1.0) >= fresh:
            life = rules.renewal_age(
                rule,
                ttl_s,
                fraction,
                jitter,
                poll_s,
                before_expiry_s,
                target_s,
                target_jitter_s,
                grace_s,
                forgotten_share,
                mended_within_s,
                0.0,
                u_life,
            )
            age = life - log(u_age) / use_hz
    issued_s = -age
    return issued_s, issued_s + life, rules.expiry(issued_s, ttl_s)


def walked_slot(
    rule: int,
    ttl_s: float,
    fraction: float,
    jitter: float,
    poll_s: float,
    before_expiry_s: float,
    target_s: float,
    target_jitter_s: float,
    grace_s: float,
    forgotten_share: float,
    mended_within_s: float,
    use_hz: float,
    late_s: float,
    ca_since_s: float,
    ca_term_s: float,
    ca_life_s: float,
    walk_key: np.uint64,
    slot: int,
    at_s: float,
) -> tuple[float, float, float]:
    """Return issue, due and expiry of what a slot holds at t ≤ 0 where a CA shortens lives.

    Such lives depend on when they begin, so their law is periodic, and no age has a closed form.
    The slot is issued its first document uniformly within a life before ``HISTORY_TERMS`` terms of
    the CA, and its ordinary renewals are drawn from there on; the issuer's time is left out.

    Args:
        rule: a member of ``regime.Renewal``.
        ttl_s: life that is asked for.
        fraction: of the life at which renewal is due.
        jitter: half-width of its jitter.
        poll_s: time between polls.
        before_expiry_s: distance from expiry (BEFORE_EXPIRY).
        target_s: as ``rules.renewal_age`` has it, and so the next four.
        target_jitter_s: see there.
        grace_s: see there.
        forgotten_share: see there.
        mended_within_s: see there.
        use_hz: rate of the slot's tasks that are active at the starting hour (AT_USE).
        late_s: how far the agent's clock is behind.
        ca_since_s: see ``rules.ca_truncation``.
        ca_term_s: likewise.
        ca_life_s: likewise.
        walk_key: ``entity_key`` of the agent's INITIAL_WALK; draw 0 places the first issue, then
            each step uses three: two for its renewal age, one for the wait for a use.
        slot: number of the slot.
        at_s: the instant, 0 for the start of a run.

    Returns:
        As ``initial_slot`` does.
    """
    if rule == rules.AT_USE and use_hz <= 0.0:
        return EMPTY
    issued_s = -HISTORY_TERMS * ca_term_s - ttl_s * keyed_uniform(walk_key, np.uint64(slot))
    draw = 1
    while True:
        life_s = rules.ca_truncation(issued_s, ttl_s, ca_since_s, ca_term_s, ca_life_s)
        u_phase = keyed_uniform(walk_key, np.uint64(slot + SLOTS * draw))
        u_draw = keyed_uniform(walk_key, np.uint64(slot + SLOTS * (draw + 1)))
        age = rules.renewal_age(
            rule,
            life_s,
            fraction,
            jitter,
            poll_s,
            before_expiry_s,
            target_s,
            target_jitter_s,
            grace_s,
            forgotten_share,
            mended_within_s,
            u_phase,
            u_draw,
        )
        age = max(0.0, age + late_s)
        next_s = issued_s + age
        if rule == rules.AT_USE:
            next_s += -log(keyed_uniform(walk_key, np.uint64(slot + SLOTS * (draw + 2)))) / use_hz
        if next_s > at_s:
            return issued_s, issued_s + age, rules.expiry(issued_s, life_s)
        issued_s = next_s
        draw += 3


def by_own_clock(issued_s: float, due_s: float, late_s: float) -> tuple[float, float]:
    """Return issue and due of ``initial_slot`` for an agent whose clock is ``late_s`` behind.

    Its cycle is that much longer, and the age at t = 0 is stretched with it; one that waits for its
    next use (AT_USE) has only held its document for longer. Exact without jitter.
    """
    if late_s == 0.0 or due_s == inf or issued_s == inf:
        return issued_s, due_s
    if due_s <= 0.0:
        return issued_s - late_s, due_s
    life_s = due_s - issued_s
    stretched_s = max(0.0, life_s + late_s)
    issued_s *= stretched_s / life_s
    return issued_s, issued_s + stretched_s
