"""nginx as the server that is never the bottleneck, and that can be made to stand still."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from loadgen.bench.process import HOW_TO_GET, find, running, start
from scenarios.errors import ProcessError

_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port} backlog=8192; location / {{ return 200 "ok\\n"; }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx of one process."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}/"


@contextlib.contextmanager
def nginx(folder: Path, core: int) -> Iterator[Nginx]:
    """Run nginx on a free port of loopback.

    Raises:
        ProcessError: not installed, or it does not start.
    """
    program = find("nginx")
    if program is None:
        raise ProcessError(f"nginx is not installed: {HOW_TO_GET['nginx']}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port), "utf-8")
    log = folder / "nginx.err"
    with running(start([program, "-c", str(config), "-p", str(folder)], core, log)) as process:
        for _ in range(100):
            if process.poll() is not None:
                last = log.read_text("utf-8", "replace").strip()[-200:]
                raise ProcessError(f"nginx did not start: {last}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield Nginx(process.pid, port)


@dataclass(slots=True)
class Stalls:
    """Stops a process for a while, again and again, and notes when it really did."""

    pid: int
    at_monotonic_s: Sequence[float]
    length_s: float
    happened: list[tuple[float, float]] = field(default_factory=list)
    """(stopped, continued) on CLOCK_MONOTONIC"""
    _end: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        for at in self.at_monotonic_s:
            if self._end.wait(max(0.0, at - time.monotonic())):
                return
            os.kill(self.pid, signal.SIGSTOP)
            stopped = time.monotonic()
            try:
                self._end.wait(self.length_s)
            finally:
                # read before: on one core the process may answer before this line goes on
                continued = time.monotonic()
                os.kill(self.pid, signal.SIGCONT)
                self.happened.append((stopped, continued))
