"""SPIRE's server and agent as processes of ours: on loopback, on the leash, with data of their own.

Sockets lie in a folder with a short name, because a Unix socket's path has at most 107 bytes.
"""

import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadgen.supervise import Child
from loadgen.targets.spire.call import COUNT_AGENTS, CREATE_JOIN_TOKEN, Caller
from loadgen.targets.spire.credentials import NodeAuthority
from loadgen.targets.spire.install import Programs
from loadgen.targets.spire.proto import spire_api_pb2 as api
from scenarios.errors import TargetError, TargetUnavailable

HEALTHY_WITHIN_S = 60.0
_TRIES = 3
_TOKEN_TTL_S = 600


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a run varies; lifetimes in seconds."""

    audit: bool = True
    rate_limits: bool = False
    """SPIRE's own: one attestation and 500 signatures a second and source address"""
    ca_ttl_s: int = 604_800
    agent_ttl_s: int = 3600
    x509_ttl_s: int = 3600
    jwt_ttl_s: int = 300
    keys_on_disk: bool = False
    """CA keys outlive a restart; in memory a restarted server begins with a new CA"""
    control_frame_limit: int | None = None
    """queued control frames at which grpc-go stops reading; None: its default, 100. SPIRE reaches
    its key manager over an in-memory pipe without a buffer, where both ends then wait for each
    other: with about a hundred signatures under way signing stops for good (README.md)"""


def server_config(
    settings: ServerSettings, trust_domain: str, port: int, workdir: Path, sockets: Path
) -> str:
    """Return the server's configuration, HCL."""
    on = str(settings.rate_limits).lower()
    key_manager = 'KeyManager "memory" { plugin_data {} }'
    if settings.keys_on_disk:
        keys = f"{workdir}/server/keys.json"
        key_manager = f'KeyManager "disk" {{ plugin_data {{ keys_path = "{keys}" }} }}'
    return f"""\
server {{
  bind_address = "127.0.0.1"
  bind_port = {port}
  socket_path = "{sockets}/server.sock"
  trust_domain = "{trust_domain}"
  data_dir = "{workdir}/server"
  log_level = "INFO"
  log_format = "json"
  log_file = "{workdir}/server.log"
  audit_log_enabled = {str(settings.audit).lower()}
  ca_ttl = "{settings.ca_ttl_s}s"
  agent_ttl = "{settings.agent_ttl_s}s"
  default_x509_svid_ttl = "{settings.x509_ttl_s}s"
  default_jwt_svid_ttl = "{settings.jwt_ttl_s}s"
  ratelimit {{
    attestation = {on}
    signing = {on}
  }}
}}
plugins {{
  DataStore "sql" {{
    plugin_data {{
      database_type = "sqlite3"
      connection_string = "{workdir}/server/datastore.sqlite3"
    }}
  }}
  {key_manager}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  NodeAttestor "x509pop" {{
    plugin_data {{ ca_bundle_path = "{workdir}/server/node-authority.pem" }}
  }}
}}
"""


def agent_config(trust_domain: str, server_port: int, workdir: Path, sockets: Path) -> str:
    """Return the agent's configuration, HCL."""
    return f"""\
agent {{
  server_address = "127.0.0.1"
  server_port = {server_port}
  socket_path = "{sockets}/agent.sock"
  trust_domain = "{trust_domain}"
  data_dir = "{workdir}/agent"
  log_level = "INFO"
  log_format = "json"
  log_file = "{workdir}/agent.log"
  insecure_bootstrap = true
}}
plugins {{
  KeyManager "memory" {{ plugin_data {{}} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"""


class SpireServer:
    """A running server; ``start`` returns when it answers.

    Args:
        programs: from ``install.require``.
        workdir: gets ``server/`` (data), the configuration and the log.
        trust_domain: of its own.
        settings: what the run varies.
    """

    def __init__(
        self,
        programs: Programs,
        workdir: Path,
        trust_domain: str,
        settings: ServerSettings | None = None,
    ) -> None:
        self.programs = programs
        self.workdir = workdir.resolve()
        self.trust_domain = trust_domain
        self.settings = settings if settings is not None else ServerSettings()
        self.nodes = NodeAuthority()
        self.port = 0
        self._sockets = Path()
        self._child: Child | None = None

    @property
    def log(self) -> Path:
        """Return the log, audit lines included."""
        return self.workdir / "server.log"

    @property
    def socket(self) -> str:
        """Return the path of the admin socket."""
        return str(self._sockets / "server.sock")

    @property
    def process(self) -> psutil.Process | None:
        """Return the server's process, None when it does not run."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self._child is not None and not self._child.exited():
                return next(iter(psutil.Process(self._child.pid).children()), None)
        return None

    def start(self, port: int = 0) -> None:
        """Start with clean data and wait until it answers.

        Args:
            port: TCP; 0 for a free one.

        Raises:
            TargetUnavailable: it does not, in one line; nothing is left running.
        """
        for left in reversed(range(1 if port else _TRIES)):
            self.port = port or free_port()
            try:
                self._make_folders()
                self.launch()
            except OSError as error:
                self.remove()
                where = error.filename or self.workdir
                raise TargetUnavailable(f"SPIRE's folder {where}: {error.strerror}") from error
            except TargetUnavailable as error:
                self.remove()
                in_use = "address already in use" in str(error)
                if in_use and port:
                    raise TargetUnavailable(f"127.0.0.1:{port} is in use") from error
                if not left or not in_use:
                    raise
            else:
                return

    def _make_folders(self) -> None:
        (self.workdir / "server").mkdir(parents=True, exist_ok=True)
        self._sockets = Path(tempfile.mkdtemp(prefix="midas-spire-"))
        self.nodes.save(self.workdir / "server" / "node-authority.pem")

    def launch(self) -> None:
        """Start the process on the data that is there, as a restart does."""
        config = self.workdir / "server" / "server.conf"
        config.write_text(
            server_config(self.settings, self.trust_domain, self.port, self.workdir, self._sockets),
            encoding="utf-8",
        )
        self._child = _leashed(
            [str(self.programs.server), "run", "-config", str(config)],
            name="spire-server",
            log=self.workdir / "spire-server.stderr.log",
            remove=[self.workdir / "server", self._sockets],
            env=_throttling(self.settings.control_frame_limit),
        )
        _until(self._healthy, self._child, self.log, HEALTHY_WITHIN_S)

    def _healthy(self) -> bool:
        with self.admin(timeout_s=2.0) as caller:
            caller.call(COUNT_AGENTS, api.CountAgentsRequest(), api.CountAgentsResponse)
        with socket.create_connection(("127.0.0.1", self.port), 2.0):
            return True

    def admin(self, timeout_s: float = 10.0) -> Caller:
        """Return a connection to the admin socket."""
        return Caller.admin(self.socket, timeout_s)

    def join_token(self) -> str:
        """Return a fresh join token."""
        with self.admin() as caller:
            request = api.CreateJoinTokenRequest(ttl=_TOKEN_TTL_S)
            return caller.call(CREATE_JOIN_TOKEN, request, api.JoinToken).value

    def check(self) -> None:
        """Find out whether it still runs.

        Raises:
            TargetUnavailable: it has ended, in its last words.
        """
        if self._child is not None and self._child.exited():
            raise TargetUnavailable(f"spire-server ended: {last_words(self.log, self._child)}")

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash does; its data stay for ``launch``."""
        process = self.process
        if process is not None and self._child is not None:
            process.kill()
            self._child.wait(5.0)

    def remove(self) -> None:
        """Stop the process and remove its data and sockets, not the log. Safe to call twice."""
        if self._child is not None:
            self._child.stop(5.0)
        shutil.rmtree(self.workdir / "server", ignore_errors=True)
        if self._sockets != Path():
            shutil.rmtree(self._sockets, ignore_errors=True)


