"""Closed forms of what a node's agent does: the wait for its sync, its batches, its back-off."""

from collections.abc import Iterator
from math import ceil


def sync_wait(interval_s: float, jitter: float = 0.0) -> float:
    """Return the mean wait of what comes due at a random instant for the next sync.

    E[I²] / (2·E[I]) of the time I between syncs, uniform on interval · (1 ± jitter): the mean
    residual life of a renewal process, interval/2 · (1 + jitter²/3).
    """
    return 0.5 * interval_s * (1.0 + jitter * jitter / 3.0)


def batch_size(documents: int, interval_s: float, cycle_s: float) -> float:
    """Return the mean size of the batch that a document of a node is renewed in.

    The n documents of a node come due at independent instants, uniform over a cycle R ≥ I; the
    phase of the syncs, I apart, is uniform. Another one comes due in the same interval with
    probability E[Σ (length/R)²] over the intervals that the cycle is cut into, I/R − I²/(3R²).
    """
    share = interval_s / cycle_s
    return 1.0 + (documents - 1) * (share - share * share / 3.0)


def batches_end(
    documents: int, limit: int, gap_s: float, overhead_s: float, service_s: float
) -> float:
    """Return how long after its sync a node has the last of its documents, in the mean.

    One server, idle otherwise; a batch is done before the next is asked for:
    (⌈n/L⌉ − 1)·gap + overhead + (n − (⌈n/L⌉ − 1)·L)·service.
    """
    before = ceil(documents / limit) - 1
    return before * gap_s + overhead_s + (documents - before * limit) * service_s


def _offsets(base_s: float, factor: float, cap_s: float) -> Iterator[float]:
    """Yield when vain attempts follow the first one, which is at 0."""
    t_s, delay_s = 0.0, base_s
    while True:
        yield t_s
        t_s += min(cap_s, delay_s)
        delay_s *= factor


def vain_syncs(
    outage_s: float, interval_s: float, base_s: float, factor: float, cap_s: float
) -> float:
    """Return how many syncs of a node fail in an outage, in the mean, without jitter.

    The first at x, uniform on (0, I); the m-th after it at x + S_m, S_m the sum of the first m
    back-offs: Σ_m P(x + S_m < D), each term min(1, (D − S_m)/I).
    """
    total = 0.0
    for offset_s in _offsets(base_s, factor, cap_s):
        if offset_s >= outage_s:
            return total
        total += min(1.0, (outage_s - offset_s) / interval_s)
    raise AssertionError


def noticed_after(
    outage_s: float, interval_s: float, base_s: float, factor: float, cap_s: float
) -> float:
    """Return how long after the end of an outage a node's next sync is, in the mean.

    E[x + S_N − D], S_N the first for which that is not negative; otherwise as ``vain_syncs``.
    """
    total, high_s = 0.0, interval_s
    for offset_s in _offsets(base_s, factor, cap_s):
        low_s = min(high_s, max(0.0, outage_s - offset_s))
        middle_s = 0.5 * (low_s + high_s)
        total += (high_s - low_s) / interval_s * (middle_s + offset_s - outage_s)
        high_s = low_s
        if high_s == 0.0:
            return total
    raise AssertionError
