"""A hollow agent: attests, syncs, renews and backs off as SPIRE's agent does, and serves nobody.

What the real one does (SPIRE pkg/agent/manager, pkg/agent/svid, pkg/common/rotationutil):

- attest with a node attestor; own SVID and key only ever in memory;
- ``SyncAuthorizedEntries`` and ``GetBundle`` every 5 s ±10 %, failed ones with a longer wait (×1.5
  up to 4 min);
- at each sync renew what is due (``rules.due_at_poll``), in one ``BatchNewX509SVID`` of at most
  500, failed ones after 0.5 s and longer (×1.5 up to 4 min);
- its own SVID is due by the same rule: ``RenewAgent``, or a new attestation where the attestor
  allows it; then a new connection.

A hollow agent keeps of a workload's SVID only when it expires. The certificate requests that it
sends for workloads come from a pool that all agents share: SPIRE's work does not depend on it.
"""

import asyncio
from math import inf
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from loadgen.http2 import Answer, Http2Error, messages
from loadgen.swarm.connection import Connection
from loadgen.swarm.documents import Documents
from loadgen.swarm.identity import Identity, Node
from loadgen.swarm.protocol import (
    ATTEST_OP,
    BUNDLE_OP,
    CONNECT_OP,
    LAG_OP,
    RENEW_AGENT_OP,
    RENEW_OP,
    SYNC_OP,
    Backoff,
)
from loadgen.swarm.recorder import OK
from loadgen.swarm.requests import BUNDLE_BODY, HEADERS, SYNC_BODY, entry_ids, renew_body
from loadgen.targets.spire.call import code_name
from loadgen.targets.spire.proto import spire_api_pb2 as api
from scenarios.demand.streams import Stream, uniform
from scenarios.errors import TargetProtocol
from scenarios.spec.rules import backoff_delay

if TYPE_CHECKING:
    from loadgen.swarm.swarm import Swarm

_RENEWALS = (RENEW_OP, RENEW_AGENT_OP, ATTEST_OP)


class _Call:
    __slots__ = ("entries", "intended_s", "op", "sent_s")

    def __init__(self, op: str, intended_s: float, sent_s: float, entries: tuple[str, ...]) -> None:
        self.op, self.intended_s, self.sent_s, self.entries = op, intended_s, sent_s, entries


