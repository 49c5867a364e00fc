"""OpenBao behind the port: started on a leash, configured over its API, its audit file followed."""

import contextlib
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, cast

import msgspec

from loadgen.supervise import Child
from loadgen.targets.agents import agents
from loadgen.targets.openbao.api import Api
from loadgen.targets.openbao.audit import AuditReader
from loadgen.targets.openbao.install import binary
from loadgen.targets.openbao.realm import Realm, install, resource
from loadgen.targets.openbao.wire import Config, answer_code, client_cert
from loadgen.targets.port import Capability, Endpoint, Identity, Stolen
from loadgen.targets.rest import Rest
from scenarios.detection.audit import AuditEvent
from scenarios.errors import (
    ProcessError,
    TargetError,
    TargetProtocol,
    TargetRefused,
    TargetUnavailable,
)

POLL_S = 0.003
READY_S = 30.0
PROBE_S = 0.5
"""A stranger on an occupied port may hang; our own server answers sooner."""
_ANSWERS = range(100, 600)
_NOT_HEADERS = ("kind", "document", "private_key")


class OpenBaoTarget:
    """An OpenBao server of one core with in-memory storage and a file audit device.

    Args:
        port: where it listens; 0 for a free one.
    """

    name = "openbao"
    capabilities = frozenset(Capability) - {Capability.MTLS}
    audit_fields = frozenset(AuditEvent.__struct_fields__)

    def __init__(self, *, port: int = 0) -> None:
        self._port = port
        self._child: Child | None = None
        self._api: Api | None = None
        self._realm: Realm | None = None
        self._data: Path | None = None
        self._trust_domain = ""
        self._plan: dict[str, Any] = {}
        self._identities: dict[str, Identity] = {}
        self._ttl_s: float | None = None
        self._keys: dict[str, tuple[str, float]] = {}
        self._owners: dict[str, str] = {}
        self._stopping = threading.Event()

    def setup(self, workdir: Path, trust_domain: str) -> None:
        """Start, initialise, unseal and configure a server with data inside ``workdir``."""
        server = binary()
        self._data = workdir / "openbao-data"
        self._trust_domain = trust_domain
        port = self._port or _free_port()
        try:
            self._data.mkdir(parents=True)
            config = self._write_config(self._data, port)
            leash = ["-m", "loadgen.leash", "--remove", str(self._data)]
            self._child = Child(
                [sys.executable, *leash, str(server), "server", f"-config={config}"],
                name=self.name,
                log=workdir / "openbao.log",
                env={"GOMAXPROCS": "1"},
            )
        except (OSError, ProcessError) as exc:
            self.teardown()
            raise TargetUnavailable(f"{self.name}: cannot be started ({exc})") from exc
        output: list[str] = []
        reader = threading.Thread(target=self._read_output, args=(output,), daemon=True)
        reader.start()
        api = Api(self.name, "127.0.0.1", port)
        try:
            self._await(port, output, reader)
            self._unseal(api)
            install(api, trust_domain)
            self._realm = Realm(api, trust_domain)
        except TargetError:
            self.teardown()
            raise
        self._api = api

    def _write_config(self, folder: Path, port: int) -> Path:
        template = resources.files("loadgen.targets.openbao") / "server.hcl"
        text = template.read_text("utf-8").replace("@PORT@", str(port))
        config = folder / "server.hcl"
        config.write_text(text.replace("@AUDIT@", str(folder / "audit.log")))
        return config

    def _read_output(self, output: list[str]) -> None:
        """Keep the last lines that the server prints; it reports bad starts on stdout."""
        assert self._child is not None  # noqa: S101  (started before)
        for line in self._child.lines():
            text = line.decode("utf-8", "replace").strip()
            if text:
                output.append(text)
                del output[:-20]

    def _await(self, port: int, output: list[str], reader: threading.Thread) -> None:
        """Wait until the server answers; it must be the one that we started."""
        assert self._child is not None  # noqa: S101
        probe = Api(self.name, "127.0.0.1", port, timeout_s=PROBE_S)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if self._child.exited():
                reader.join(2.0)
                said = (output or [self._child.last_words() or "ended at once"])[-1]
                raise TargetUnavailable(f"{self.name}: {said[:300]}")
            with contextlib.suppress(TargetError):
                if probe.status("sys/seal-status") in _ANSWERS and not self._child.exited():
                    probe.close()
                    return
            time.sleep(0.02)
        raise TargetUnavailable(f"{self.name}: did not become ready within {READY_S:g} s")

    def _unseal(self, api: Api) -> None:
        answer = api.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        api.call("PUT", "sys/unseal", {"key": answer["keys"][0]})
        api.token = answer["root_token"]
        deadline = time.monotonic() + READY_S
        while api.status("sys/health") != 200:
            if time.monotonic() > deadline:
                raise TargetUnavailable(f"{self.name}: did not unseal within {READY_S:g} s")
            time.sleep(0.02)

    def _running(self) -> tuple[Api, Realm]:
        if self._api is None or self._realm is None:
            raise TargetUnavailable(f"{self.name}: not started")
        return self._api, self._realm

    def provision(self, identities: list[Identity], ttl_s: float | None, task_scope: bool) -> None:
        """Write policies and roles, and make the token or static key of every identity."""
        api, realm = self._running()
        table = agents(identities)
        realm.register(table, ttl_s, task_scope=task_scope)
        self._ttl_s = ttl_s
        self._identities = {identity.name: identity for identity in identities}
        tokens: dict[str, str] = {}
        shared = ""
        for name, identity in self._identities.items():
            if name.startswith("key://"):
                if ttl_s is None:
                    self._make_key(identity)
                shared = shared or realm.agent_token(identity)
                tokens[name] = shared
            else:
                tokens[name] = realm.agent_token(identity)
        host = f"{api.host}:{api.port}"
        config = Config(host, realm.generation, tokens, ttl_s, task_scope, table)
        self._plan = cast("dict[str, Any]", msgspec.to_builtins(config))

    def _make_key(self, identity: Identity) -> None:
        _, realm = self._running()
        accessor = realm.static_key(identity, self._ttl_s)
        known = (accessor, time.time())
        self._keys[identity.name] = self._keys[accessor] = known
        self._owners[accessor] = identity.name

    def endpoint(self) -> Endpoint:
        """Return the plain port; agents present X.509-SVIDs in ``Client-Cert`` (RFC 9440)."""
        api, _ = self._running()
        return Endpoint(api.host, api.port)

    def wire_plan(self) -> dict[str, Any]:
        """Return the ``wire.Config`` of what was provisioned, as plain JSON data."""
        return self._plan

    def version(self) -> dict[str, str]:
        """Return name and version of the server."""
        api, _ = self._running()
        found = api.call("GET", "sys/seal-status")
        return {
            "name": self.name,
            "openbao": str(found["version"]),
            "storage": "inmem",
            "cores": "1",
        }

    def audit_stream(self, zero_monotonic_s: float) -> Iterator[AuditEvent]:
        """Follow the audit file, looking every 3 ms."""
        self._running()
        assert self._data is not None  # noqa: S101  (set by setup)
        reader = AuditReader(self._trust_domain, self._keys.get)
        wall_to_run_s = time.monotonic() - zero_monotonic_s - time.time()
        try:
            with (self._data / "audit.log").open("rb") as log:
                rest = b""
                while True:
                    stopping = self._stopping.is_set()
                    chunk = log.read(1 << 20)
                    observed_s = time.monotonic() - zero_monotonic_s
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        event = reader.read(line, observed_s, wall_to_run_s)
                        if event is not None:
                            yield event
                    if not chunk:
                        if stopping:
                            return
                        self._stopping.wait(POLL_S)
        except (OSError, msgspec.DecodeError) as exc:
            if not self._stopping.is_set():
                raise TargetProtocol(f"{self.name}: cannot read its audit log ({exc})") from exc

    def revoke(self, identity: str, serial: str) -> None:
        """Revoke a certificate or a static key, and put a new key in the latter's place.

        Raises TargetRefused for an OIDC token: OpenBao cannot take one back before it expires.
        """
        _, realm = self._running()
        if serial in self._owners:
            realm.revoke_key(serial)
            self._make_key(self._identities[self._owners[serial]])
        elif identity.startswith("key://"):
            realm.revoke_key(serial)
        elif serial.startswith("hmac-") or len(serial) == _FINGERPRINT:
            raise TargetRefused(f"{self.name}: {identity}: an OIDC token cannot be revoked")
        else:
            realm.revoke_certificate(serial)

    def use(self, stolen: Stolen, permission: str, origin: str) -> str:
        """Use a stolen document as its owner would, from another source address."""
        api, _ = self._running()
        headers = {k: v for k, v in stolen.secret.items() if k not in _NOT_HEADERS}
        if stolen.secret["kind"] == "x509":
            headers |= client_cert(stolen.secret["document"], origin)
        rest = Rest(self.name, f"http://{api.host}:{api.port}")
        code, body = rest.code("GET", f"/v1/{resource(permission)}", None, headers, origin)
        return answer_code(int(code), body) if code.isdigit() else code

    def teardown(self) -> None:
        """Stop the server and remove its data."""
        self._stopping.set()
        if self._api is not None:
            self._api.close()
        if self._child is not None:
            self._child.stop()
        if self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)


_FINGERPRINT = 16


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
