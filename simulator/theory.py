"""Closed forms that a right simulator must reproduce (model.md §8), each with its source.

T is a credential's life, renewal is due at age f·T, times in seconds, rates per second.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from math import exp, factorial, pi, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

_PHASES = 2000
"""nodes of the midpoint rule over the phase of the first poll"""
_LARGEST_THRESHOLD = 25.0
"""of a CUSUM: beyond it the terms of Erlang's sum cancel in more digits than there are"""


class Moments(NamedTuple):
    """First two moments of a renewal age."""

    mean: float
    square: float

    @property
    def sd(self) -> float:
        """Standard deviation."""
        return sqrt(max(0.0, self.square - self.mean**2))


def uniform_age(ttl_s: float, fraction: float, jitter: float) -> Moments:
    """Return the moments of a renewal age uniform on f·T·(1 ± jitter)."""
    mean = fraction * ttl_s
    return Moments(mean, mean**2 * (1.0 + jitter**2 / 3.0))


def age_by_hand(
    ttl_s: float, before_expiry_s: float, forgotten_share: float, mended_within_s: float
) -> Moments:
    """Return the moments of ``rules.age_by_hand``: T − b, or with probability q T + U(0, M)."""
    kept_s, q, m = ttl_s - before_expiry_s, forgotten_share, mended_within_s
    return Moments(
        (1.0 - q) * kept_s + q * (ttl_s + m / 2.0),
        (1.0 - q) * kept_s**2 + q * (ttl_s**2 + ttl_s * m + m**2 / 3.0),
    )


