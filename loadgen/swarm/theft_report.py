"""What a heist showed: times from first use to alert and ban, and the rows of a record."""

from dataclasses import dataclass
from math import ceil

import msgspec

from loadgen.swarm.field import BACKDATE_S, FRACTION, RENEW_JITTER, SYNC_S
from loadgen.swarm.thief import Theft
from loadgen.targets.spire.detectors import InactiveAgentSvid, TwoAgentOrigins
from scenarios.demand.streams import Stream, seed_key, uniform
from scenarios.detection.audit import Alert
from scenarios.record.tables import AlertRow, Count, End, Incident
from scenarios.spec.rules import polled_age

CERTAIN, UNCERTAIN = InactiveAgentSvid.name, TwoAgentOrigins.name
PREDICTIONS = 20_000


@dataclass(frozen=True, slots=True)
class Heist:
    """One measured run of thefts."""

    victims: int = 30
    bystanders: int = 10
    """agents that nobody robs: alerts about them are false"""
    agent_ttl_s: int = 60
    """decides how often agents renew: at about half of it and 10 s"""
    after_renewal: bool = False
    """thieves wait until the owner has renewed"""
    respond_to: frozenset[str] = frozenset({CERTAIN})
    """detectors whose alert bans the agent at once"""
    pace_s: float = 1.0
    """between a thief's calls"""
    seed: int = 1


class TheftReport(msgspec.Struct, kw_only=True, frozen=True):
    """What a heist showed. Times in seconds; lists hold one number a theft that got so far."""

    victims: int
    agent_ttl_s: int
    after_renewal: bool
    respond_to: list[str]
    pace_s: float
    thefts: int
    used: int
    detected: dict[str, int]
    """detector → thefts that it saw"""
    time_to_detection_s: dict[str, list[float]]
    """detector → from first use to alert"""
    detector_latency_s: list[float]
    """from the event to its line in the detector's hands"""
    time_to_containment_s: list[float]
    """from first use to the confirmed ban"""
    accepted_after_ban: int
    last_accepted_after_alert_s: list[float]
    """from the deciding alert to the last accepted call; negative where the call came first"""
    uses_accepted: int
    ends: dict[str, int]
    false_alarms: int
    predicted_median_s: float | None
    """of the certain sign, from the renewal law alone (``rules.polled_age``)"""
    predicted_p90_s: float | None


class Seen(msgspec.Struct, frozen=True):
    """What the watcher saw and did."""

    alerts: list[Alert]
    delays_s: list[float]
    """of each alert: from the event to its line in the detector's hands"""
    bans: dict[str, tuple[float, float]]
    """agent → when decided, when confirmed"""


class Heisted(msgspec.Struct, frozen=True):
    """A report with the rows that it was made from."""

    report: TheftReport
    incidents: list[Incident]
    alerts: list[AlertRow]
    counts: list[Count]
    asked: Heist
    seconds: float
    """of the run"""
    started_utc: str = ""
    wall_s: float = 0.0


def predicted_s(asked: Heist) -> list[float]:
    """Return draws of the time from first use to the certain sign, by the renewal law alone.

    The theft falls into a uniform phase of the owner's renewal cycle; the sign shows at the first
    of the thief's calls after the renewal. Thieves who wait for the renewal are seen at once.
    """
    if asked.after_renewal:
        return []
    lifetime_s = asked.agent_ttl_s + BACKDATE_S
    key = seed_key(asked.seed)
    found = []
    for n in range(PREDICTIONS):
        u = [uniform(key, n, Stream.RENEWAL, k) for k in range(4)]
        age_s = polled_age(lifetime_s, FRACTION, RENEW_JITTER, SYNC_S, u[0], u[1]) - BACKDATE_S
        longest_s = lifetime_s * FRACTION * (1.0 + RENEW_JITTER) + SYNC_S
        if u[2] * longest_s > age_s:
            continue  # a longer cycle is the likelier one to be hit
        left_s = u[3] * age_s
        found.append(ceil(left_s / asked.pace_s) * asked.pace_s)
    return sorted(found)


