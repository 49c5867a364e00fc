"""What one regime's measured run left behind, and its five tables."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from loadgen.generator.protocol import LAG_OP, UNSENT, GeneratorResult, Progress
from loadgen.histogram import decode, empty
from loadgen.merge import arrivals_only
from loadgen.personas.persona import ACCEPTED, EXPIRED, NO_ANSWER, UNDETECTED, Theft
from loadgen.plan import Plan
from loadgen.response import Revocation
from loadgen.watch import Seen, Sight
from scenarios.detection.audit import Alert, AuditEvent
from scenarios.record.record import RunRecord
from scenarios.record.tables import AlertRow, Count, End, Incident, OperationRow, Sample

POINT, REPLICATION = "0", 0
TTL_TOLERANCE_S = 1.0
"""X.509 and JWT times are whole seconds (RFC 5280 §4.1.2.5, RFC 7519 §2)"""


@dataclass(slots=True)
class Outcome:
    """Everything that a regime's run produced; empty parts where it was cut short."""

    plan: Plan
    sight: Sight
    arrivals: int = 0
    """intended ones, prologue included"""
    wall_at_zero_utc: str = ""
    result: GeneratorResult | None = None
    rows: list[OperationRow] = field(default_factory=list)
    """of the measured part, the generator's own rows included"""
    warmup: list[OperationRow] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    thefts: list[Theft] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    revocations: dict[tuple[str, str], Revocation] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    granted_ttl_s: list[float] = field(default_factory=list)
    """lifetimes of a sample of live credentials, as the service granted them"""
    interrupted: bool = False
    faults: list[str] = field(default_factory=list)
    """why the run is not valid, in plain words"""
    notes: list[str] = field(default_factory=list)

    @property
    def happened(self) -> list[Theft]:
        """Return the thefts in which something was taken, in order of time."""
        taken = [theft for theft in self.thefts if theft.stolen_s is not None]
        return sorted(taken, key=lambda theft: theft.stolen_s or 0.0)

    @property
    def missing(self) -> int:
        """Return how many intended arrivals no row accounts for."""
        rows = arrivals_only(self.rows) + arrivals_only(self.warmup)
        return self.arrivals - sum(row.count for row in rows)

    def _unanswered(self) -> str:
        """Say so when no measured arrival came back ``ok``: then nothing was measured."""
        codes = Counter({row.code: 0 for row in self.rows})
        for row in arrivals_only(self.rows):
            codes[row.code] += row.count
        if not codes.total() or codes["ok"]:
            return ""
        said = ", ".join(f"{code} {n}" for code, n in codes.most_common(3) if n)
        return f"no arrival was answered with ok ({said})"

    def reasons(self) -> list[str]:
        """Return every reason why this run must not be trusted; none when it is valid."""
        found = ["interrupted"] if self.interrupted else []
        found += self.faults
        if self.result is None:
            return found or ["the load generator left no result"]
        if not self.result.valid and not self.interrupted:
            found.append(self.result.reason)
        if unanswered := self._unanswered():
            found.append(unanswered)
        if self.missing:
            found.append(f"{self.missing} arrivals are missing from the results")
        return found


def add_tables(record: RunRecord, outcome: Outcome) -> None:
    """Append one regime's rows to a record."""
    regime = outcome.plan.regime.name
    first = len(record.incidents)
    record.operations += outcome.rows
    record.incidents += [incident(outcome, theft) for theft in outcome.happened]
    record.alerts += _alert_rows(outcome, first)
    record.counts += [
        Count(POINT, regime, REPLICATION, name, float(value))
        for name, value in counts(outcome).items()
    ]
    record.series += [
        Sample(POINT, regime, REPLICATION, t_s, name, value) for t_s, name, value in series(outcome)
    ]