def polled_age_law(
    ttl_s: float, fraction: float, jitter: float, poll_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ages and their probabilities when the threshold is redrawn at every poll.

    P(no renewal through poll j) = E_u ∏_{i≤j} (1 − min(1, (u + i·δ)/w)), u ~ U(0, δ), age counted
    from the opening of the window, w its width: 0.45·L and 0.1·L for SPIRE, L = T + 10 s there.
    Exact up to the midpoint rule over u. SPIRE: pkg/common/rotationutil/rotationutil.go.

    Args:
        ttl_s: life of the credential.
        fraction: centre of the renewal age as a share of the life.
        jitter: half-width of the threshold on the remaining life, as a share of it.
        poll_s: δ.
    """
    opens_s = ttl_s * (1.0 - (1.0 + jitter) * (1.0 - fraction))
    width_s = 2.0 * jitter * (1.0 - fraction) * ttl_s
    phases = (np.arange(_PHASES) + 0.5) / _PHASES * poll_s
    polls = np.arange(int(width_s // poll_s) + 2)
    past_s = phases[:, None] + polls[None, :] * poll_s
    survival = np.cumprod(1.0 - np.minimum(1.0, past_s / width_s), axis=1)
    before = np.hstack([np.ones((_PHASES, 1)), survival[:, :-1]])
    return (opens_s + past_s).ravel(), ((before - survival) / _PHASES).ravel()


def polled_age(ttl_s: float, fraction: float, jitter: float, poll_s: float) -> Moments:
    """Return the moments of ``polled_age_law``."""
    age_s, p = polled_age_law(ttl_s, fraction, jitter, poll_s)
    return Moments(float(p @ age_s), float(p @ age_s**2))


def availability_age(
    ttl_s: float,
    fraction: float,
    jitter: float,
    poll_s: float,
    target_s: float,
    target_jitter_s: float,
) -> Moments:
    """Return the moments of the renewal age under an availability target that is in force.

    P(no renewal through poll j) = E_u ∏_{i≤j} (1 − p(aᵢ))(1 − q(aᵢ)), aᵢ = a₀ + u + i·δ the ages of
    the polls, p and q the chances of target and half-life at a poll, each rising from 0 to 1 over
    its width. Summed by E[R] = ∫ P(R > r) dr and E[R²] = ∫ 2r·P(R > r) dr over the polls.
    """
    half_s = (1.0 - fraction) * ttl_s
    rising = (
        (ttl_s - target_s - target_jitter_s, target_jitter_s),
        (ttl_s - (1.0 + jitter) * half_s, 2.0 * jitter * half_s),
    )
    first_s = min(opens_s for opens_s, _ in rising)
    surely_s = min(opens_s + width_s for opens_s, width_s in rising)
    phases = (np.arange(_PHASES) + 0.5) / _PHASES * poll_s
    polls = np.arange(int((surely_s - first_s) // poll_s) + 2)
    age_s = first_s + phases[:, None] + polls[None, :] * poll_s
    stays = np.ones_like(age_s)
    for opens_s, width_s in rising:
        stays *= 1.0 - np.clip((age_s - opens_s) / width_s, 0.0, 1.0)
    survival = np.cumprod(stays, axis=1)
    steps = np.diff(age_s, axis=1), np.diff(age_s**2, axis=1)
    mean, square = (
        float((first + (survival[:, :-1] * step).sum(axis=1)).mean())
        for first, step in zip((age_s[:, 0], age_s[:, 0] ** 2), steps, strict=True)
    )
    return Moments(mean, square)


def truncated_lives(
    age_s: Callable[[float], float], ttl_s: float, term_s: float, longest_s: float
) -> tuple[float, ...]:
    """Return the lives that a fleet's documents settle on, term by term, where a CA shortens them.

    A document issued with r left of its CA is renewed at a·r and leaves (1 − a)·r of the same CA to
    its successor, a distance to the common end that shrinks: all agents end up renewing together,
    whatever they began with. Under a fixed fraction f, if m documents a term are all shortened, the
    first of them lives pL/(1 − (1−f)^m), by r = (1−f)^m·r + pL, and each next one (1−f) of it.

    Args:
        age_s: mean age at which a document of a given life is renewed.
        ttl_s: life that is asked for.
        term_s: how long one CA signs, pL.
        longest_s: what a CA has left when its term begins.
    """
    began_s, left_s = 0.0, longest_s
    lives: list[float] = []
    while abs(left_s - began_s) > 1e-6 * longest_s:
        began_s, lives = left_s, []
        while left_s > longest_s - term_s:
            lives.append(min(ttl_s, left_s))
            left_s -= age_s(lives[-1])
        left_s += term_s
    return tuple(lives)


def residual_of_lives(lives_s: tuple[float, ...], age_s: Callable[[float], float]) -> float:
    """Return the mean remaining life at a random instant of a cycle of documents, one by one.

    Σ(ℓR − R²/2)/ΣR, R the age at which a document of life ℓ is renewed.
    """
    pairs = [(life_s, age_s(life_s)) for life_s in lives_s]
    return sum(life * age - age**2 / 2.0 for life, age in pairs) / sum(age for _, age in pairs)


def refused_by_stale_bundle(refresh_s: float, lead_s: float, term_s: float, age_s: float) -> float:
    """Return the share of time in which a foreign document is refused, ``refused_new_key``/term.

    For B − lead at most a term.

    Args:
        refresh_s: B, between two fetches of the bundle.
        lead_s: from the preparation of a CA to its term.
        term_s: for which a CA signs.
        age_s: R, at which documents are renewed.
    """
    return refused_new_key(refresh_s, lead_s, age_s) / term_s


def refused_new_key(refresh_s: float, lead_s: float, age_s: float) -> float:
    """Return how long an agent's documents of a new key are refused, on average: ∫h(x)dx/B.

    A fetch follows the publication of the key after U(0, B), and what it signs is refused until
    then: for x = (U − lead)⁺, less what is left of the document before, uniform on (0, R).
    h(x) = E[(x − U(0, R))⁺] is x²/(2R) up to R and x − R/2 beyond; x is uniform on (0, B − lead).

    Args:
        refresh_s: B, between two fetches of the bundle.
        lead_s: from the publication of a key to its first document.
        age_s: R, at which documents are renewed.
    """
    late_s = max(0.0, refresh_s - lead_s)
    if late_s <= age_s:
        area = late_s**3 / (6.0 * age_s)
    else:
        area = late_s**2 / 2.0 - age_s * late_s / 2.0 + age_s**2 / 6.0
    return area / refresh_s


def refused_by_clock(ttl_s: float, age_s: float, behind_s: float, backdate_s: float) -> float:
    """Return the share of time in which nothing valid is held by an agent whose clock is behind.

    Each document is from the future for (s − b)⁺, renewed at R + s, hence expired for (R + s − T)⁺.
    """
    cycle_s = age_s + behind_s
    future_s = max(0.0, behind_s - backdate_s)
    return min(1.0, (future_s + max(0.0, cycle_s - ttl_s)) / cycle_s)


def rayleigh_age(ttl_s: float, fraction: float, jitter: float, poll_s: float) -> Moments:
    """Return the limit of ``polled_age`` for T ≫ δ: opening + Rayleigh(√(w·δ))."""
    opens_s = ttl_s * (1.0 - (1.0 + jitter) * (1.0 - fraction))
    scale = sqrt(2.0 * jitter * (1.0 - fraction) * ttl_s * poll_s)
    mean = opens_s + scale * sqrt(pi / 2.0)
    return Moments(mean, mean**2 + (2.0 - pi / 2.0) * scale**2)


def residual_validity(ttl_s: float, age: Moments) -> float:
    """Return E[W] = T − E[R²]/(2·E[R]), W the remaining life at a random instant.

    The age at a random instant has the equilibrium law of the renewal process (Cox 1962, "Renewal
    Theory", §5.2).
    """
    return ttl_s - age.square / (2.0 * age.mean)


def residual_per_request(ttl_s: float, rate_hz: float) -> float:
    """Return E[(T − A)⁺] = T − (1 − e^{−λT})/λ, A ~ Exp(λ) the time since the last task start."""
    return ttl_s - (1.0 - exp(-rate_hz * ttl_s)) / rate_hz


def last_of_node(ttl_s: float, fraction: float, documents: int) -> float:
    """Return T(1 − f/(n+1)), the longest remaining life of n documents at a random instant.

    The remaining lives are independent and uniform on ((1−f)T, T); this is their largest.
    """
    return ttl_s * (1.0 - fraction / (documents + 1))


def detected_before_expiry(ttl_s: float, fraction: float, rate_hz: float) -> float:
    """Return g = E[1 − e^{−μW}] = 1 − (e^{−μ(1−f)T} − e^{−μT})/(μfT), W uniform on ((1−f)T, T)."""
    mu_t = rate_hz * ttl_s
    return 1.0 - (exp(-mu_t * (1.0 - fraction)) - exp(-mu_t)) / (mu_t * fraction)


def exposure(ttl_s: float, fraction: float, rate_hz: float) -> float:
    """Return E[min(W, Exp(μ))] = g/μ: ∫ P(W > t)·e^{−μt} dt by parts."""
    return detected_before_expiry(ttl_s, fraction, rate_hz) / rate_hz


def superseded_detected(
    ttl_s: float, fraction: float, use_rate_hz: float, owner_rate_hz: float
) -> float:
    """Return P(a superseded document is used while valid and after its successor was seen).

    The stolen document is superseded and valid for L = (1−f)T, whenever it was stolen; its
    successor is seen X ~ Exp(ν) after that. P = 1 − E[e^{−λ(L−X)⁺}]
    = 1 − e^{−λL}·ν/(ν−λ)·(1 − e^{−(ν−λ)L}) − e^{−νL} → 1 − e^{−λ(1−f)T} for ν → ∞.
    """
    window_s = (1.0 - fraction) * ttl_s
    lam, nu = use_rate_hz, owner_rate_hz
    seen = nu / (nu - lam) * (1.0 - exp(-(nu - lam) * window_s))
    return 1.0 - exp(-lam * window_s) * seen - exp(-nu * window_s)


def told_before_expiry(ttl_s: float, fraction: float, use_rate_hz: float, each: float) -> float:
    """Return P(one of the thief's uses before expiry tells), each with this probability.

    He begins at the theft and goes on at rate λ: the first use tells with probability p, the later
    ones that tell are Poisson of rate λp. 1 − (1 − p)·E[e^{−λpW}], W uniform on ((1−f)T, T).
    """
    later = detected_before_expiry(ttl_s, fraction, use_rate_hz * each)
    return 1.0 - (1.0 - each) * (1.0 - later)


def first_line_seen(late_s: float, share: float, use_rate_hz: float) -> float:
    """Return the mean time from a thief's first use to the alert on his first line that is seen.

    d + (1 − s)/(sλ): each line is seen with probability s, so the number of those before the first
    that is seen is geometric, and 1/λ lies between two.
    """
    return late_s + (1.0 - share) / (share * use_rate_hz)


def lateral_reach(doors: int, success: float, depth: int) -> float:
    """Return Σ (p·k)^d, d = 1 … depth: a branching process of mean offspring p·k.

    Harris 1963, "The Theory of Branching Processes", ch. I.
    """
    return sum((doors * success) ** d for d in range(1, depth + 1))


def breakout_before_expiry(ttl_s: float, fraction: float, mean_s: float, sigma: float) -> float:
    """Return P(B < W), W uniform on ((1−f)T, T), B lognormal of this mean: ∫ P(B < w) dw/(fT)."""
    w_s = ttl_s * (1.0 - fraction * (np.arange(_PHASES) + 0.5) / _PHASES)
    median_s = mean_s * exp(-(sigma**2) / 2.0)
    return float(special.ndtr(np.log(w_s / median_s) / sigma).mean())


def forgery_alert(first_use_s: float, coverage: float, use_rate_hz: float) -> float:
    """Return the mean time from the theft of an issuer's key to its first forgery that is seen.

    d + (1 − c)/(cλ): each use is for another identity, whose log is read with probability c, so
    their number before the first that is seen is geometric; λ is their rate, d the first one's
    delay.
    """
    return first_use_s + (1.0 - coverage) / (coverage * use_rate_hz)


def overtaken_share(ttl_s: float, fraction: float, overlap_s: float) -> float:
    """Return the share of agents that have not renewed within an overlap of two issuer keys.

    (1 − V/(fT))⁺: at any instant the time to the next renewal is uniform over fT.
    """
    return max(0.0, 1.0 - overlap_s / (fraction * ttl_s))


def moved_alert(life_s: float, owner_rate_hz: float) -> float:
    """Return P(the document held at a random instant is used before it and after it).

    Documents are held for L each and used as a Poisson process of rate ν; the age A at the instant
    is uniform on (0, L). E[(1 − e^{−νA})(1 − e^{−ν(L−A)})] = 1 − 2(1 − e^{−νL})/(νL) + e^{−νL}.
    """
    nu_l = owner_rate_hz * life_s
    return 1.0 - 2.0 * (1.0 - exp(-nu_l)) / nu_l + exp(-nu_l)


def late_reload_alert(ttl_s: float, fraction: float, owner_rate_hz: float, mean_s: float) -> float:
    """Return P(a late use comes after the successor's first use and before expiry).

    The document held at a random instant is superseded R ~ U(0, fT) later and valid for w = (1−f)T
    from then on; the successor is seen X ~ Exp(ν) after that, the late use comes after Exp(1/m).
    E[e^{−R/m}] · [(1 − e^{−w/m}) − (1 − e^{−(ν+1/m)w})/(1 + νm)], where E[e^{−R/m}] is
    (1 − e^{−fT/m})·m/(fT).
    """
    life_s, window_s, nu = fraction * ttl_s, (1.0 - fraction) * ttl_s, owner_rate_hz
    outlasts = mean_s / life_s * (1.0 - exp(-life_s / mean_s))
    unseen = (1.0 - exp(-(nu + 1.0 / mean_s) * window_s)) / (1.0 + nu * mean_s)
    return outlasts * (1.0 - exp(-window_s / mean_s) - unseen)


def expired_share(ttl_s: float, fraction: float, outage_s: float) -> float:
    """Return the share of credentials expired at the end of an issuer outage.

    The time to the next due instant is uniform on (0, fT), to expiry (1−f)T later.
    """
    return min(1.0, max(0.0, (outage_s - (1.0 - fraction) * ttl_s) / (fraction * ttl_s)))


def downtime(ttl_s: float, fraction: float, outage_s: float) -> float:
    """Return the mean time without a valid credential within the outage: ∫ of ``expired_share``."""
    late = max(0.0, outage_s - (1.0 - fraction) * ttl_s) ** 2
    beyond = max(0.0, outage_s - ttl_s) ** 2
    return (late - beyond) / (2.0 * fraction * ttl_s)


def drain(agents: int, ttl_s: float, fraction: float, outage_s: float, capacity_hz: float) -> float:
    """Return the fluid time to serve the backlog of an outage: min(ρD/(1−ρ), ρfT).

    ρ = N/(fT·capacity); the backlog N·min(1, D/(fT)) shrinks at capacity − N/(fT) while agents
    not yet due go on renewing (Newell 1982, "Applications of Queueing Theory", ch. 2).
    """
    rho = agents / (fraction * ttl_s * capacity_hz)
    return min(rho * outage_s / (1.0 - rho), rho * fraction * ttl_s)


def erlang_c(servers: int, load: float) -> float:
    """Return the probability of waiting in M/M/c; ``load`` = λ/μ < c (Erlang 1917)."""
    last = load**servers / factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / factorial(k) for k in range(servers)) + last)


def mean_wait(servers: int, rate_hz: float, service_s: float) -> float:
    """Return the mean time in queue of M/M/c over all arrivals: C/(cμ − λ)."""
    return erlang_c(servers, rate_hz * service_s) / (servers / service_s - rate_hz)


def priority_waits(servers: int, rates_hz: Sequence[float], service_s: float) -> list[float]:
    """Return the mean wait of each class of a non-preemptive priority M/M/c, most urgent first.

    W_p = W₀ / ((1 − σ_{p−1})(1 − σ_p)), W₀ = C/(cμ) with Erlang's C at the whole load, σ_p the load
    of the classes up to p; all classes are served alike (Cobham 1954, "Priority assignment in
    waiting line problems", Operations Research 2; Kleinrock 1976, "Queueing Systems" II, §3.3).
    """
    each_s = service_s / servers
    started_s = erlang_c(servers, sum(rates_hz) * service_s) * each_s
    sums = [0.0, *accumulate(rate_hz * each_s for rate_hz in rates_hz)]
    return [started_s / ((1.0 - before) * (1.0 - upto)) for before, upto in pairwise(sums)]


def on_guard(rate_hz: float, relax_s: float) -> float:
    """Return 1 − e^{−aτ}: an alert within the last τ, the busy share of M/D/∞ (Takács 1962)."""
    return 1.0 - exp(-rate_hz * relax_s)


def cusum_run_length(threshold: float, reference: float, ratio: float = 1.0) -> float:
    """Return the mean run length of ``rules.cusum`` from nothing to its alert, in expected events.

    Between events the sum falls at slope k in the time in which one event is expected, and events
    come ``ratio`` times as often: with time counted in k-ths of that it is the virtual waiting time
    of an M/D/1 queue with load λ = ratio/k, and the alert its first passage of h. For a spectrally
    one-sided process reflected at nothing that takes W(h)²/W′(h) − ∫₀ʰ W on average, W its scale
    function (Pistorius 2004, "On exit and ergodicity of the spectrally one-sided Lévy process
    reflected at its infimum", J. Theor. Probab. 17), here Erlang's
    W(x) = Σ_{n ≤ x} (−λ(x − n))ⁿ/n! · e^{λ(x − n)} with W′(x) = λ(W(x) − W(x − 1)).

    Args:
        threshold: h; the sum alternates in sign, so at most 25 is computed.
        reference: k.
        ratio: true rate of events over the expected one.

    Raises:
        ValueError: h, or h at that ratio, is beyond what float64 carries.
    """
    load = ratio / reference
    at, before = (_md1_scale(x, load) for x in (threshold, threshold - 1.0))
    x, w = np.polynomial.legendre.leggauss(40)
    area = 0.0
    for n in range(int(np.ceil(threshold))):
        low, high = float(n), min(n + 1.0, threshold)
        nodes = low + (high - low) * (x + 1.0) / 2.0
        area += float(w @ [_md1_scale(node, load) for node in nodes]) * (high - low) / 2.0
    first = at**2 / (load * (at - before))
    if threshold > _LARGEST_THRESHOLD or first - area < 1e-6 * first:
        raise ValueError(f"h = {threshold:g} at {ratio:g} times the rate: too few digits")
    return (first - area) / reference


def _md1_scale(x: float, load: float) -> float:
    """Return the scale function of a unit drift less Poisson unit jumps."""
    return (
        sum(exp(load * (x - n)) * (-load * (x - n)) ** n / factorial(n) for n in range(int(x) + 1))
        if x >= 0.0
        else 0.0
    )


def cluster_size(mean: float, pool: int) -> Moments:
    """Return the moments of min(K, P): K geometric on 1, 2 … with this mean, P secrets to take.

    E = Σ_{k<P} q^k and E[min²] = Σ_{k<P} (2k + 1)·q^k, q = 1 − 1/mean.
    """
    k = np.arange(pool)
    beyond = (1.0 - 1.0 / mean) ** k
    return Moments(float(beyond.sum()), float(((2 * k + 1) * beyond).sum()))


def count_spread(size: Moments) -> float:
    """Return variance over mean of a compound Poisson count: E[K²]/E[K]."""
    return size.square / size.mean


def open_spread(size: Moments) -> float:
    """Return variance over mean of the thefts open at an instant, M^X/G/∞ with exponential ends.

    1 + (E[K(K−1)]/E[K])·∫s²/∫s, and of an exponential s the last factor is one half (Holman,
    Chaudhry and Kashyap 1983, "On the service system M^X/G/∞", European Journal of Operational
    Research 13).
    """
    return 1.0 + (size.square / size.mean - 1.0) / 2.0
