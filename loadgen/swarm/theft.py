"""Theft of a node's identity: an agent's key and document, used from another address.

Assumed: when the thief steals, how often he calls, whether he waits until the owner has renewed.
Measured: when SPIRE's log has the line, when a detector has read it, when the ban is confirmed, and
when the thief's last call was accepted. SPIRE has two signs. The *certain* one is its own word that
a replaced document was presented; it needs the owner to have renewed and used the new one. The
*uncertain* one, one agent from two addresses, shows at the thief's first call.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil

import msgspec

from loadgen.clock import RunClock
from loadgen.swarm.field import (
    BACKDATE_S,
    CONTROL_FRAME_LIMIT,
    FRACTION,
    RENEW_JITTER,
    SYNC_S,
    Fleet,
    spire,
    swarm,
)
from loadgen.swarm.protocol import Stolen
from loadgen.targets.spire import audit
from loadgen.targets.spire.call import BAN, GET_BUNDLE, SYNC_ENTRIES, Caller, Refused
from loadgen.targets.spire.credentials import client_context, load_pem
from loadgen.targets.spire.detectors import InactiveAgentSvid, TwoAgentOrigins
from loadgen.targets.spire.process import ServerSettings, SpireServer
from loadgen.targets.spire.proto import spire_api_pb2 as api
from scenarios.demand.streams import Stream, seed_key, uniform
from scenarios.detection.audit import Alert
from scenarios.detection.detector import Detector
from scenarios.errors import TargetError, TargetUnavailable, UsageError
from scenarios.record.tables import AlertRow, Count, End, Incident
from scenarios.spec.rules import polled_age

CERTAIN, UNCERTAIN = InactiveAgentSvid.name, TwoAgentOrigins.name
SETTLE_S = 8.0
_SEEN_AGAIN_S = 3.0
"""a refused thief tries on for so long, in case it was chance"""
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


@dataclass(slots=True)
class _Theft:
    number: int
    origin: str
    stolen_s: float = 0.0
    stolen: Stolen | None = None
    expires_s: float = 0.0
    first_use_s: float | None = None
    last_accepted_s: float | None = None
    accepted: int = 0
    refused: int = 0
    end: str = "open"
    alerts: dict[str, Alert] = field(default_factory=dict)
    decided_s: float | None = None
    banned_s: float | None = None


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


class Heisted(msgspec.Struct, frozen=True):
    """A report with the rows that it was made from."""

    report: TheftReport
    incidents: list[Incident]
    alerts: list[AlertRow]
    counts: list[Count]


class _Watch:
    """Follows SPIRE's log with both detectors; bans at once what it is told to respond to."""

    def __init__(self, server: SpireServer, clock: RunClock, heist: Heist) -> None:
        self._server, self._clock, self._heist = server, clock, heist
        self._detectors: list[Detector] = [InactiveAgentSvid(), TwoAgentOrigins()]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="watcher", daemon=True)
        self.alerts: list[Alert] = []
        self.delays_s: list[float] = []
        self.bans: dict[str, tuple[float, float]] = {}
        """agent → when decided, when confirmed"""
        self.fault = ""

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(5.0)

    def _follow(self) -> None:
        try:
            for event in audit.follow(
                self._server.log, self._clock.zero_monotonic_s, self._stopping
            ):
                for detector in self._detectors:
                    alert = detector.update(event)
                    if alert is not None:
                        self._raise(alert)
        except (OSError, TargetError) as error:
            self.fault = str(error)

    def _raise(self, alert: Alert) -> None:
        self.alerts.append(alert)
        self.delays_s.append(alert.event.observed_s - alert.event.occurred_s)
        if alert.detector in self._heist.respond_to and alert.identity not in self.bans:
            decided_s = self._clock.now_s()
            domain, _, path = alert.identity.removeprefix("spiffe://").partition("/")
            identity = api.SpiffeId(trust_domain=domain, path=f"/{path}")
            with self._server.admin() as caller:
                caller.call(BAN, api.BanAgentRequest(id=identity), api.Empty)
            self.bans[alert.identity] = decided_s, self._clock.now_s()


def respond_set(names: Sequence[str] | None) -> frozenset[str]:
    """Return the detectors that a command line names; None is the certain sign alone.

    Raises:
        UsageError: an unknown one.
    """
    if not names:
        return frozenset({CERTAIN})
    known = (CERTAIN, UNCERTAIN)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"--respond-to: found {unknown[0]!r}, known are {', '.join(known)}")
    return frozenset(names)


