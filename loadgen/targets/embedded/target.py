"""The embedded identity service behind the port: start, registration, audit, revocation, theft."""

import base64
import contextlib
import http.client
import shutil
import socket
import sqlite3
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import msgspec
from cryptography.hazmat.backends.openssl.backend import backend

from loadgen.ledger.check import verify
from loadgen.ledger.notary import public_file
from loadgen.supervise import Child
from loadgen.targets.agents import Agents, agents
from loadgen.targets.child import first_line, start
from loadgen.targets.decisions import PATH, decision, evaluation
from loadgen.targets.embedded.audit import follow
from loadgen.targets.embedded.wire import Config, EmbeddedWire, presented
from loadgen.targets.port import Capability, Endpoint, Identity, Op, Stolen
from loadgen.targets.rest import Rest
from scenarios.detection.audit import AuditEvent
from scenarios.errors import TargetProtocol, TargetUnavailable


class Ready(msgspec.Struct, frozen=True):
    """The line with which the service says where it is."""

    pid: int
    host: str
    port: int
    mtls_port: int
    admin_token: str
    audience: str
    trust_domain: str
    audit_file: str
    ca_file: str
    started_monotonic_s: float
    started_wall_s: float
    checkpoints_file: str = ""


class EmbeddedTarget:
    """The service of ``python -m loadgen.service``, started for one run.

    Args:
        port: where it listens; 0 for a free one.
        mtls: load the TLS port, through the certificate of a proxy that passes on those of its
            agents, so that handshakes are part of what is measured.
        tamper_evident: have it sign checkpoints of its audit log into a folder of their own, and
            hold the log against them at the end.
    """

    name = "embedded"
    capabilities = frozenset(Capability)
    audit_fields = frozenset(AuditEvent.__struct_fields__)

    def __init__(self, *, port: int = 0, mtls: bool = False, tamper_evident: bool = False) -> None:
        self._port = port
        self._tamper_evident = tamper_evident
        if tamper_evident:
            self.name = "embedded-tamper-evident"
        self._mtls = mtls
        if mtls:
            self.name = "embedded-mtls"
        self._child: Child | None = None
        self._ready: Ready | None = None
        self._rest: Rest | None = None
        self._data: Path | None = None
        self._proxy: Endpoint | None = None
        self._plan: dict[str, Any] = {}
        self._stopping = threading.Event()

    def setup(self, workdir: Path, trust_domain: str) -> None:
        """Start the service with a data folder inside ``workdir`` and wait until it listens."""
        self._data = workdir / "embedded-data"
        arguments = ["--data", str(self._data), "--ephemeral", "--trust-domain", trust_domain]
        arguments += ["--port", str(self._port)]
        if self._tamper_evident:
            second_place = self._data / "second-place"  # of a run: nothing of it may stay behind
            second_place.mkdir(parents=True, exist_ok=True)
            arguments += ["--tamper-evident", str(second_place / "checkpoints")]
        self._child = start(self.name, ["loadgen.service", *arguments], workdir)
        line = first_line(self._child)
        try:
            self._ready = msgspec.json.decode(line, type=Ready)
        except msgspec.DecodeError as exc:
            self.teardown()
            raise TargetProtocol(f"{self.name}: did not say where it listens") from exc
        self._rest = Rest(self.name, f"http://{self._ready.host}:{self._ready.port}")
        self._rest.call("GET", "/healthz")
        if self._mtls:
            self._proxy = self._proxy_endpoint()

    def _running(self) -> tuple[Ready, Rest]:
        if self._ready is None or self._rest is None:
            raise TargetUnavailable(f"{self.name}: not started")
        return self._ready, self._rest

    @property
    def admin_token(self) -> str:
        """The administrator's token, which also stands for an AuthZEN enforcement point."""
        return self._running()[0].admin_token

    def _admin(self, path: str, body: object) -> Any:  # noqa: ANN401  (JSON)
        ready, rest = self._running()
        return rest.call("POST", path, body, {"Authorization": f"Bearer {ready.admin_token}"})

    def provision(self, identities: list[Identity], ttl_s: float | None, task_scope: bool) -> None:
        """Register the identities; what they ask for is limited to ``ttl_s`` and their tasks."""
        table = agents(identities)
        entries = {
            identity.name: {
                "identity": identity.name,
                "workload": identity.workload,
                "permissions": identity.permissions,
            }
            for identity in identities
        }
        answer = self._admin(
            "/v1/entries",
            {"entries": list(entries.values()), "max_ttl_s": ttl_s, "task_scope": task_scope},
        )
        self._plan = self._wire_config(answer["token"], table, ttl_s, task_scope=task_scope)

    def _wire_config(
        self, token: str, table: Agents, ttl_s: float | None, *, task_scope: bool
    ) -> dict[str, Any]:
        ready, _ = self._running()
        host = f"{ready.host}:{ready.port}"
        config = Config(host, token, ready.audience, ttl_s, task_scope, table)
        return cast("dict[str, Any]", msgspec.to_builtins(config))

    def endpoint(self) -> Endpoint:
        """Return the plain port; agents present X.509-SVIDs in ``Client-Cert`` (RFC 9440).

        With ``mtls`` the TLS port, for the proxy that presents them.
        """
        ready, _ = self._running()
        return self._proxy or Endpoint(ready.host, ready.port)

    def _proxy_endpoint(self) -> Endpoint:
        """Get the proxy its own X.509-SVID, as any other workload."""
        ready, _ = self._running()
        proxy = Identity(0, f"spiffe://{ready.trust_domain}/tls-proxy", "tls-proxy", {"pass": ()})
        self.provision([proxy], None, task_scope=False)
        wire = EmbeddedWire(msgspec.convert(self._plan, Config))
        wire.prepare()
        with contextlib.closing(socket.create_connection((ready.host, ready.port), 5)) as plain:
            plain.sendall(wire.request(Op.ISSUE_X509, 0, 0, 0.0))
            answer = http.client.HTTPResponse(plain)
            answer.begin()
            code = wire.response(Op.ISSUE_X509, 0, 0, answer.status, answer.read(), 0.0)
        stolen = wire.steal(0, 0)
        if stolen is None:
            raise TargetProtocol(f"{self.name}: no certificate for the proxy ({code})")
        assert self._data is not None  # noqa: S101  (set by setup)
        return self.mtls_endpoint(*write_pair(self._data, stolen.secret))

    def mtls_endpoint(self, cert_file: Path, key_file: Path) -> Endpoint:
        """Return the TLS port, for a client that holds the given X.509-SVID."""
        ready, _ = self._running()
        return Endpoint(
            ready.host,
            ready.mtls_port,
            tls=True,
            ca_file=ready.ca_file,
            server_name="localhost",
            cert_file=str(cert_file),
            key_file=str(key_file),
        )

    def wire_plan(self) -> dict[str, Any]:
        """Return the ``wire.Config`` of what was provisioned, as plain JSON data."""
        return self._plan

    def version(self) -> dict[str, str]:
        """Return the versions of what decides its speed."""
        versions = {
            name: metadata.version(name)
            for name in ("uvicorn", "uvloop", "cryptography", "cedarpy")
        }
        return versions | {
            "name": self.name,
            "openssl": backend.openssl_version_text(),
            "sqlite": sqlite3.sqlite_version,
        }

    def audit_stream(self, zero_monotonic_s: float) -> Iterator[AuditEvent]:
        """Follow the SQLite audit log, looking every 3 ms.

        Lines that name nobody (a forged token) are left out: detectors watch identities.
        """
        ready, _ = self._running()
        wall_to_run_s = ready.started_monotonic_s - ready.started_wall_s - zero_monotonic_s
        path = Path(ready.audit_file)
        yield from follow(path, zero_monotonic_s, wall_to_run_s, self._stopping)

    def revoke(self, identity: str, serial: str) -> None:
        """Put a document on the deny list; without a serial all of the identity's until now."""
        body = {"identity": identity or None, "serial": serial or None}
        self._admin("/v1/revoke", body)

    def use(self, stolen: Stolen, permission: str, origin: str) -> str:
        """Present a stolen document as its owner would, from another source address."""
        _, rest = self._running()
        kind, document = stolen.secret["kind"], stolen.secret["document"]
        headers = {"Content-Type": "application/json"}
        if not self._mtls or kind != "x509":
            name, value = presented(kind, document)
            headers[name] = value
        body = evaluation(stolen.secret["identity"], permission)
        with tempfile.TemporaryDirectory(prefix="midas-thief-") as folder:
            if self._mtls:
                rest = self._tls(Path(folder), stolen.secret if kind == "x509" else None)
            code, answer = rest.code("POST", PATH, body, headers, origin)
        return decision(answer) if code == "ok" else code

    def _tls(self, folder: Path, secret: dict[str, str] | None) -> Rest:
        """Return a client of the TLS port: with a stolen certificate and key, or as the proxy."""
        endpoint = self.endpoint()
        if secret is not None:
            endpoint = self.mtls_endpoint(*write_pair(folder, secret))
        context = ssl.create_default_context(cafile=endpoint.ca_file)
        context.load_cert_chain(endpoint.cert_file, endpoint.key_file)
        url = f"https://{endpoint.host}:{endpoint.port}"
        return Rest(self.name, url, context=context)

    def teardown(self) -> None:
        """Stop the service and remove its data.

        Raises:
            TargetProtocol: its audit log is not what it signed.
        """
        self._stopping.set()
        try:
            if self._ready is not None and self._ready.checkpoints_file:
                self._hold(Path(self._ready.audit_file), Path(self._ready.checkpoints_file))
        finally:
            if self._child is not None:
                self._child.stop()
            if self._data is not None:
                shutil.rmtree(self._data, ignore_errors=True)

    def _hold(self, log: Path, checkpoints: Path) -> None:
        """Hold the log against the checkpoints that there are so far."""
        if not checkpoints.exists() or not checkpoints.stat().st_size:
            return  # nothing was signed yet, or all is gone
        verdict = verify(log, checkpoints, public_file(checkpoints))
        if verdict.broken is not None:
            raise TargetProtocol(f"{self.name}: {verdict.broken.sentence()}")


def write_pair(folder: Path, secret: Mapping[str, str]) -> tuple[Path, Path]:
    """Write certificate and key of a stolen X.509-SVID as PEM files: TLS reads nothing else."""
    certificate, key = folder / "svid.pem", folder / "svid.key"
    key.touch(mode=0o600)
    key.write_text(secret["private_key"])
    certificate.write_text(ssl.DER_cert_to_PEM_cert(base64.b64decode(secret["document"])))
    return certificate, key
