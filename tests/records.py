"""Hand-made run records with known contents, for tests of what reads them."""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram

from scenarios.record.manifest import Manifest
from scenarios.record.record import RunRecord
from scenarios.record.tables import AlertRow, Count, Incident, OperationRow, Sample

HORIZON_S = 20_000.0
AGENTS = 100


def manifest(**changes: Any) -> Manifest:  # noqa: ANN401  (fields of many types)
    """A simulated run of two regimes, 20,000 s and 100 agents."""
    plain = Manifest(
        run_id="0123456789abcdef",
        world="simulated",
        engine="reference",
        scenario={
            "name": "hand-made",
            "title": "A hand-made scenario",
            "question": "Does it add up?",
            "expected": "It does.",
            "horizon_s": HORIZON_S,
            "series_interval_s": 1000.0,
            "regimes": [{"name": "static-key", "ttl_s": "never"}, {"name": "svid", "ttl_s": 1e3}],
            "detection": {"delivery_s": 300.0},
            "workloads": [{"name": "w", "count": AGENTS}],
        },
        sources={},
        seed=7,
        replications=4,
        regimes=["static-key", "svid"],
        code_hash="ab" * 32,
        started_utc="2026-01-01T00:00:00+00:00",
        wall_s=1.5,
        machine={"cpu": "a processor"},
    )
    return msgspec.structs.replace(plain, **changes)


def theft(regime: str = "svid", replication: int = 0, **changes: Any) -> Incident:  # noqa: ANN401
    """A leak at t = 100 that stays open and unseen, unless changed."""
    plain = Incident(
        point="0",
        regime=regime,
        replication=replication,
        persona="leak",
        injected=True,
        agent=1,
        credential="1/0/3",
        stolen_s=100.0,
        first_use_s=150.0,
        alert_s=None,
        detector=None,
        decided_s=None,
        revoked_s=None,
        last_accepted_s=None,
        expires_s=None,
        evicted_s=None,
        end="open",
        uses_accepted=3,
        uses_refused=0,
        permissions=4,
        expected="",
    )
    return msgspec.structs.replace(plain, **changes)


def counts(regime: str, replication: int, **values: float) -> list[Count]:
    """Counts of one replication by name."""
    return [Count("0", regime, replication, name, value) for name, value in values.items()]


def histogram(latencies_s: Iterable[float]) -> bytes:
    """HdrHistogram V2, compressed, microseconds, as engines write it."""
    made = HdrHistogram(1, 3_600_000_000, 3)
    for latency_s in latencies_s:
        made.record_value(max(1, round(latency_s * 1e6)))
    return base64.b64decode(made.encode())


def operation(
    op: str,
    latencies_s: Iterable[float],
    *,
    batch: int = 0,
    code: str = "ok",
    regime: str = "svid",
) -> OperationRow:
    """One batch of latencies."""
    values = list(latencies_s)
    return OperationRow("0", regime, 0, batch, op, code, len(values), histogram(values))


def competing(
    regime: str, n: int, seed: int, detect_mean_s: float, ttl_s: float | None
) -> list[Incident]:
    """``n`` thefts at uniform instants of credentials of uniform age, exponential detection.

    A detected theft is revoked 60 s after the alert; ``ttl_s`` None is a credential without end.
    """
    rng = np.random.default_rng(seed)
    thefts: list[Incident] = []
    for number in range(n):
        stolen_s = float(rng.uniform(0, HORIZON_S))
        expires_s = None if ttl_s is None else stolen_s + float(rng.uniform(0, ttl_s))
        alert_s: float | None = stolen_s + float(rng.exponential(detect_mean_s))
        if alert_s is not None and alert_s > min(HORIZON_S, expires_s or HORIZON_S):
            alert_s = None
        ends: dict[str, Any] = {"end": "open"}
        if alert_s is not None and alert_s + 60 <= min(HORIZON_S, expires_s or HORIZON_S):
            ends = {"end": "revoked", "revoked_s": alert_s + 60}
        elif expires_s is not None and expires_s <= HORIZON_S:
            ends = {"end": "expired"}
        thefts.append(
            theft(
                regime,
                number % 4,
                agent=number // 4,
                stolen_s=stolen_s,
                expires_s=expires_s,
                alert_s=alert_s,
                detector=None if alert_s is None else "two-origins",
                **ends,
            )
        )
    return thefts