def tell(asked: Heist, thefts: list[Theft], watch: Seen, seconds: float) -> Heisted:
    """Return the report on what the thieves did and the watcher saw.

    Args:
        asked: the order.
        thefts: after their ends.
        watch: alerts and bans.
        seconds: of the run.
    """
    by_identity = {theft.stolen.spiffe_id: theft for theft in thefts if theft.stolen is not None}
    false_alarms = 0
    for alert in watch.alerts:
        theft = by_identity.get(alert.identity)
        if theft is None or theft.first_use_s is None:
            false_alarms += 1
        else:
            theft.alerts.setdefault(alert.detector, alert)
    for identity, (decided_s, banned_s) in watch.bans.items():
        theft = by_identity.get(identity)
        if theft is not None:
            theft.decided_s, theft.banned_s = decided_s, banned_s
    taken = [theft for theft in thefts if theft.stolen is not None]
    incidents = [_incident(theft) for theft in taken]
    rows = {theft.number: n for n, theft in enumerate(taken)}
    alerts = [
        AlertRow(
            "0",
            "spire-agent",
            0,
            alert.alert_s,
            alert.event.occurred_s,
            alert.detector,
            alert.identity,
            rows.get(theft.number) if (theft := by_identity.get(alert.identity)) else None,
        )
        for alert in watch.alerts
    ]
    report = _report(asked, taken, watch, false_alarms)
    numbers = {
        k: v for k, v in msgspec.structs.asdict(report).items() if isinstance(v, int | float)
    }
    counts = [Count("0", "spire-agent", 0, name, float(n)) for name, n in numbers.items()]
    return Heisted(report, incidents, alerts, counts, asked, seconds)


def _report(asked: Heist, taken: list[Theft], watch: Seen, false_alarms: int) -> TheftReport:
    used = [theft for theft in taken if theft.first_use_s is not None]
    seen = {
        name: sorted(
            theft.alerts[name].alert_s - theft.first_use_s
            for theft in used
            if name in theft.alerts and theft.first_use_s is not None
        )
        for name in (CERTAIN, UNCERTAIN)
    }
    predicted = predicted_s(asked)
    return TheftReport(
        victims=asked.victims,
        agent_ttl_s=asked.agent_ttl_s,
        after_renewal=asked.after_renewal,
        respond_to=sorted(asked.respond_to),
        pace_s=asked.pace_s,
        thefts=len(taken),
        used=len(used),
        detected={name: len(times) for name, times in seen.items()},
        time_to_detection_s=seen,
        detector_latency_s=sorted(watch.delays_s),
        time_to_containment_s=sorted(
            theft.banned_s - theft.first_use_s
            for theft in used
            if theft.banned_s is not None and theft.first_use_s is not None
        ),
        accepted_after_ban=sum(
            theft.banned_s is not None
            and theft.last_accepted_s is not None
            and theft.last_accepted_s > theft.banned_s
            for theft in used
        ),
        last_accepted_after_alert_s=sorted(
            theft.last_accepted_s - theft.decided_s
            for theft in used
            if theft.decided_s is not None and theft.last_accepted_s is not None
        ),
        uses_accepted=sum(theft.accepted for theft in used),
        ends={
            end: sum(theft.end == end for theft in taken) for end in ("refused", "expired", "open")
        },
        false_alarms=false_alarms,
        predicted_median_s=_quantile(predicted, 0.5),
        predicted_p90_s=_quantile(predicted, 0.9),
    )


def _quantile(ordered: list[float], q: float) -> float | None:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else None


def _incident(theft: Theft) -> Incident:
    assert theft.stolen is not None  # noqa: S101  (asked by the caller)
    first = min(theft.alerts.values(), key=lambda alert: alert.alert_s, default=None)
    revoked = theft.banned_s is not None
    return Incident(
        point="0",
        regime="spire-agent",
        replication=0,
        persona="node-thief",
        injected=True,
        agent=theft.number,
        credential=theft.stolen.serial,
        stolen_s=theft.stolen_s,
        first_use_s=theft.first_use_s,
        alert_s=first.alert_s if first else None,
        detector=first.detector if first else None,
        decided_s=theft.decided_s,
        revoked_s=theft.banned_s,
        last_accepted_s=theft.last_accepted_s,
        expires_s=theft.expires_s,
        evicted_s=theft.banned_s,
        end="revoked" if revoked else _end(theft),
        uses_accepted=theft.accepted,
        uses_refused=theft.refused,
        permissions=1,
        expected=CERTAIN,
    )


def _end(theft: Theft) -> End:
    if theft.end == "expired":
        return "expired"
    return "refused" if theft.end == "refused" else "open"
