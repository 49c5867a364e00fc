"""Closed forms about a key of an attacker's own in a bundle that is fetched every so often."""

from math import exp, floor


def poisoned_until_repaired(refresh_s: float, remove_s: float, notice_mean_s: float) -> float:
    """Return the mean time for which a poisoned bundle is believed, B·E⌈(D + r)/B⌉.

    It begins and ends at a fetch, B apart; noticed D later, exponential, and removed r after that.
    With k = ⌊r/B⌋: B·(k + 1 + e^{−((k+1)B − r)/m}/(1 − e^{−B/m})), which is about m + r + B/2.

    Args:
        refresh_s: B, between two fetches.
        remove_s: r, from the notice until the true bundle is served again.
        notice_mean_s: m, mean of the time to the notice.
    """
    k = floor(remove_s / refresh_s)
    beyond = exp(-((k + 1) * refresh_s - remove_s) / notice_mean_s)
    return refresh_s * (k + 1 + beyond / (1.0 - exp(-refresh_s / notice_mean_s)))


def fetched_share(refresh_s: float, lasts_mean_s: float) -> float:
    """Return P(a poisoning that ends by itself is fetched), (H/B)(1 − e^{−B/H}).

    The next fetch is U(0, B) away and the poisoning lasts exponentially long, H on average. One
    that was fetched is believed for B/(1 − e^{−B/H}), so that the two multiply to H whatever B is.
    """
    return lasts_mean_s / refresh_s * (1.0 - exp(-refresh_s / lasts_mean_s))