def heist(asked: Heist, *, on_step: Callable[[str], None] = lambda _step: None) -> Heisted:
    """Steal agents' identities from a running fleet, watch, respond, and tell.

    Args:
        asked: who, when and how.
        on_step: called with a few words before each step.

    Raises:
        TargetError: SPIRE is not installed or does not start.
        ProcessError: the swarm failed.
    """
    agents = asked.victims + asked.bystanders
    spread_s = max(SYNC_S, agents / 20.0)
    seconds = spread_s + SETTLE_S + 2.2 * (asked.agent_ttl_s + BACKDATE_S)
    fleet = Fleet(
        agents=agents,
        identities=1,
        attestor="join_token",
        seconds=seconds,
        spread_s=spread_s,
        sync_s=SYNC_S,
        seed=asked.seed,
    )
    settings = ServerSettings(
        agent_ttl_s=asked.agent_ttl_s, control_frame_limit=CONTROL_FRAME_LIMIT
    )
    thefts = [_Theft(n, f"127.200.{n >> 7}.{2 + (n & 127)}") for n in range(asked.victims)]
    with spire(settings) as server, swarm(server, fleet) as link:
        with server.admin() as caller:
            bundle = caller.call(GET_BUNDLE, api.GetBundleRequest(), api.Bundle)
        authorities = [authority.asn1 for authority in bundle.x509_authorities]
        clock = RunClock.starting_in(0.2)
        watch = _Watch(server, clock, asked)
        watch.start()
        link.start(clock)
        on_step(f"{agents} agents start; {asked.victims} of them will be robbed")
        thieves = [
            threading.Thread(
                target=_act,
                args=(asked, theft, server, authorities, clock, link.steal, spread_s, seconds),
                daemon=True,
            )
            for theft in thefts
        ]
        for thief in thieves:
            thief.start()
        for thief in thieves:
            thief.join(seconds + 10.0)
        time.sleep(0.3)
        watch.close()
        link.stop()
        link.finish(30.0)
    if watch.fault:
        raise TargetUnavailable(f"SPIRE's log: {watch.fault}")
    return _tell(asked, thefts, watch)


def _act(
    asked: Heist,
    theft: _Theft,
    server: SpireServer,
    authorities: list[bytes],
    clock: RunClock,
    steal: Callable[[int], Stolen | None],
    spread_s: float,
    end_s: float,
) -> None:
    """One thief, from the theft to the end of his access or of the run."""
    u = uniform(seed_key(asked.seed), theft.number, Stream.THEFT_TIME, 0)
    _sleep_until(clock, spread_s + SETTLE_S + u * _renewal_s(asked.agent_ttl_s))
    theft.stolen = steal(theft.number)
    theft.stolen_s = clock.now_s()
    if theft.stolen is None:
        return
    theft.expires_s = theft.stolen.expires_at - time.time() + clock.now_s()
    if asked.after_renewal and not _renewed(theft, clock, steal, end_s):
        return
    context = client_context(authorities, None)
    load_pem(context, theft.stolen.pem.encode())
    request = api.SyncAuthorizedEntriesRequest(output_mask=api.EntryMask(revision_number=True))
    refused_s: float | None = None
    while (now_s := clock.now_s()) < end_s - 1.0:
        if now_s >= theft.expires_s:
            theft.end = "expired"
            return
        theft.first_use_s = now_s if theft.first_use_s is None else theft.first_use_s
        try:
            with Caller.agent(server.port, context, theft.origin) as caller:
                caller.stream(SYNC_ENTRIES, request)
            theft.accepted += 1
            theft.last_accepted_s = now_s
        except Refused:
            theft.refused += 1
            theft.end = "refused"
            refused_s = now_s if refused_s is None else refused_s
            if now_s - refused_s > _SEEN_AGAIN_S:
                return
        except TargetError:
            theft.refused += 1  # TLS refuses what has expired
        time.sleep(asked.pace_s)


def _renewed(
    theft: _Theft, clock: RunClock, steal: Callable[[int], Stolen | None], end_s: float
) -> bool:
    """Wait until the owner holds another document, and has used it."""
    assert theft.stolen is not None  # noqa: S101  (asked by the caller)
    while clock.now_s() < end_s:
        held = steal(theft.number)
        if held is not None and held.serial != theft.stolen.serial:
            time.sleep(1.0)
            return True
        time.sleep(0.5)
    return False


def _sleep_until(clock: RunClock, t_s: float) -> None:
    time.sleep(max(0.0, t_s - clock.now_s()))


def _renewal_s(agent_ttl_s: int) -> float:
    return FRACTION * (agent_ttl_s + BACKDATE_S) - BACKDATE_S


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


def _tell(asked: Heist, thefts: list[_Theft], watch: _Watch) -> Heisted:
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
    return Heisted(report, incidents, alerts, counts)


def _report(asked: Heist, taken: list[_Theft], watch: _Watch, false_alarms: int) -> TheftReport:
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


def _incident(theft: _Theft) -> Incident:
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


def _end(theft: _Theft) -> End:
    if theft.end == "expired":
        return "expired"
    return "refused" if theft.end == "refused" else "open"
