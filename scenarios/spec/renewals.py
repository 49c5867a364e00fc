"""What a renewal rule may not say, or says in vain, of the lifetime that it renews."""

from collections.abc import Iterator

from scenarios.errors import Problem
from scenarios.spec.regime import Regime, Renewal


def problems(regime: Regime, key: str) -> Iterator[Problem]:
    """Yield every contradiction of a finite lifetime and its renewal."""
    renewal, ttl_s = regime.renewal, regime.ttl_s
    if renewal.rule is Renewal.BEFORE_EXPIRY and renewal.before_expiry_s >= ttl_s:
        yield Problem(
            f"{key}.renewal.before_expiry_s",
            f"{renewal.before_expiry_s:g}",
            f"must be < ttl_s = {ttl_s:g}, or renewal is due before issue",
        )
    if renewal.rule in {Renewal.FRACTION, Renewal.AT_USE, Renewal.SERVER_DIRECTED}:
        latest = renewal.fraction * (1 + renewal.jitter)
        if latest >= 1:
            yield Problem(
                f"{key}.renewal.fraction",
                f"{renewal.fraction:g}",
                f"fraction·(1 + jitter) = {latest:g} must be < 1, or renewal comes after expiry",
            )
    if renewal.rule is Renewal.AVAILABILITY_TARGET:
        left_s = ttl_s - renewal.target_s - renewal.target_jitter_s
        if left_s <= 0:
            yield Problem(
                f"{key}.renewal.target_s",
                f"{renewal.target_s:g}",
                f"target_s + target_jitter_s must be < ttl_s = {ttl_s:g}, or renewal is due before "
                "issue",
            )
    if renewal.rule in {Renewal.FRACTION_POLLED, Renewal.AVAILABILITY_TARGET}:
        opens_s = ttl_s * (1 - (1 + renewal.jitter) * (1 - renewal.fraction))
        if opens_s <= 0:
            yield Problem(
                f"{key}.renewal.jitter",
                f"{renewal.jitter:g}",
                f"(1 + jitter)·(1 − fraction) = {1 - opens_s / ttl_s:g} must be < 1",
            )
        if renewal.poll_s >= ttl_s - opens_s:
            yield Problem(
                f"{key}.renewal.poll_s",
                f"{renewal.poll_s:g}",
                f"must be < {ttl_s - opens_s:g}, the time from the first chance to expiry",
            )


def warnings(regime: Regime) -> Iterator[str]:
    """Yield a line for each part of the rule that has no effect."""
    yield from _poll_wider_than_jitter(regime)
    yield from _target_without_grace(regime)


def age_s(regime: Regime, ttl_s: float) -> float:
    """Return about which age a document of a given life is renewed at by timer."""
    if regime.renewal.rule is Renewal.BEFORE_EXPIRY:
        return ttl_s - regime.renewal.before_expiry_s
    if regime.renewal.rule is Renewal.AVAILABILITY_TARGET:
        return min(ttl_s - regime.renewal.target_s, ttl_s * regime.renewal.fraction)
    return ttl_s * regime.renewal.fraction


def _target_without_grace(regime: Regime) -> Iterator[str]:
    renewal = regime.renewal
    left_s = regime.ttl_s - renewal.target_s
    if renewal.rule is Renewal.AVAILABILITY_TARGET and left_s <= renewal.grace_s:
        yield (
            f"{regime.name}: a life of {regime.ttl_s:g} s leaves {left_s:g} s beyond the target, "
            f"not more than the grace of {renewal.grace_s:g} s, so the target is ignored"
        )


def _poll_wider_than_jitter(regime: Regime) -> Iterator[str]:
    renewal = regime.renewal
    if renewal.rule is not Renewal.FRACTION_POLLED:
        return
    width_s = 2 * renewal.jitter * (1 - renewal.fraction) * regime.ttl_s
    if renewal.poll_s >= width_s:
        yield (
            f"{regime.name}: a poll every {renewal.poll_s:g} s is longer than the jitter's "
            f"{width_s:g} s, so renewals follow the poll's phase, not the jitter"
        )
