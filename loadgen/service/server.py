"""The service as a process: sockets, event loop, leash, orderly end."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from loadgen.ledger.leaves import leaves
from loadgen.ledger.notary import EVERY_LINES, EVERY_S, Notary, own_key
from loadgen.ledger.note import VerifierKey
from loadgen.service.app import TLS_CERTIFICATE, App
from loadgen.service.audit import AuditLog
from loadgen.service.identity_service import IdentityService
from loadgen.service.messages import Fault
from scenarios.errors import InputError, ProcessError, StoreError

AUDIT_FILE = "audit.sqlite3"
CA_FILE = "ca.pem"
_LAST_RESORT_S = 5.0


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """How an embedded service is run. Port 0 is a free one.

    Attributes:
        data: folder for audit log and root certificate, made when missing; None for a temporary
            one.
        ephemeral: remove the folder at the end; always so for a temporary one.
        policies: file of Cedar policies added to the built-in one.
        power_safe: audit lines survive a power cut (one fsync a commit), not only the process.
        tamper_evident: file of a second place that takes signed checkpoints of the audit log; its
            public key is written beside it. None for a log without.
        checkpoint_lines: sign after so many lines.
        checkpoint_s: sign so long after the first line that no checkpoint covers.
    """

    host: str = "127.0.0.1"
    port: int = 0
    mtls_port: int = 0
    data: Path | None = None
    ephemeral: bool = False
    trust_domain: str = "example.org"
    policies: Path | None = None
    power_safe: bool = False
    tamper_evident: Path | None = None
    checkpoint_lines: int = EVERY_LINES
    checkpoint_s: float = EVERY_S


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a started service is found; the JSON line that ``__main__`` prints."""

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
    """of a tamper-evident log; its public key is beside it"""
    public_key: str = ""
    """the key as text, to be told to those who will verify"""

    def json(self) -> str:
        """Return the line."""
        return json.dumps(asdict(self))


class _Joined:
    """A transport that joins what is written in one turn of the loop.

    uvicorn writes head and body of an answer apart; two system calls (and two packets) cost as
    much as everything else that the service does for a static key.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:  # noqa: ANN401
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def _flush(self) -> None:
        if self._parts and not self._transport.is_closing():
            self._transport.write(b"".join(self._parts))
        self._parts.clear()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._transport, name)


class _Protocol(HttpToolsProtocol):
    """Hands the TLS client's certificate on; uvicorn lacks the ASGI TLS extension."""

    _tls: dict[str, bytes] | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401
        super().connection_made(cast("asyncio.Transport", _Joined(transport, self.loop)))
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._tls = {TLS_CERTIFICATE: tls.getpeercert(binary_form=True) or b""}

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as every other bad request, in JSON."""
        body = msgspec.json.encode(Fault("bad-http", msg))
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        text = f"HTTP/1.1 400 Bad Request\r\n{head}connection: close\r\n\r\n"
        self.transport.write(text.encode() + body)
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = self._tls  # type: ignore[typeddict-item]  # ours, not ASGI's


class _Server(uvicorn.Server):
    """A server that leaves signals to ``serve``, which runs two of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise ProcessError(f"{host}:{port}: cannot listen ({exc.strerror})") from exc
    except OverflowError as exc:
        listener.close()
        raise InputError(f"port: found {port}, 0 to 65535") from exc
    return listener


def _config(app: App, **tls: Any) -> uvicorn.Config:  # noqa: ANN401
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,  # X-Forwarded-For would let a caller choose its origin in the log
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        **tls,
    )
    config.load()
    return config


def _tls_config(app: App, service: IdentityService, host: str, ca_file: Path) -> uvicorn.Config:
    certificate, key = service.authority.server_credentials(host)
    with tempfile.TemporaryDirectory(prefix="midas-tls-") as folder:  # ssl reads only files
        certificate_file, key_file = Path(folder, "tls.pem"), Path(folder, "tls.key")
        certificate_file.write_bytes(certificate)
        key_file.touch(mode=0o600)
        key_file.write_bytes(key)
        return _config(
            app,
            ssl_certfile=str(certificate_file),
            ssl_keyfile=str(key_file),
            ssl_ca_certs=str(ca_file),
            ssl_cert_reqs=ssl.CERT_REQUIRED,
        )


