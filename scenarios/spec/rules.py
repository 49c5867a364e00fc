"""The laws of credentials, each written once as a plain function of scalars.

The reference population and the hollow agents call them as they stand, the fleet's kernel compiles
the same objects, and ``simulator/theory.py`` holds their closed forms. Only ``math`` is used; every
random number comes in as an argument. Times in seconds.
"""

import math
from math import inf, sqrt

NEVER, FRACTION, FRACTION_POLLED, BEFORE_EXPIRY, AT_USE = range(5)
AVAILABILITY_TARGET, PER_REQUEST, SERVER_DIRECTED = range(5, 8)
"""``regime.Renewal`` as plain ints, for a compiler that knows no enums"""

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0
SECONDS_PER_YEAR = 365.25 * SECONDS_PER_DAY


def expiry(issued_s: float, ttl_s: float) -> float:
    """Return when a credential expires; ``ttl_s`` inf is a credential without end."""
    return issued_s + ttl_s


def ca_number(issued_s: float, ca_since_s: float, ca_term_s: float) -> float:
    """Return the number of the CA that signs at ``issued_s``; 0 signs at ``ca_since_s``."""
    return float(math.floor((issued_s - ca_since_s) / ca_term_s))


def ca_truncation(
    issued_s: float, ttl_s: float, ca_since_s: float, ca_term_s: float, ca_life_s: float
) -> float:
    """Return the life that is granted: the one asked for, or what is left of the CA's.

    min(T, end of the active CA − issued). A CA signs for one term and is left with ``ca_life_s``
    when that begins. SPIRE: computeCappedLifetime in pkg/server/credtemplate/builder.go.

    Args:
        issued_s: when.
        ttl_s: T; inf is a credential without end, which no CA signed.
        ca_since_s: when the term of some CA began.
        ca_term_s: length of a term.
        ca_life_s: what a CA has left at the beginning of its term; inf for one without end.
    """
    if ca_life_s == inf or ttl_s == inf:
        return ttl_s
    began_s = ca_since_s + ca_number(issued_s, ca_since_s, ca_term_s) * ca_term_s
    return min(ttl_s, began_s + ca_life_s - issued_s)


def trusted_from(
    issued_s: float,
    ca_since_s: float,
    ca_term_s: float,
    ca_lead_s: float,
    refresh_s: float,
    refresh_phase_s: float,
) -> float:
    """Return from when verifiers of another trust domain believe what was issued at an instant.

    From the first fetch of the bundle, at refresh_phase + k·refresh, at or after the signing CA was
    prepared, which is ``ca_lead_s`` before its term; −inf where the bundle is always at hand.

    Args:
        issued_s: when.
        ca_since_s: when the term of some CA began.
        ca_term_s: length of a term; inf for a CA that is never succeeded.
        ca_lead_s: from the preparation of a CA to its term.
        refresh_s: time between fetches; 0 for verifiers of the CA's own domain.
        refresh_phase_s: instant of some fetch.
    """
    if refresh_s <= 0.0 or ca_term_s == inf:
        return -inf
    number = ca_number(issued_s, ca_since_s, ca_term_s)
    prepared_s = ca_since_s + number * ca_term_s - ca_lead_s
    fetches = float(math.ceil((prepared_s - refresh_phase_s) / refresh_s))
    return refresh_phase_s + fetches * refresh_s


def usable_from(issued_s: float, late_s: float, backdate_s: float) -> float:
    """Return from when a document is valid by a clock that is ``late_s`` behind.

    Its validity begins ``backdate_s`` before its issue (SPIRE: NotBeforeCushion), so a clock that
    is no farther behind never sees one from the future.
    """
    return issued_s + max(0.0, late_s - backdate_s)


def polled_age(
    ttl_s: float, fraction: float, jitter: float, poll_s: float, u_phase: float, u_draw: float
) -> float:
    """Return the age at renewal when the threshold is redrawn at every poll.

    A poll at age a renews if the remaining life is at most U(1-j, 1+j)·(1-f)·T; the first poll with
    a chance falls ``u_phase·poll_s`` after that chance opens. P(no renewal through poll j) is
    ∏ (1 − min(1, (age_i − opens)/width)); one uniform inverts it. SPIRE: f = ½, j = 0.1
    (pkg/common/rotationutil/rotationutil.go).
    """
    threshold = (1.0 - fraction) * ttl_s
    opens = ttl_s - (1.0 + jitter) * threshold
    width = 2.0 * jitter * threshold
    age = opens + u_phase * poll_s
    if width <= 0.0:
        return age
    survival = 1.0
    while True:
        chance = (age - opens) / width
        if chance >= 1.0:
            return age
        survival *= 1.0 - chance
        if survival <= u_draw:
            return age
        age += poll_s


