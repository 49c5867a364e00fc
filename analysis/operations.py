"""Operations of a service as a load saw them: counts are facts, percentiles are estimates."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from analysis.latency import Latencies, curve, latencies, percentile
from scenarios.record.estimate import Estimate
from scenarios.record.tables import OperationRow

OWN_OPS = frozenset({"lag", "pool-wait", "tls-handshake", "tls-resume"})
"""rows of the generator about itself: no operation of the service"""
UNSENT = "unsent"
SHARES = {"p50_s": 0.5, "p95_s": 0.95, "p99_s": 0.99}


class Operation(msgspec.Struct, frozen=True):
    """One operation of the service: facts as counts, percentiles from the intended start."""

    sent: int
    ok: int
    errors: dict[str, int]
    percentiles: dict[str, Estimate]
    """``p50_s``, ``p95_s``, ``p99_s``; empty when nothing was answered"""
    max_s: float | None
    curve: tuple[tuple[float, float], ...]
    """(share, latency in seconds) of the merged histogram, from the median to the maximum"""


def operations(rows: Sequence[OperationRow], missing: dict[str, str]) -> dict[str, Operation]:
    """Return each operation; why an interval is missing goes to ``missing`` under its name."""
    by_op: dict[str, list[OperationRow]] = defaultdict(list)
    for row in rows:
        if row.op not in OWN_OPS:
            by_op[row.op].append(row)
    return {op: _operation(op, by_op[op], missing) for op in sorted(by_op)}


def _operation(op: str, rows: Sequence[OperationRow], missing: dict[str, str]) -> Operation:
    codes: dict[str, int] = defaultdict(int)
    for row in rows:
        codes[row.code] += row.count
    timed = latencies(rows)
    percentiles = _percentiles(op, timed, missing) if timed else {}
    return Operation(
        sent=sum(count for code, count in codes.items() if code != UNSENT),
        ok=codes["ok"],
        errors={code: n for code, n in sorted(codes.items()) if code != "ok" and n},
        percentiles=percentiles,
        max_s=timed.max_s() if timed else None,
        curve=curve(timed) if timed else (),
    )


def _percentiles(op: str, timed: Latencies, missing: dict[str, str]) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for name, share in SHARES.items():
        found[name], why = percentile(timed, share)
        if why:
            missing[f"{op}.{name}"] = why
    return found


def lag_p99_s(rows: Iterable[OperationRow]) -> float | None:
    """Return the p99 of the generator's own lateness, None where it was not recorded."""
    lag = latencies(row for row in rows if row.op == "lag")
    return None if lag is None else percentile(lag, 0.99)[0].value
