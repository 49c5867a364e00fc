"""SPIRE behind the port: its server (and its agent), the admin socket, the log, no revocation."""

import threading
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import msgspec

from loadgen.targets.agents import agents
from loadgen.targets.port import Capability, Endpoint, Identity, Stolen
from loadgen.targets.spire import audit, install
from loadgen.targets.spire.call import GET_BUNDLE, MINT_X509
from loadgen.targets.spire.credentials import Svid, csr, new_key
from loadgen.targets.spire.process import ServerSettings, SpireAgent, SpireServer
from loadgen.targets.spire.proto import spire_api_pb2 as api
from loadgen.targets.spire.relying_party import AUDIENCE, RelyingParty
from loadgen.targets.spire.wire import Config
from scenarios.detection.audit import AuditEvent
from scenarios.errors import TargetRefused, TargetUnavailable


class SpireTarget:
    """A SPIRE server of ``install.VERSION``, started for one run.

    Args:
        port: of its TCP port; 0 for a free one. The load goes over the admin socket.
        settings: audit log, rate limits and lifetimes.
        agent: also start SPIRE's own agent, for its Workload API.
    """

    name = "spire"
    capabilities = frozenset(
        {
            Capability.X509_SVID,
            Capability.JWT_SVID,
            Capability.TASK_SCOPE,
            Capability.AUDIT,
            Capability.MTLS,
        }
    )
    audit_fields = audit.WORKLOAD_FIELDS

    def __init__(
        self, *, port: int = 0, settings: ServerSettings | None = None, agent: bool = False
    ) -> None:
        self._port = port
        self._settings = settings
        self._with_agent = agent
        self.server: SpireServer | None = None
        self.agent: SpireAgent | None = None
        self._party: RelyingParty | None = None
        self._opens: dict[str, frozenset[str]] = {}
        self._plan: dict[str, Any] = {}
        self._stopping = threading.Event()

    def setup(self, workdir: Path, trust_domain: str) -> None:
        """Start the server with clean data below ``workdir`` and wait until it answers."""
        programs = install.require()
        server = SpireServer(programs, workdir, trust_domain, self._settings)
        self.server = server
        server.start(self._port)
        try:
            self._party = _relying_party(server)
            if self._with_agent:
                self.agent = SpireAgent(server)
                self.agent.start()
        except BaseException:
            self.teardown()
            raise

    def _running(self) -> SpireServer:
        if self.server is None or not self.server.port:
            raise TargetUnavailable("spire: not started")
        return self.server

    def provision(self, identities: list[Identity], ttl_s: float | None, task_scope: bool) -> None:
        """Note who may ask for what; minting over the admin socket needs no registration entry.

        Raises:
            TargetUnavailable: the server does not answer.
        """
        server = self._running()
        with server.admin() as caller:
            caller.call(GET_BUNDLE, api.GetBundleRequest(), api.Bundle)
        self._opens = {}
        for identity in identities:
            if task_scope:
                for task, permissions in identity.permissions.items():
                    self._opens[f"{identity.name}/{task}"] = frozenset(permissions)
            else:
                all_of_them = (p for needed in identity.permissions.values() for p in needed)
                self._opens[identity.name] = frozenset(all_of_them)
        ttl = 0 if ttl_s is None else max(1, round(ttl_s))
        config = Config(server.trust_domain, AUDIENCE, ttl, task_scope, agents(identities))
        self._plan = cast("dict[str, Any]", msgspec.to_builtins(config))

    def endpoint(self) -> Endpoint:
        """Return the admin socket; the TCP port beside it tells whether the server lives."""
        server = self._running()
        return Endpoint("127.0.0.1", server.port, socket_path=server.socket, http2=True)

    def wire_plan(self) -> dict[str, Any]:
        """Return the ``wire.Config`` of what was provisioned, as plain JSON data."""
        return self._plan

    def version(self) -> dict[str, str]:
        """Return name and version of the server, and of what speaks to it."""
        return {
            "name": self.name,
            "spire": install.VERSION,
            "protobuf": metadata.version("protobuf"),
        }

    def audit_stream(self, zero_monotonic_s: float) -> Iterator[AuditEvent]:
        """Follow the server's log; of its lines, those about workloads."""
        server = self._running()
        for event in audit.follow(server.log, zero_monotonic_s, self._stopping):
            if event.operation == "issue":
                yield event

    def revoke(self, identity: str, serial: str) -> None:
        """Refuse: SPIRE revokes no leaf, it stops renewing.

        Raises:
            TargetRefused: always.
        """
        raise TargetRefused(
            f"spire: {identity} {serial}: SPIRE has no revocation of an issued SVID; it ends at "
            "its expiry, or with its whole authority"
        )

    def use(self, stolen: Stolen, permission: str, origin: str) -> str:  # noqa: ARG002
        """Present a stolen document to a relying party; SPIRE sees nothing of it."""
        if self._party is None:
            raise TargetUnavailable("spire: not started")
        secret = stolen.secret
        if secret["kind"] == "jwt":
            return self._party.accepts_jwt(secret["token"], permission, self._opens)
        return self._party.accepts_x509(secret["pem"], permission, self._opens)

    def teardown(self) -> None:
        """Stop agent and server and remove their data; safe to call twice."""
        self._stopping.set()
        if self.agent is not None:
            self.agent.remove()
        if self.server is not None:
            self.server.remove()


def _relying_party(server: SpireServer) -> RelyingParty:
    key = new_key()
    spiffe_id = f"spiffe://{server.trust_domain}/relying-party"
    with server.admin() as caller:
        bundle = caller.call(GET_BUNDLE, api.GetBundleRequest(), api.Bundle)
        request = api.MintX509SvidRequest(csr=csr(key, spiffe_id), ttl=86_400)
        minted = caller.call(MINT_X509, request, api.MintX509SvidResponse)
    return RelyingParty(bundle, Svid.of(tuple(minted.svid.cert_chain), key))