def availability_age(
    ttl_s: float,
    fraction: float,
    jitter: float,
    poll_s: float,
    target_s: float,
    target_jitter_s: float,
    grace_s: float,
    u_phase: float,
    u_draw: float,
) -> float:
    """Return the age at renewal under SPIRE's ``availability_target``.

    A poll renews if the remaining life is at most target + U(0, w), or if ``polled_age`` would
    renew then; both thresholds are redrawn at every poll. Where life − target ≤ grace only the
    latter counts. P(no renewal through poll j) is the product of both rules' survivals. SPIRE:
    w = 10 min, grace 12 h, f = ½, j = 0.1 (pkg/common/rotationutil/rotationutil.go, 1.15.3).
    """
    if ttl_s - target_s <= grace_s:
        return polled_age(ttl_s, fraction, jitter, poll_s, u_phase, u_draw)
    threshold = (1.0 - fraction) * ttl_s
    half_opens, half_width = ttl_s - (1.0 + jitter) * threshold, 2.0 * jitter * threshold
    opens = ttl_s - (target_s + target_jitter_s)
    age = min(opens, half_opens) + u_phase * poll_s
    survival = 1.0
    while True:
        survival *= passed_over(age, opens, target_jitter_s)
        survival *= passed_over(age, half_opens, half_width)
        if survival <= u_draw:
            return age
        age += poll_s


def passed_over(age_s: float, opens_s: float, width_s: float) -> float:
    """Return P(a poll does not renew), which falls from 1 to 0 over the width from the opening."""
    if age_s < opens_s:
        return 1.0
    return 1.0 - (age_s - opens_s) / width_s if age_s < opens_s + width_s else 0.0


def due_at_poll(remaining_s: float, ttl_s: float, fraction: float, jitter: float, u: float) -> bool:
    """Return whether a poll renews: the decision that ``polled_age`` repeats until it is taken.

    remaining ≤ U(1 − j, 1 + j)·(1 − f)·T, with a fresh u at every poll.
    """
    return remaining_s <= (1.0 - fraction) * ttl_s * (1.0 - jitter + 2.0 * jitter * u)


def age_by_hand(
    ttl_s: float, before_expiry_s: float, forgotten_share: float, mended_within_s: float, u: float
) -> float:
    """Return the age at which something is renewed before it expires, or mended after it has.

    T − b, but with probability q nobody thinks of it until it has expired, and then it is replaced
    after U(0, M): T + (1 − u/q)·M for u < q.
    """
    if u < forgotten_share:
        return ttl_s + (1.0 - u / forgotten_share) * mended_within_s
    return max(0.0, ttl_s - before_expiry_s)


def stationary_age_by_hand(
    ttl_s: float, before_expiry_s: float, forgotten_share: float, mended_within_s: float, u: float
) -> float:
    """Return the ``age_by_hand`` that a random instant falls into.

    Length-biased: in time (1 − q)(T − b) an ordinary one, q(T + M/2) a forgotten one with density
    ∝ r on [T, T + M].
    """
    kept_s = max(0.0, ttl_s - before_expiry_s)
    ordinary = (1.0 - forgotten_share) * kept_s
    forgotten = forgotten_share * (ttl_s + 0.5 * mended_within_s)
    past = u * (ordinary + forgotten) - ordinary
    if past < 0.0 or forgotten <= 0.0:
        return kept_s
    longest_s = ttl_s + mended_within_s
    return sqrt(ttl_s * ttl_s + past / forgotten * (longest_s * longest_s - ttl_s * ttl_s))


def renewal_age(
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
    u_phase: float,
    u_draw: float,
) -> float:
    """Return the age at which a credential becomes due for renewal; inf when it never is.

    Args:
        rule: a member of ``regime.Renewal``.
        ttl_s: life of the credential.
        fraction: of the life at which renewal is due.
        jitter: half-width as a share of the due age (FRACTION, AT_USE, SERVER_DIRECTED) or of the
            threshold on the remaining life (FRACTION_POLLED, AVAILABILITY_TARGET).
        poll_s: time between polls (FRACTION_POLLED, AVAILABILITY_TARGET).
        before_expiry_s: distance from expiry (BEFORE_EXPIRY).
        target_s: remaining life at renewal (AVAILABILITY_TARGET).
        target_jitter_s: width of what is added to it (AVAILABILITY_TARGET).
        grace_s: see ``availability_age``.
        forgotten_share: see ``age_by_hand`` (BEFORE_EXPIRY), and so the next one.
        mended_within_s: see there.
        u_phase: uniform draw for the phase of the first poll.
        u_draw: uniform draw for the jitter.
    """
    if rule == NEVER or ttl_s == inf:
        return inf
    if rule == FRACTION_POLLED:
        return polled_age(ttl_s, fraction, jitter, poll_s, u_phase, u_draw)
    if rule == AVAILABILITY_TARGET:
        return availability_age(
            ttl_s,
            fraction,
            jitter,
            poll_s,
            target_s,
            target_jitter_s,
            grace_s,
            u_phase,
            u_draw,
        )
    if rule == BEFORE_EXPIRY:
        return age_by_hand(ttl_s, before_expiry_s, forgotten_share, mended_within_s, u_draw)
    return ttl_s * fraction * (1.0 + jitter * (2.0 * u_draw - 1.0))