def incident(outcome: Outcome, theft: Theft) -> Incident:
    """Return the row of one theft."""
    stolen = theft.stolen
    if stolen is None or theft.stolen_s is None:
        raise ValueError(f"theft {theft.number} took nothing")
    alert = next((a for a in outcome.alerts if belongs(a, theft)), None)
    revocation = outcome.revocations.get((theft.identity, stolen.serial))
    accepted = [use for use in theft.uses if use.code == ACCEPTED]
    revoked_s = revocation.revoked_s if revocation else None
    return Incident(
        point=POINT,
        regime=outcome.plan.regime.name,
        replication=REPLICATION,
        persona=theft.persona,
        injected=True,
        agent=theft.mark.agent,
        credential=stolen.serial,
        stolen_s=theft.stolen_s,
        first_use_s=theft.uses[0].sent_s if theft.uses else None,
        alert_s=alert.alert_s if alert else None,
        detector=alert.detector if alert else None,
        decided_s=revocation.decided_s if revocation else None,
        revoked_s=revoked_s,
        last_accepted_s=accepted[-1].sent_s if accepted else None,
        expires_s=stolen.expires_s,
        evicted_s=_access_ended_s(theft, revoked_s),
        end=_end(theft, revoked_s),
        uses_accepted=len(accepted),
        uses_refused=sum(use.code != ACCEPTED and use.code not in NO_ANSWER for use in theft.uses),
        permissions=_permissions(outcome.plan, theft),
        expected=theft.mark.expected,
    )


def belongs(alert: Alert, theft: Theft) -> bool:
    """Return whether an alert is about a theft: the same identity, and not before it."""
    return (
        alert.identity == theft.identity
        and theft.stolen_s is not None
        and alert.event.occurred_s >= theft.stolen_s
    )


def as_expected(row: Incident) -> bool:
    """Return whether a theft reached the outcome that its design expects."""
    if row.expected == UNDETECTED:
        return row.detector is None and row.uses_accepted > 0
    if row.expected == EXPIRED:
        return row.detector is None and row.uses_accepted > 0 and row.end == "expired"
    return row.detector == row.expected


def _end(theft: Theft, revoked_s: float | None) -> End:
    if theft.end == "expired":
        return "expired"
    if revoked_s is not None:
        return "revoked"
    return "refused" if theft.end == "refused" else "open"


def _access_ended_s(theft: Theft, revoked_s: float | None) -> float | None:
    if theft.end == "expired" and theft.stolen is not None:
        return theft.stolen.expires_s
    if revoked_s is not None:
        return revoked_s
    return theft.uses[-1].sent_s if theft.end == "refused" else None


def _permissions(plan: Plan, theft: Theft) -> int:
    by_task = plan.identities[theft.mark.agent].permissions
    if plan.task_scope:
        return len(by_task[plan.task_name(theft.mark.agent, theft.mark.task)])
    return len({p for needed in by_task.values() for p in needed})


def _alert_rows(outcome: Outcome, first: int) -> list[AlertRow]:
    happened = outcome.happened
    rows = []
    for alert in outcome.alerts:
        number = next((i for i, theft in enumerate(happened) if belongs(alert, theft)), None)
        rows.append(
            AlertRow(
                point=POINT,
                regime=outcome.plan.regime.name,
                replication=REPLICATION,
                t_s=alert.alert_s,
                event_s=alert.event.occurred_s,
                detector=alert.detector,
                identity=alert.identity,
                incident=None if number is None else first + number,
            )
        )
    return rows


def counts(outcome: Outcome) -> dict[str, float]:
    """Return the numbers of one regime by name; those of the window as the simulator names them."""
    return {
        "agents": len(outcome.plan.identities),
        "horizon_s": outcome.plan.seconds,
        **_arrival_counts(outcome),
        **_window_counts(outcome),
        **_theft_counts(outcome),
        "delivery_floor_s": outcome.plan.scenario.detection.delivery_s,
        **_percentiles("audit_delay", outcome.seen.delays_s),
        **_lag(outcome.rows),
        **_generator_counts(outcome.result),
    }


def _arrival_counts(outcome: Outcome) -> dict[str, float]:
    mine, warmup = arrivals_only(outcome.rows), arrivals_only(outcome.warmup)
    return {
        "arrivals": outcome.arrivals,
        "arrivals_prologue": len(outcome.plan.demand.primed),
        "arrivals_warmup": sum(row.count for row in warmup),
        "arrivals_measured": sum(row.count for row in mine),
        "arrivals_unsent": sum(row.count for row in mine + warmup if row.code == UNSENT),
        "arrivals_missing": outcome.missing,
        "warmup_errors": sum(row.count for row in warmup if row.code not in ("ok", UNSENT)),
    }


