"""What a renewal rule may not say, or says in vain, of the lifetime that it renews."""

from collections.abc import Iterator

from scenarios.errors import Problem
from scenarios.spec.regime import Issuance, Regime, Renewal


def problems(regime: Regime, key: str) -> Iterator[Problem]:
    """Yield every contradiction of a finite lifetime and its renewal."""
    renewal, ttl_s = regime.renewal, regime.ttl_s
    if renewal.rule is Renewal.BEFORE_EXPIRY and renewal.before_expiry_s >= ttl_s:
        yield Problem(
            f"{key}.renewal.before_expiry_s",
            f"{renewal.before_expiry_s:g}",
            f"must be < ttl_s = {ttl_s:g}, or renewal is due before issue",
        )
    yield from _forgotten(regime, key)
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


def _forgotten(regime: Regime, key: str) -> Iterator[Problem]:
    renewal = regime.renewal
    if renewal.forgotten_share > 0 and regime.issuance is not Issuance.MANUAL:
        yield Problem(
            f"{key}.renewal.forgotten_share",
            f"{renewal.forgotten_share:g}",
            'needs issuance = "manual": people forget, agents do not',
        )
    if renewal.forgotten_share > 0 and renewal.rule is not Renewal.BEFORE_EXPIRY:
        yield Problem(
            f"{key}.renewal.forgotten_share",
            f"{renewal.forgotten_share:g}",
            f'needs the rule "before-expiry", not {renewal.rule.keyword!r}',
        )


def warnings(regime: Regime) -> Iterator[str]:
    """Yield a line for each part of the rule that has no effect."""
    yield from _poll_wider_than_jitter(regime)
    yield from _target_without_grace(regime)
    yield from _effort_of_nobody(regime)


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


def _effort_of_nobody(regime: Regime) -> Iterator[str]:
    by_hand = regime.issuance is Issuance.MANUAL and regime.renewal.rule is not Renewal.NEVER
    effort = regime.effort
    if not by_hand and max(effort.rotation_s, effort.breaks_share, effort.mishap_s) > 0.0:
        yield (
            f"{regime.name}: effort.rotation_s, breaks_share and mishap_s change nothing where "
            "nothing is rotated by hand"
        )
    if (
        regime.renewal.forgotten_share
        == 0.0
        == effort.breaks_share
        < regime.renewal.mended_within_s
    ):
        yield (
            f"{regime.name}: mended_within_s = {regime.renewal.mended_within_s:g} changes nothing "
            "where nothing is forgotten or broken"
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
