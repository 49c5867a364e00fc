"""All hollow agents of one process: clock, timers, counters, and what the parent may ask."""

import asyncio
import base64
import gc
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from loadgen.swarm.agent import HollowAgent
from loadgen.swarm.authority import Authority
from loadgen.swarm.identity import Node
from loadgen.swarm.protocol import (
    RESULT_FILE,
    ROWS_FILE,
    Progress,
    Ready,
    Stolen,
    SwarmPlan,
    SwarmResult,
)
from loadgen.swarm.recorder import Recorder
from loadgen.targets.spire.credentials import csr, new_key
from scenarios.demand.streams import seed_key
from scenarios.errors import InputError

CSR_POOL = 64
HOUSEKEEPING_S = 0.25
LATE_CALLS_S, LATE_CALLS_PARTS = 1.0, 20
GC_THRESHOLDS = (50_000, 50, 50)
"""rare collections: agents leave hardly any cycles behind"""


class Swarm:
    """The agents and what they share.

    Args:
        plan: what to do.
        loop: of this thread.
    """

    def __init__(self, plan: SwarmPlan, loop: asyncio.AbstractEventLoop) -> None:
        self.plan = plan
        self.loop = loop
        self._process = psutil.Process()
        self._empty_rss = self._process.memory_info().rss
        began_s = time.monotonic()
        self.recorder = Recorder(plan)
        self.seed_key = seed_key(plan.seed, plan.replication)
        self.authority = Authority([base64.b64decode(der) for der in plan.authorities])
        self.server_id = f"spiffe://{plan.trust_domain}/spire/server"
        self._looked = 0
        self.signed = 0
        self.expired_identity_s = 0.0
        self._csrs = [csr(new_key()) for _ in range(CSR_POOL)]
        self._zero_s = 0.0
        self._wall_offset_s = time.time() - time.monotonic()
        self._steady_cpu_s = 0.0
        self._steady_from_s = 0.0
        self.agents = [HollowAgent(self, n, node) for n, node in enumerate(_nodes(plan))]
        rss = self._process.memory_info().rss
        self.ready = Ready(
            plan.agents,
            time.monotonic() - began_s,
            (rss - self._empty_rss) / 1000 / plan.agents,
        )

    # -- what agents ask for

    def now_s(self) -> float:
        """Return the run clock."""
        return time.monotonic() - self._zero_s

    def wall_s(self) -> float:
        """Return Unix time, by the clock of the run: expiries are compared with it."""
        return time.monotonic() + self._wall_offset_s

    def call_at(self, t_s: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back at run time ``t_s``, at once if it has passed."""
        return self.loop.call_later(max(0.0, t_s - self.now_s()), callback)

    @staticmethod
    def cancel(timer: asyncio.TimerHandle | None) -> None:
        """Call back no more."""
        if timer is not None:
            timer.cancel()

    def csr(self, number: int) -> bytes:
        """Return a certificate request of the pool, DER."""
        return self._csrs[number % CSR_POOL]

    # -- life

    def start(self, zero_monotonic_s: float) -> None:
        """Begin on the run clock whose zero is given."""
        self._zero_s = zero_monotonic_s
        gap_s = self.plan.spread_s / self.plan.agents
        for agent in self.agents:
            agent.start_at(agent.number * gap_s)
        self.call_at(self.plan.settle_s, self._settled)
        self.call_at(HOUSEKEEPING_S, self._housekeep)
        self.call_at(LATE_CALLS_S, self._give_up_late_calls)
        gc.set_threshold(*GC_THRESHOLDS)
        _keep_collector_off()

    def _settled(self) -> None:
        _keep_collector_off()  # every connection is there now
        self._steady_from_s, self._steady_cpu_s = self.now_s(), self._cpu_s()

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def _housekeep(self) -> None:
        self.recorder.merge()
        self.call_at(self.now_s() + HOUSEKEEPING_S, self._housekeep)

    def _give_up_late_calls(self) -> None:
        """Look at a part of the agents, so that nobody waits while all are looked at."""
        now_s = self.now_s()
        self._looked = (self._looked + 1) % LATE_CALLS_PARTS
        for agent in self.agents[self._looked :: LATE_CALLS_PARTS]:
            agent.expire_calls(now_s)
        self.call_at(now_s + LATE_CALLS_S / LATE_CALLS_PARTS, self._give_up_late_calls)

    def restart(self) -> None:
        """Every agent starts anew, now."""
        now_s = self.now_s()
        for agent in self.agents:
            agent.restart(now_s)

    def stop(self) -> None:
        """Close every connection."""
        for agent in self.agents:
            agent.stop()

    # -- what the outside asks for

    def progress(self) -> Progress:
        """Return the counts so far."""
        wall_s, recorder = self.wall_s(), self.recorder
        attested = connected = synced = identities = expired = 0
        for agent in self.agents:
            attested += agent.own.good(wall_s)
            connected += agent.is_connected
            synced += agent.synced
            valid, gone = agent.documents.counts(wall_s)
            identities += valid
            expired += gone
        return Progress(
            t_s=self.now_s(),
            attested=attested,
            connected=connected,
            synced=synced,
            identities=identities,
            expired=expired,
            calls=dict(recorder.calls),
            ok=dict(recorder.ok),
            errors=dict(recorder.errors),
            signed=self.signed,
            lag_p99_s=recorder.lag_p99_s(settled=False),
            cpu_s=self._cpu_s(),
            rss_bytes=self._process.memory_info().rss,
        )

    def steal(self, number: int, name: str) -> Stolen:
        """Return a copy of an agent's key and document, empty when it holds none."""
        agent = self.agents[number] if 0 <= number < len(self.agents) else None
        svid = None if agent is None else agent.own.svid()
        if agent is None or svid is None:
            return Stolen(name, self.now_s(), "", "", "", 0)
        expires_at = int(agent.own.expires_at)
        pem = svid.pem().decode()
        return Stolen(name, self.now_s(), pem, svid.spiffe_id, svid.serial, expires_at)

    def result(self, reason: str = "") -> SwarmResult:
        """Return what the run was."""
        plan, recorder = self.plan, self.recorder
        steady_s = self.now_s() - self._steady_from_s
        cpu_s = self._cpu_s() - self._steady_cpu_s
        grown = self._process.memory_info().rss - self._empty_rss
        lag = recorder.lag_p99_s(settled=True)
        if not reason and lag is not None and lag > plan.lag_bound_s:
            reason = f"swarm saturated: its own lag p99 {lag:.3f} s, allowed {plan.lag_bound_s:g} s"
        wall_s = self.wall_s()
        still = sum(agent.documents.ended_for_s(wall_s) for agent in self.agents)
        return SwarmResult(
            valid=not reason,
            reason=reason,
            agents=plan.agents,
            seconds=self.now_s(),
            lag_p99_s=lag,
            steady_cpu_s=cpu_s,
            steady_s=steady_s,
            cpu_us_per_agent_s=1e6 * cpu_s / steady_s / plan.agents if steady_s > 0 else None,
            kb_per_agent=grown / 1000 / plan.agents,
            expired_identity_s=self.expired_identity_s + still,
            calls=dict(recorder.calls),
            ok=dict(recorder.ok),
            errors=dict(recorder.errors),
            signed=self.signed,
        )

    def write(self, rundir: Path, result: SwarmResult) -> None:
        """Write rows and result, each under a temporary name and renamed."""
        for name, data in (
            (ROWS_FILE, msgspec.msgpack.encode(self.recorder.rows())),
            (RESULT_FILE, msgspec.json.encode(result)),
        ):
            fresh = rundir / f"{name}.tmp"
            fresh.write_bytes(data)
            fresh.rename(rundir / name)


def _keep_collector_off() -> None:
    """Set what exists aside: it lives to the end, and walking over it makes everybody late."""
    gc.collect()
    gc.freeze()


def _nodes(plan: SwarmPlan) -> list[Node]:
    """Return what each agent is born with.

    Raises:
        InputError: the plan has not enough of it.
    """
    n = plan.agents
    if plan.attestor == "join_token":
        if len(plan.join_tokens) < n:
            raise InputError(f"join_tokens: found {len(plan.join_tokens)}, needs {n}")
        return [Node(token, b"", None) for token in plan.join_tokens[:n]]
    if min(len(plan.node_certificates), len(plan.node_keys)) < n:
        raise InputError(f"node_certificates, node_keys: needs {n} of each")
    return [
        Node("", base64.b64decode(der), _private(pem))
        for der, pem in zip(plan.node_certificates[:n], plan.node_keys[:n], strict=True)
    ]


def _private(pem: str) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise InputError("node_keys: found a key that is not on an elliptic curve")
    return key