class SpireAgent:
    """A running agent beside a server; its Workload API serves the processes of this machine."""

    def __init__(self, server: SpireServer) -> None:
        self._server = server
        self._sockets = Path()
        self._child: Child | None = None
        self.token = ""

    @property
    def workload_api(self) -> str:
        """Return the address of the Workload API, as ``SPIFFE_ENDPOINT_SOCKET`` takes it."""
        return f"unix:{self._sockets}/agent.sock"

    @property
    def path(self) -> str:
        """Return the path of the agent's SPIFFE ID."""
        return f"/spire/agent/join_token/{self.token}"

    def start(self) -> None:
        """Attest with a fresh join token and wait until the Workload API listens.

        Raises:
            TargetUnavailable: it does not, in one line; nothing is left running.
        """
        server = self._server
        (server.workdir / "agent").mkdir(exist_ok=True)
        self._sockets = Path(tempfile.mkdtemp(prefix="midas-spire-"))
        config = server.workdir / "agent" / "agent.conf"
        config.write_text(
            agent_config(server.trust_domain, server.port, server.workdir, self._sockets),
            encoding="utf-8",
        )
        self.token = server.join_token()
        command = [str(server.programs.agent), "run", "-config", str(config)]
        self._child = _leashed(
            [*command, "-joinToken", self.token],
            name="spire-agent",
            log=server.workdir / "spire-agent.stderr.log",
            remove=[server.workdir / "agent", self._sockets],
        )
        try:
            log = server.workdir / "agent.log"
            _until(self._listening, self._child, log, HEALTHY_WITHIN_S)
        except TargetUnavailable:
            self.remove()
            raise

    def _listening(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(str(self._sockets / "agent.sock"))
            return True

    def remove(self) -> None:
        """Stop and remove its data. Safe to call twice."""
        if self._child is not None:
            self._child.stop()
        shutil.rmtree(self._server.workdir / "agent", ignore_errors=True)
        if self._sockets != Path():
            shutil.rmtree(self._sockets, ignore_errors=True)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _throttling(limit: int | None) -> dict[str, str]:
    if limit is None:
        return {}
    return {"GRPC_GO_EXPERIMENTAL_CONTROL_BUFFER_THROTTLE_LIMIT": str(limit)}


def _leashed(
    command: list[str],
    *,
    name: str,
    log: Path,
    remove: list[Path],
    env: dict[str, str] | None = None,
) -> Child:
    root = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    leash = [sys.executable, "-m", "loadgen.leash", "--grace", "3"]
    for gone in remove:
        leash += ["--remove", str(gone)]
    return Child([*leash, *command], name=name, log=log, env={"PYTHONPATH": path, **(env or {})})


def _until(healthy: Callable[[], bool], child: Child, log: Path, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while True:
        with contextlib.suppress(TargetError, OSError):
            if healthy():
                return
        if child.exited():
            raise TargetUnavailable(f"{child.name} ended: {last_words(log, child)}")
        if time.monotonic() > deadline:
            child.stop()
            raise TargetUnavailable(f"{child.name} was not healthy after {within_s:g} s")
        time.sleep(0.05)


def last_words(log: Path, child: Child) -> str:
    """Return the last error of a program's log, else the last line of its stderr."""
    with contextlib.suppress(OSError):
        for line in reversed(log.read_text("utf-8", "replace").splitlines()):
            with contextlib.suppress(ValueError):
                fields = json.loads(line)
                if fields.get("level") in ("error", "fatal"):
                    return f"{fields.get('msg', '')}: {fields.get('error', '')}".strip(": ")
    return child.last_words()