def simulated(n: int = 200, seed: int = 1, svid_failures: float = 3.0) -> RunRecord:
    """Two regimes, four replications: keys without end and SVIDs of 1,000 s."""
    record = RunRecord(manifest())
    rng = np.random.default_rng(seed)
    for replication in range(4):
        noise = float(rng.uniform(-0.1, 0.1))
        record.counts += counts(
            "static-key",
            replication,
            issued=0,
            auth_failures=0,
            switches=1000 + replication,
            events_executed=1000,
            probes=500,
            residual_validity_sum_s=float("inf"),
            residual_validity_sq_s2=float("inf"),
            peak_issuances_per_s=0,
            watched_identity_s=AGENTS * HORIZON_S,
            expired_agent_s=0,
        )
        record.counts += counts(
            "svid",
            replication,
            issued=4000 * (1 + noise),
            auth_failures=svid_failures * (1 + noise),
            switches=1000 + replication,
            events_executed=1000,
            probes=500,
            residual_validity_sum_s=500 * 750.0 * (1 + noise),
            residual_validity_sq_s2=500 * 750.0**2 * 1.1,
            peak_issuances_per_s=4 + replication,
            watched_identity_s=AGENTS * HORIZON_S,
            expired_agent_s=120 * (1 + noise),
        )
        for regime, level in (("static-key", 0.0), ("svid", 0.2)):
            record.series += [
                Sample("0", regime, replication, t_s, "issued", 1000 * level * (1 + noise))
                for t_s in np.arange(0, HORIZON_S, 1000.0).tolist()
            ]
    record.incidents += competing("static-key", n, seed, 9000, None)
    record.incidents += competing("svid", n, seed + 1, 9000, 1000)
    for row, stolen in enumerate(record.incidents):
        if stolen.alert_s is not None:
            late = 0.5 + (row % 10) / 10
            record.alerts.append(
                AlertRow(
                    "0",
                    stolen.regime,
                    stolen.replication,
                    stolen.alert_s,
                    stolen.alert_s - late,
                    "two-origins",
                    f"spiffe://x/{row}",
                    row,
                )
            )
    return record


def measured(median_s: float = 0.002, seconds: float = 20.0) -> RunRecord:
    """A run of one regime against a service, 10 batches and four thefts."""
    rng = np.random.default_rng(3)
    record = RunRecord(
        manifest(
            world="measured",
            engine="embedded",
            replications=1,
            regimes=["svid"],
            target={"name": "embedded", "version": "1"},
            scenario=manifest().scenario | {"horizon_s": seconds},
        )
    )
    for batch in range(-1, 10):
        for op, each in (("authorize", 800), ("issue-x509", 200)):
            values = rng.lognormal(np.log(median_s), 0.4, each)
            record.operations.append(operation(op, values.tolist(), batch=batch))
        lag = rng.exponential(0.0005, 1000)
        record.operations.append(operation("lag", lag.tolist(), batch=batch))
    record.operations.append(operation("authorize", [10.0], batch=3, code="timeout"))
    for number, (detector, expected) in enumerate(
        [
            ("two-origins", "two-origins"),
            ("superseded-serial", "superseded-serial"),
            (None, "undetected"),
            (None, "two-origins"),
        ]
    ):
        seen = detector is not None
        record.incidents.append(
            theft(
                stolen_s=2.0 + number,
                persona=f"thief-{number}",
                first_use_s=3.0 + number,
                alert_s=4.0 + number if seen else None,
                detector=detector,
                decided_s=4.0 + number if seen else None,
                revoked_s=4.01 + number if seen else None,
                last_accepted_s=3.9 + number,
                expires_s=22.0 + number,
                end="revoked" if seen else "open",
                expected=expected,
            )
        )
        if detector is not None:
            alert_s, who = 4.0 + number, f"spiffe://x/{number}"
            record.alerts.append(
                AlertRow("0", "svid", 0, alert_s, alert_s - 1.0, detector, who, number)
            )
    return record
