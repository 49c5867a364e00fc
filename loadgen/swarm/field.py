"""A SPIRE server with hollow agents around it: what benches, storms and thefts stand on.

The datastore lies in memory where the system offers it: SQLite waits for the disk at every commit,
and what is to be seen is SPIRE, not this machine's disk.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import psutil

from loadgen.swarm.enrol import Attestor, enrol
from loadgen.swarm.link import SwarmLink
from loadgen.swarm.protocol import Backoff, SwarmPlan
from loadgen.targets.spire import install
from loadgen.targets.spire.process import ServerSettings, SpireServer
from scenarios.spec.sources import sources

MEMORY = Path("/dev/shm")  # noqa: S108  (where Linux keeps files in memory)
TRUST_DOMAIN = "swarm.example"
_SYNC, _CAP = sources()["spire.sync_interval"], sources()["spire.backoff_cap"]
SYNC_S = _SYNC.value
SYNC_JITTER = (_SYNC.high - _SYNC.low) / (2.0 * _SYNC.value)
SYNC_BACKOFF = Backoff(SYNC_S, 1.5, _CAP.value, SYNC_JITTER)
SVID_BACKOFF = Backoff(0.5, 1.5, _CAP.value, SYNC_JITTER)
"""SPIRE's own: pkg/agent/manager/manager.go, pkg/common/backoff"""
FRACTION, RENEW_JITTER, BACKDATE_S = 0.5, 0.1, 10.0
"""pkg/common/rotationutil/rotationutil.go; pkg/server/credtemplate/builder.go"""
CONTROL_FRAME_LIMIT = 10_000
"""the most that grpc-go takes; see ``ServerSettings.control_frame_limit``"""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who the agents are and what they do; lifetimes in seconds."""

    agents: int
    identities: int = 10
    attestor: Attestor = "x509pop"
    shared: bool = True
    x509_ttl_s: int = 3600
    seconds: float = 60.0
    settle_s: float = 0.0
    spread_s: float = 5.0
    sync_s: float = SYNC_S
    stationary: bool = False
    backoff: bool = True
    timeout_s: float = 30.0
    seed: int = 1


@contextmanager
def spire(settings: ServerSettings) -> Iterator[SpireServer]:
    """Run a server for as long as the context is open.

    Raises:
        TargetUnavailable: SPIRE is not installed or does not start.
    """
    parent = MEMORY if MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="midas-spire-", dir=parent))
    server = SpireServer(install.require(), folder, TRUST_DOMAIN, settings)
    try:
        server.start()
        yield server
    finally:
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def swarm(server: SpireServer, fleet: Fleet) -> Iterator[SwarmLink]:
    """Enrol a fleet and prepare its swarm; it begins when the caller starts it."""
    enrolment = enrol(
        server,
        fleet.agents,
        fleet.identities,
        attestor=fleet.attestor,
        ttl_s=fleet.x509_ttl_s,
        shared=fleet.shared,
    )
    plan = SwarmPlan(
        port=server.port,
        trust_domain=server.trust_domain,
        authorities=enrolment.authorities,
        attestor=fleet.attestor,
        join_tokens=enrolment.join_tokens,
        node_certificates=enrolment.node_certificates,
        node_keys=enrolment.node_keys,
        agents=fleet.agents,
        seed=fleet.seed,
        seconds=fleet.seconds,
        settle_s=fleet.settle_s,
        spread_s=fleet.spread_s,
        sync_s=fleet.sync_s,
        sync_jitter=SYNC_JITTER,
        fraction=FRACTION,
        renew_jitter=RENEW_JITTER,
        backdate_s=BACKDATE_S,
        stationary=fleet.stationary,
        sync_backoff=SYNC_BACKOFF if fleet.backoff else None,
        svid_backoff=SVID_BACKOFF if fleet.backoff else None,
        timeout_s=fleet.timeout_s,
    )
    rundir = Path(tempfile.mkdtemp(prefix="swarm-", dir=server.workdir))
    with SwarmLink(plan, rundir) as link:
        yield link


class Meter:
    """CPU and memory of a server, between two instants."""

    def __init__(self, server: SpireServer) -> None:
        self._process = server.process
        self._cpu_s, self._at_s = self._now()

    def _now(self) -> tuple[float, float]:
        if self._process is not None:
            with suppress(psutil.NoSuchProcess):
                times = self._process.cpu_times()
                return float(times.user + times.system), monotonic()
        return 0.0, monotonic()

    def cpu_s(self) -> float:
        """Return the CPU seconds since it was made."""
        return self._now()[0] - self._cpu_s

    def share(self) -> float:
        """Return the mean number of cores in use since it was made."""
        cpu_s, at_s = self._now()
        return (cpu_s - self._cpu_s) / max(at_s - self._at_s, 1e-9)

    def rss_mb(self) -> float:
        """Return the resident set in MB."""
        with suppress(psutil.NoSuchProcess, AttributeError):
            return float(self._process.memory_info().rss) / 1e6  # type: ignore[union-attr]
        return 0.0
