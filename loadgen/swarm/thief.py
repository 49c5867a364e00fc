"""One thief of a node's identity, from the theft to the end of his access."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from loadgen.clock import RunClock
from loadgen.swarm.field import BACKDATE_S, FRACTION
from loadgen.swarm.protocol import Stolen
from loadgen.targets.spire.call import SYNC_ENTRIES, Caller, Refused
from loadgen.targets.spire.credentials import client_context, load_pem
from loadgen.targets.spire.process import SpireServer
from loadgen.targets.spire.proto import spire_api_pb2 as api
from scenarios.demand.streams import Stream, seed_key, uniform
from scenarios.detection.audit import Alert
from scenarios.errors import TargetError

SETTLE_S = 8.0
_SEEN_AGAIN_S = 3.0
"""a refused thief tries on for so long, in case it was chance"""
_SYNC = api.SyncAuthorizedEntriesRequest(output_mask=api.EntryMask(revision_number=True))


@dataclass(frozen=True, slots=True)
class Scene:
    """What all thieves of one run share."""

    server: SpireServer
    authorities: list[bytes]
    clock: RunClock
    steal: Callable[[int], Stolen | None]
    """copies what an agent holds"""
    seed: int
    agent_ttl_s: int
    pace_s: float
    after_renewal: bool
    from_s: float
    """when every agent has attested"""
    end_s: float
    """of the run"""


@dataclass(slots=True)
class Theft:
    """What became of one theft. Times on the run clock; None for what did not happen."""

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
    """detector → its first one"""
    decided_s: float | None = None
    banned_s: float | None = None


def act(theft: Theft, scene: Scene) -> None:
    """Steal at a uniform instant of a renewal interval, and use it until refused for good."""
    clock = scene.clock
    u = uniform(seed_key(scene.seed), theft.number, Stream.THEFT_TIME, 0)
    _sleep_until(clock, scene.from_s + SETTLE_S + u * renewal_s(scene.agent_ttl_s))
    theft.stolen = scene.steal(theft.number)
    theft.stolen_s = clock.now_s()
    if theft.stolen is None:
        return
    theft.expires_s = theft.stolen.expires_at - time.time() + clock.now_s()
    if scene.after_renewal and not _renewed(theft, scene):
        return
    context = client_context(scene.authorities, None)
    load_pem(context, theft.stolen.pem.encode())
    refused_s: float | None = None
    while (now_s := clock.now_s()) < scene.end_s - 1.0:
        if now_s >= theft.expires_s:
            theft.end = "expired"
            return
        theft.first_use_s = now_s if theft.first_use_s is None else theft.first_use_s
        try:
            with Caller.agent(scene.server.port, context, theft.origin) as caller:
                caller.stream(SYNC_ENTRIES, _SYNC)
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
        time.sleep(scene.pace_s)


def renewal_s(agent_ttl_s: int) -> float:
    """Return how long after its issue an agent's document is renewed, about."""
    return FRACTION * (agent_ttl_s + BACKDATE_S) - BACKDATE_S


def _renewed(theft: Theft, scene: Scene) -> bool:
    """Wait until the owner holds another document, and has used it."""
    assert theft.stolen is not None  # noqa: S101  (asked by the caller)
    while scene.clock.now_s() < scene.end_s:
        held = scene.steal(theft.number)
        if held is not None and held.serial != theft.stolen.serial:
            time.sleep(1.0)
            return True
        time.sleep(0.5)
    return False


def _sleep_until(clock: RunClock, t_s: float) -> None:
    time.sleep(max(0.0, t_s - clock.now_s()))