def _window_counts(outcome: Outcome) -> dict[str, float]:
    """Return what the audit log says about the window, warm-up included."""
    plan, seen = outcome.plan, outcome.seen
    if not seen.events:
        return {}
    issued = [t_s for t_s in seen.issued_at_s if 0.0 <= t_s < plan.seconds]
    per_second = Counter(int(t_s) for t_s in issued)
    return {
        "audit_events": seen.events,
        "issued": len(issued),
        "peak_issuances_per_s": max(per_second.values(), default=0),
        "accesses": seen.uses - sum(len(theft.uses) for theft in outcome.thefts),
        "auth_failures": sum(not _by_thief(outcome, event) for event in seen.denied),
        "ttl_sampled": len(outcome.granted_ttl_s),
        "ttl_granted_otherwise": sum(
            plan.ttl_s is not None and abs(ttl_s - plan.ttl_s) > TTL_TOLERANCE_S
            for ttl_s in outcome.granted_ttl_s
        ),
    }


def _by_thief(outcome: Outcome, event: AuditEvent) -> bool:
    return any(
        use.sent_s <= event.occurred_s <= use.answered_s and use.origin == event.origin
        for theft in outcome.thefts
        if theft.identity == event.identity
        for use in theft.uses
    )


def _theft_counts(outcome: Outcome) -> dict[str, float]:
    rows = [incident(outcome, theft) for theft in outcome.happened]
    robbed = {theft.identity for theft in outcome.happened}
    false_alarms = sum(
        not any(belongs(alert, theft) for theft in outcome.happened) for alert in outcome.alerts
    )
    done = outcome.revocations.values()
    return {
        "thefts": len(rows),
        "thefts_as_expected": sum(as_expected(row) for row in rows),
        "alerts": len(outcome.alerts),
        "false_alarms": false_alarms,
        "watched_identity_s": len(outcome.plan.holders) * outcome.plan.seconds,
        "revocations": sum(one.revoked_s is not None for one in done),
        "revocations_failed": sum(one.revoked_s is None for one in done),
        "healthy_revoked": sum(one.identity not in robbed for one in done),
    }


def _generator_counts(result: GeneratorResult | None) -> dict[str, float]:
    if result is None:
        return {}
    return {
        "generator_cpu_s": result.cpu_s,
        "waited_for_connection": result.waited_for_connection,
        "connections_opened": result.connections_opened,
        "retried": result.retried,
    }


def _percentiles(name: str, values: Iterable[float]) -> dict[str, float]:
    ordered = sorted(values)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {
        f"{name}_p50_s": ordered[round(0.5 * last)],
        f"{name}_p99_s": ordered[round(0.99 * last)],
        f"{name}_max_s": ordered[last],
    }


def _lag(rows: Iterable[OperationRow]) -> dict[str, float]:
    lag = empty()
    for row in rows:
        if row.op == LAG_OP and row.histogram:
            lag.add(decode(row.histogram))
    if not lag.get_total_count():
        return {}
    return {
        "lag_p50_s": lag.get_value_at_percentile(50.0) / 1e6,
        "lag_p99_s": lag.get_value_at_percentile(99.0) / 1e6,
        "lag_max_s": lag.get_max_value() / 1e6,
    }


def series(outcome: Outcome) -> list[tuple[float, str, float]]:
    """Return (start of the second, name, value): arrivals sent and answered, issuances seen.

    Sent and answered come from the generator's lines once a second and are dated by them;
    issuances from the audit log, by the second in which they happened.
    """
    seconds = int(plan_seconds) if (plan_seconds := outcome.plan.seconds) >= 1 else 1
    found: list[tuple[float, str, float]] = []
    for before, after in pairwise(outcome.progress):
        span_s = after.t_s - before.t_s
        if span_s <= 0.0 or after.t_s <= 0.0 or before.t_s >= outcome.plan.seconds:
            continue
        errors = sum(after.errors.values()) - sum(before.errors.values())
        found.append((before.t_s, "sent_per_s", (after.sent - before.sent) / span_s))
        found.append((before.t_s, "ok_per_s", (after.ok - before.ok) / span_s))
        found.append((before.t_s, "errors_per_s", errors / span_s))
    issued = [0] * seconds
    for t_s in outcome.seen.issued_at_s:
        if 0.0 <= t_s < seconds:
            issued[int(t_s)] += 1
    if outcome.seen.events:
        found += [(float(t), "issuances_per_s", float(n)) for t, n in enumerate(issued)]
    return found