def stationary_position(
    rule: int,
    ttl_s: float,
    fraction: float,
    jitter: float,
    u_life: float,
) -> float:
    """Return the renewal age of the credential that a random instant falls into.

    Length-biased law of ``renewal_age``: density ∝ r on [a, b] for a uniform r, so
    r = √(a² + u(b² − a²)); the elapsed part is uniform on (0, r). For the polled rules use
    acceptance with probability r/b instead (``scenarios.demand.initial``).
    """
    if rule == NEVER or ttl_s == inf:
        return inf
    low = ttl_s * fraction * (1.0 - jitter)
    high = ttl_s * fraction * (1.0 + jitter)
    return sqrt(low * low + u_life * (high * high - low * low))


def backoff_delay(
    refusals: int, base_s: float, factor: float, cap_s: float, jitter: float, u: float
) -> float:
    """Return the wait after the ``refusals``-th refusal in a row (counted from 1).

    min(cap, base·factor^(refusals−1)) · U(1 − jitter, 1 + jitter): capped exponential back-off.
    """
    delay = min(cap_s, base_s * math.pow(factor, float(min(refusals - 1, 60))))
    return delay * (1.0 - jitter + 2.0 * jitter * u)


def limiter(t_s: float, next_s: float, rate_hz: float, burst: int) -> tuple[float, float]:
    """Return how long an arrival waits for its turn, and the source's new ``next_s``.

    The generic cell rate algorithm as a shaper (ITU-T I.371): with T = 1/rate, an arrival at t
    goes on at max(t, next − (burst − 1)·T), and next becomes max(t, next) + T. The token bucket
    of ``golang.org/x/time/rate``, which SPIRE's server waits on, is the same law.

    Args:
        t_s: instant of the arrival; those of one source come in order.
        next_s: what the arrival before it left behind; −inf for a source not seen yet.
        rate_hz: long-run rate.
        burst: arrivals of a rested source that go on at once.
    """
    from_s = max(t_s, next_s)
    wait_s = max(0.0, from_s - t_s - (burst - 1) / rate_hz)
    return wait_s, from_s + 1.0 / rate_hz


def next_sync(t_s: float, phase_s: float, interval_s: float) -> float:
    """Return the first of the syncs at phase + n·interval, n = 0, 1 …, that is not before ``t_s``.

    An instant of its own, not a delay after ``t_s``: whoever waits for one sync is there at once.
    """
    if t_s == inf:
        return t_s
    sync_s = phase_s + math.ceil((t_s - phase_s) / interval_s) * interval_s
    return sync_s if sync_s >= t_s else sync_s + interval_s


def sync_gap(interval_s: float, jitter: float, u: float) -> float:
    """Return the time from a sync that succeeds to the next: interval · U(1 − jitter, 1 + jitter).

    SPIRE: 5 s ± 10 %, redrawn at each sync (pkg/common/backoff/backoff.go).
    """
    return interval_s * (1.0 - jitter + 2.0 * jitter * u)


def is_active(hour: float, from_hour: float, to_hour: float) -> bool:
    """Return whether ``hour`` of day lies in the half-open range, which may span midnight."""
    if from_hour < to_hour:
        return from_hour <= hour < to_hour
    return hour >= from_hour or hour < to_hour


def hour_of_day(t_s: float, start_hour: float) -> float:
    """Return the hour of day at run time ``t_s`` of a run that began at ``start_hour``."""
    return (start_hour + t_s / SECONDS_PER_HOUR) % 24.0


def cusum(level: float, expected: float, reference: float) -> float:
    """Return the CUSUM of a counting process after one more event.

    S ← (S − k·Λ)⁺ + 1, Λ the events expected since the one before. With k = (ρ − 1)/ln ρ it is the
    log likelihood ratio of ρ times the expected rate, divided by ln ρ (Page 1954, "Continuous
    inspection schemes", Biometrika 41; Gandy, Kvaløy, Bottle and Zhou 2010, "Risk-adjusted
    monitoring of time to event", Biometrika 97). Its run length: ``simulator.theory``.
    """
    return max(0.0, level - reference * expected) + 1.0