class HollowAgent:
    """One agent.

    Args:
        swarm: the world it lives in.
        number: counts from 0; decides source address and random draws.
        node: what it attests with.
    """

    __slots__ = (
        "_attempts",
        "_calls",
        "_connect_intended_s",
        "_connection",
        "_draws",
        "_failures",
        "_ids",
        "_origin",
        "_renew_again_s",
        "_swarm",
        "_sync_intended_s",
        "_timer",
        "documents",
        "number",
        "own",
        "synced",
    )

    def __init__(self, swarm: "Swarm", number: int, node: Node) -> None:
        self._swarm, self.number = swarm, number
        self._origin = f"127.{32 + (number >> 14)}.{number >> 7 & 127}.{1 + (number & 127)}"
        self._connection: Connection | None = None
        self._calls: dict[int, _Call] = {}
        self._ids: tuple[str, ...] = ()
        self.documents = Documents(swarm, number, self._u)
        self._draws = 0
        self._failures = 0
        self._attempts = 0
        self._connect_intended_s = 0.0
        self._renew_again_s = -inf
        self._sync_intended_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.own = Identity(swarm, node)
        self.synced = False

    # -- time

    def _u(self, stream: Stream) -> float:
        self._draws += 1
        return uniform(self._swarm.seed_key, self.number, stream, self._draws)

    def start_at(self, t_s: float) -> None:
        """Begin, or sync, at run time ``t_s``; replaces what was planned before."""
        self._swarm.cancel(self._timer)
        self._sync_intended_s = t_s
        self._timer = self._swarm.call_at(t_s, self._tick)

    def _next_sync(self) -> None:
        plan = self._swarm.plan
        wait_s = plan.sync_s * (1.0 + plan.sync_jitter * (2.0 * self._u(Stream.POLL_PHASE) - 1.0))
        self.start_at(self._swarm.now_s() + wait_s)

    def _again(self) -> None:
        """Plan the next attempt after a failed one."""
        self.synced = False
        self._failures += 1
        wait_s = self._wait(self._swarm.plan.sync_backoff, self._failures)
        self.start_at(self._swarm.now_s() + wait_s)

    def _wait(self, backoff: Backoff | None, failures: int) -> float:
        if backoff is None:
            return 0.0
        u = self._u(Stream.BACKOFF)
        b = backoff
        return backoff_delay(failures, b.base_s, b.factor, b.cap_s, b.jitter, u)

    def _tick(self) -> None:
        swarm, intended_s = self._swarm, self._sync_intended_s
        now_s = swarm.now_s()
        swarm.recorder.add(LAG_OP, OK, intended_s, now_s - intended_s)
        if self.own.held and not self.own.good(swarm.wall_s()):
            self.own.lose()  # an expired agent cannot come back by itself: it starts anew
            self._drop_connection()
        if self._connection is None:
            self._connect(now_s)
        elif not self.own.held:
            self._attest()
        else:
            self._call(SYNC_OP, intended_s, SYNC_BODY)

    # -- connection

    def _connect(self, now_s: float) -> None:
        swarm = self._swarm
        self._connect_intended_s = now_s
        swarm.recorder.calls[CONNECT_OP] += 1
        shared = swarm.authority.anonymous
        context = self.own.context()
        self._connection = Connection(
            swarm.loop, self, swarm.plan.port, self._origin, context, shared, swarm.server_id
        )

    def connected(self) -> None:
        """See ``connection.Owner``."""
        took_s = self._swarm.now_s() - self._connect_intended_s
        self._swarm.recorder.add(CONNECT_OP, OK, self._connect_intended_s, took_s)
        if not self.own.held:
            self._attest()
        else:
            self._call(SYNC_OP, self._sync_intended_s, SYNC_BODY)

    def lost(self, code: str) -> None:
        """See ``connection.Owner``."""
        swarm, now_s = self._swarm, self._swarm.now_s()
        self._connection = None
        calls, self._calls = self._calls, {}
        for call in calls.values():
            swarm.recorder.add(call.op, code, call.intended_s, now_s - call.intended_s)
        if not calls:
            took_s = now_s - self._connect_intended_s
            swarm.recorder.add(CONNECT_OP, code, self._connect_intended_s, took_s)
        self._again()

    def _drop_connection(self) -> None:
        swarm, now_s = self._swarm, self._swarm.now_s()
        for call in self._calls.values():
            swarm.recorder.add(call.op, "abandoned", call.intended_s, now_s - call.intended_s)
        self._calls.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection, or is making one."""
        return self._connection is not None

    def expire_calls(self, now_s: float) -> None:
        """Give up when an answer takes longer than the plan allows."""
        limit_s = now_s - self._swarm.plan.timeout_s
        connecting = self._connection is not None and not self._calls and not self.synced
        if any(call.sent_s < limit_s for call in self._calls.values()) or (
            connecting and self._sync_intended_s < limit_s and self._connect_intended_s < limit_s
        ):
            connection = self._connection
            if connection is not None:
                connection.close()
            self.lost("timeout")

    # -- calls

    def _call(
        self,
        op: str,
        intended_s: float,
        body: bytes,
        entries: tuple[str, ...] = (),
        *,
        end: bool = True,
    ) -> None:
        swarm, connection = self._swarm, self._connection
        assert connection is not None  # noqa: S101  (asked by the caller)
        swarm.recorder.calls[op] += 1
        number = connection.client.request(HEADERS[op], body, end=end)
        self._calls[number] = _Call(op, intended_s, swarm.now_s(), entries)
        connection.flush()

    def answered(self, answer: Answer) -> None:
        """See ``connection.Owner``."""
        call = self._calls.get(answer.stream)
        if call is None:
            return
        swarm = self._swarm
        code = OK if answer.status == 0 else code_name(answer.status)
        if answer.ended:
            del self._calls[answer.stream]
        try:
            if not answer.ended:
                self._challenged(answer)
                return
            if code == OK:
                self._take(call, answer.body)
        except (DecodeError, Http2Error, TargetProtocol, ValueError, IndexError):
            code = "protocol"
            self._calls.pop(answer.stream, None)
        swarm.recorder.add(call.op, code, call.intended_s, swarm.now_s() - call.intended_s)
        if code != OK:
            self._refused(call, answer)

    def _take(self, call: _Call, body: bytes) -> None:
        if call.op == SYNC_OP:
            self._synced(body)
        elif call.op == BUNDLE_OP:
            self._bundled(body)
        elif call.op == RENEW_OP:
            self._renewed(call, body)
        else:
            self._own_renewed(call.op, body)

    def _refused(self, call: _Call, answer: Answer) -> None:
        if call.op == RENEW_OP:
            self._renewal_failed()
            return
        if call.op == SYNC_OP and "not active" in answer.text:
            self.own.lose()
        if call.op in (RENEW_AGENT_OP, BUNDLE_OP):
            return  # tried again at the next sync
        self._drop_connection()
        self._again()

    # -- own document

    def _attest(self) -> None:
        body, whole = self.own.attestation()
        self._call(ATTEST_OP, self._sync_intended_s, body, end=whole)

    def _challenged(self, answer: Answer) -> None:
        connection = self._connection
        if connection is None:
            return
        connection.client.send(answer.stream, self.own.response(answer.body), end=True)
        connection.flush()

    def _own_renewed(self, op: str, body: bytes) -> None:
        self.own.take(op, body)
        self._failures = 0
        self._drop_connection()
        self.start_at(self._swarm.now_s())  # a new connection with the new document, and a sync

    def _renew_own(self) -> None:
        if self._swarm.plan.attestor == "x509pop":
            self._attest()
        else:
            self._call(RENEW_AGENT_OP, self._swarm.now_s(), self.own.renewal())

    # -- workloads' documents

    def _synced(self, body: bytes) -> None:
        self._failures = 0
        self.synced = True
        self._ids = entry_ids(body)
        self._next_sync()
        self._call(BUNDLE_OP, self._swarm.now_s(), BUNDLE_BODY)

    def _bundled(self, body: bytes) -> None:
        """Take the trust bundle into account, and renew what is due."""
        swarm = self._swarm
        swarm.authority.update(body, swarm.wall_s())
        if self._renewing:
            return
        left_s = self.own.expires_at - swarm.wall_s()
        if self.own.tainted or self.documents.at_threshold(left_s, self.own.lifetime_s):
            self._renew_own()  # and with it the connection: the workloads' turn is the next sync
        elif swarm.now_s() >= self._renew_again_s:
            self._renew_due()

    @property
    def _renewing(self) -> bool:
        return any(call.op in _RENEWALS for call in self._calls.values())

    def _renew(self, entries: tuple[str, ...]) -> None:
        swarm = self._swarm
        body = renew_body([(e, swarm.csr(self.number + i)) for i, e in enumerate(entries)])
        self._call(RENEW_OP, swarm.now_s(), body, entries)

    def _renewed(self, call: _Call, body: bytes) -> None:
        (one,) = messages(body)
        wall_s = self._swarm.wall_s()
        results = api.BatchNewX509SvidResponse.FromString(one).results
        failed = False
        for entry, result in zip(call.entries, results, strict=True):
            if result.status.code != 0:
                failed = True
                continue
            svid = result.svid
            self.documents.take(entry, float(svid.expires_at), svid.cert_chain[0], wall_s)
        self.documents.taken()
        if failed:
            self._renewal_failed()
        else:
            self._attempts = 0
            self._renew_again_s = -inf

    def _renewal_failed(self) -> None:
        self._attempts += 1
        swarm = self._swarm
        wait_s = self._wait(swarm.plan.svid_backoff, self._attempts)
        self._renew_again_s = swarm.now_s() + wait_s
        swarm.call_at(self._renew_again_s, self._renew_due)

    def _renew_due(self) -> None:
        """Ask for what is missing or due; also between two syncs, after a refusal."""
        if self._connection is None or not self.synced or self._renewing:
            return
        due = self.documents.due(self._ids, self._swarm.wall_s())
        if due:
            self._renew(tuple(due[: self._swarm.plan.batch_size]))

    # -- for the outside

    def restart(self, t_s: float) -> None:
        """Lose the connection and every workload's document; attest again where that is allowed."""
        self._swarm.cancel(self._timer)
        self._drop_connection()
        self.documents.clear()
        self._failures = self._attempts = 0
        self._renew_again_s = -inf
        self.synced = False
        if self._swarm.plan.attestor == "x509pop":
            self.own.lose()
        self.start_at(t_s)

    def stop(self) -> None:
        """Close the connection."""
        self._swarm.cancel(self._timer)
        self._drop_connection()
