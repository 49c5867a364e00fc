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
from datetime import UTC, datetime
from time import monotonic

import msgspec

from loadgen.clock import RunClock
from loadgen.swarm.field import BACKDATE_S, CONTROL_FRAME_LIMIT, SYNC_S, Fleet, spire, swarm
from loadgen.swarm.theft_report import CERTAIN, UNCERTAIN, Heist, Heisted, Seen, tell
from loadgen.swarm.thief import SETTLE_S, Scene, Theft, act
from loadgen.targets.spire import audit
from loadgen.targets.spire.call import BAN, GET_BUNDLE
from loadgen.targets.spire.detectors import InactiveAgentSvid, TwoAgentOrigins
from loadgen.targets.spire.process import ServerSettings, SpireServer
from loadgen.targets.spire.proto import spire_api_pb2 as api
from scenarios.detection.audit import Alert
from scenarios.detection.detector import Detector
from scenarios.errors import TargetError, TargetUnavailable, UsageError


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
    started_utc, began_s = datetime.now(UTC).isoformat(timespec="seconds"), monotonic()
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
    thefts = [Theft(n, f"127.200.{n >> 7}.{2 + (n & 127)}") for n in range(asked.victims)]
    with spire(settings) as server, swarm(server, fleet) as link:
        authorities = _authorities(server)
        clock = RunClock.starting_in(0.2)
        watch = _Watch(server, clock, asked)
        watch.start()
        scene = Scene(
            server=server,
            authorities=authorities,
            clock=clock,
            steal=link.steal,
            seed=asked.seed,
            agent_ttl_s=asked.agent_ttl_s,
            pace_s=asked.pace_s,
            after_renewal=asked.after_renewal,
            from_s=spread_s,
            end_s=seconds,
        )
        link.start(clock)
        on_step(f"{agents} agents start; {asked.victims} of them will be robbed")
        _all_act(thefts, scene)
        server.check()
        time.sleep(0.3)
        watch.close()
        link.stop()
        link.finish(30.0)
    if watch.fault:
        raise TargetUnavailable(f"SPIRE's log: {watch.fault}")
    found = tell(asked, thefts, Seen(watch.alerts, watch.delays_s, watch.bans), seconds)
    wall_s = monotonic() - began_s
    return msgspec.structs.replace(found, started_utc=started_utc, wall_s=wall_s)


def _authorities(server: SpireServer) -> list[bytes]:
    with server.admin() as caller:
        bundle = caller.call(GET_BUNDLE, api.GetBundleRequest(), api.Bundle)
    return [authority.asn1 for authority in bundle.x509_authorities]


def _all_act(thefts: list[Theft], scene: Scene) -> None:
    thieves = [threading.Thread(target=act, args=(theft, scene), daemon=True) for theft in thefts]
    for thief in thieves:
        thief.start()
    for thief in thieves:
        thief.join(scene.end_s + 10.0)
