"""From thefts and alerts to the rows of a record: what was true, and what was seen of it."""

from loadgen.outcome import Outcome
from loadgen.personas.thief import ACCEPTED, EXPIRED, NO_ANSWER, UNDETECTED, Theft
from loadgen.plan import Plan
from loadgen.response import Revocation
from scenarios.detection.audit import Alert
from scenarios.record.tables import AlertRow, End, Incident

POINT, REPLICATION = "0", 0


def incident(outcome: Outcome, theft: Theft) -> Incident:
    """Return the row of one theft."""
    stolen = theft.stolen
    if stolen is None or theft.stolen_s is None:
        raise ValueError(f"theft {theft.number} took nothing")
    alert = next((a for a in outcome.alerts if belongs(a, theft)), None)
    revocation = _revocation(outcome, theft, stolen.serial)
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


def _revocation(outcome: Outcome, theft: Theft, serial: str) -> Revocation | None:
    """Return the answer to a theft: of the document itself, else the first of its identity.

    Audit logs may name a document otherwise than its owner does.
    """
    answers = [one for one in outcome.revocations.values() if one.identity == theft.identity]
    same = [one for one in answers if one.serial == serial]
    return next(iter(same or answers), None)


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


def alert_rows(outcome: Outcome, first: int) -> list[AlertRow]:
    """Return the alerts in order; the first of the run's thefts is row ``first`` of incidents."""
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