def _watch_stdin(stop: Callable[[], object]) -> None:
    """Stop when stdin ends: our parent holds its other end, and even SIGKILL closes it."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        stop()
        time.sleep(_LAST_RESORT_S)
        os._exit(1)

    threading.Thread(target=wait, daemon=True, name="leash").start()


@contextlib.contextmanager
def _folder(config: ServiceConfig) -> Iterator[Path]:
    try:
        if config.data is None:
            folder = Path(tempfile.mkdtemp(prefix="midas-service-"))
        else:
            folder = config.data
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreError(f"{config.data}: cannot be made a data folder ({exc.strerror})") from exc
    try:
        yield folder
    finally:
        if config.ephemeral or config.data is None:
            shutil.rmtree(folder, ignore_errors=True)


def _policies(path: Path | None) -> str:
    try:
        return "" if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"{path}: cannot be read as policies ({exc})") from exc


def _notary(config: ServiceConfig, folder: Path) -> tuple[VerifierKey | None, Notary | None]:
    """Return the notary of a tamper-evident log with its public key, None and None without one."""
    if config.tamper_evident is None:
        return None, None
    audit_file, name = folder / AUDIT_FILE, f"{config.trust_domain}/audit"
    key = own_key(folder, config.tamper_evident, name)
    notary = Notary(
        config.tamper_evident,
        key,
        leaves(audit_file) if audit_file.exists() else (),
        every_lines=config.checkpoint_lines,
        every_s=config.checkpoint_s,
        power_safe=config.power_safe,
    )
    return key.verifier, notary


async def _run(
    config: ServiceConfig, folder: Path, announce: Callable[[Ready], None], *, leash: bool
) -> None:
    service = IdentityService(config.trust_domain, _policies(config.policies))
    ca_file = folder / CA_FILE
    sockets = [_listen(config.host, config.port)]
    try:
        sockets.append(_listen(config.host, config.mtls_port))
        service.write_bundle(ca_file)
        key, notary = _notary(config, folder)
        log = AuditLog(folder / AUDIT_FILE, power_safe=config.power_safe, notary=notary)
    except BaseException:
        for listener in sockets:
            listener.close()
        raise
    app = App(service, log)
    servers = [
        _Server(_config(app)),
        _Server(_tls_config(app, service, config.host, ca_file)),
    ]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if leash:
        _watch_stdin(lambda: loop.call_soon_threadsafe(stop))
    ready = Ready(
        pid=os.getpid(),
        host=config.host,
        port=sockets[0].getsockname()[1],
        mtls_port=sockets[1].getsockname()[1],
        admin_token=service.admin_token,
        audience=service.audience,
        trust_domain=config.trust_domain,
        audit_file=str((folder / AUDIT_FILE).absolute()),
        ca_file=str(ca_file.absolute()),
        started_monotonic_s=time.monotonic(),
        started_wall_s=time.time(),
        checkpoints_file=str((config.tamper_evident or Path()).absolute()) if key else "",
        public_key=str(key or ""),
    )
    running = [
        asyncio.ensure_future(server.serve(sockets=[listener]))
        for server, listener in zip(servers, sockets, strict=True)
    ]
    try:
        while not all(server.started for server in servers):
            await asyncio.sleep(0.005)
        announce(ready)
        await asyncio.gather(*running)
    finally:
        log.close()


def serve(config: ServiceConfig, announce: Callable[[Ready], None], *, leash: bool = False) -> None:
    """Run the service in this process until SIGTERM or Ctrl-C.

    Args:
        config: where to listen and where to keep data.
        announce: called once, when both ports accept connections.
        leash: also end when stdin closes, so that a parent's death ends the service.

    Raises:
        ProcessError: a port is occupied or the address is not this machine's.
        StoreError: the data folder cannot be written; the log that it holds is not what was signed.
        InputError: a port or the policies make no sense; the checkpoints are another log's.
    """
    with _folder(config) as folder:
        try:
            uvloop.run(_run(config, folder, announce, leash=leash))
        except OSError as exc:
            raise StoreError(f"{folder}: {exc.strerror or exc}") from exc
