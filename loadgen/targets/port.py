"""The port of an identity service under test, and the wire format that the generator speaks.

A target is a folder with an adapter: ``Target`` runs in the parent process (start, health, audit,
revoke, stop), ``Wire`` in the generator's process (bytes out, bytes in). Neither knows what the
other does with a socket; the conformance suite sees both as black boxes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from scenarios.detection.audit import AuditEvent


class Op(StrEnum):
    """Operations of the load; a request is labelled when it is built, never by its URL."""

    ISSUE_KEY = "issue-key"
    ISSUE_X509 = "issue-x509"
    ISSUE_JWT = "issue-jwt"
    AUTHORIZE = "authorize"
    REVOKE = "revoke"


class Capability(StrEnum):
    """What a target can do; a regime that needs more is refused before the run."""

    STATIC_KEY = "static-key"
    X509_SVID = "x509-svid"
    JWT_SVID = "jwt-svid"
    TASK_SCOPE = "task-scope"
    AUTHORIZE = "authorize"
    REVOKE = "revoke"
    AUDIT = "audit"
    MTLS = "mtls"


ISSUING = frozenset({Capability.STATIC_KEY, Capability.X509_SVID, Capability.JWT_SVID})
"""A target with none of these is a decision point: it is only asked about uses."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: an agent of the window, under its SPIFFE ID or the name of its shared secret."""

    agent: int
    name: str
    """``spiffe://<trust domain>/<workload>/<n>``, or ``key://<workload>/<group>`` for a secret"""
    workload: str
    permissions: Mapping[str, tuple[str, ...]]
    """task → permissions; under ONE_TASK a document opens one entry, otherwise all"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the generator connects."""

    host: str
    port: int
    tls: bool = False
    ca_file: str = ""
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    socket_path: str = ""
    """connect to this Unix socket instead; host and port still tell whether the service lives"""
    http2: bool = False
    """speak gRPC over HTTP/2 without TLS: requests and answers are those of ``loadgen.http2``"""


@dataclass(slots=True)
class Stolen:
    """A live credential in a thief's hands: everything needed to use it from another address."""

    agent: int
    task: str
    serial: str
    issued_s: float
    expires_s: float | None
    secret: dict[str, str] = field(default_factory=dict)
    """headers, PEM blocks or tokens, as the adapter that made it understands them"""


class Wire(Protocol):
    """Turns arrivals into request bytes and response bytes into outcomes, in the generator.

    It holds the current credential of every agent. It is single-threaded and never blocks.
    """

    def prepare(self) -> None:
        """Build payload pools (keys, CSRs) before the first arrival."""
        ...

    def request(self, op: Op, agent: int, task: int, now_s: float) -> bytes:
        """Return one whole HTTP/1.1 request; ``http2.pack`` of one where the endpoint says so."""
        ...

    def response(
        self, op: Op, agent: int, task: int, status: int, body: bytes, now_s: float
    ) -> str:
        """Take the answer into account and return its code: ``ok``, a status or ``protocol``.

        Over HTTP/2, ``status`` is the gRPC status and ``body`` its messages, or the words of a
        status that is not 0.
        """
        ...

    def steal(self, agent: int, task: int) -> Stolen | None:
        """Return a copy of what ``agent`` holds for ``task`` now, None when it holds nothing."""
        ...


class Target(Protocol):
    """An identity service that can be set up, loaded, robbed and torn down."""

    name: str
    capabilities: frozenset[Capability]
    audit_fields: frozenset[str]
    """fields of ``AuditEvent`` that its audit stream carries"""

    def setup(self, workdir: Path, trust_domain: str) -> None:
        """Start the service (or find it) with data of its own and wait until it is healthy.

        Raises TargetUnavailable in one line when that cannot be done.
        """
        ...

    def provision(self, identities: list[Identity], ttl_s: float | None, task_scope: bool) -> None:
        """Register who may ask for what; ``ttl_s`` None is a credential without end."""
        ...

    def endpoint(self) -> Endpoint:
        """Return where the generator connects."""
        ...

    def wire_plan(self) -> dict[str, Any]:
        """Return what ``wire`` needs in the generator's process, as plain JSON data."""
        ...

    def version(self) -> dict[str, str]:
        """Return name and version of what is measured."""
        ...

    def audit_stream(self, zero_monotonic_s: float) -> Iterator[AuditEvent]:
        """Follow the audit log from its start; ends after ``teardown`` or when told to stop.

        ``observed_s`` is when the line was read, on the run clock whose zero is given.
        """
        ...

    def revoke(self, identity: str, serial: str) -> None:
        """Have the verifiers refuse a document; returns when the service has confirmed it.

        Raises TargetRefused where the service has no such verb.
        """
        ...

    def use(self, stolen: Stolen, permission: str, origin: str) -> str:
        """Use a stolen credential from source address ``origin``; return its code (``ok`` …)."""
        ...

    def teardown(self) -> None:
        """Stop the service and remove its data; safe to call twice."""
        ...
