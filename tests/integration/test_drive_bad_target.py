"""Targets that misbehave: one clear line or a record that says why it must not be trusted."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from loadgen.drive import DriveProgress, drive
from loadgen.targets.embedded.target import EmbeddedTarget
from loadgen.targets.port import Capability, Endpoint, Target
from scenarios.errors import ProcessError, TargetUnavailable, UsageError
from scenarios.record.record import RunRecord
from scenarios.spec.resolve import load
from scenarios.spec.schema import Scenario


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load(Path("customer-service")).scenario


class Elsewhere(EmbeddedTarget):
    """The embedded service, whose load goes to another port, and whose log names no address."""

    audit_fields = frozenset({"identity", "serial", "issued_s", "permission", "workload"})

    def __init__(self, port: int) -> None:
        super().__init__()
        self._elsewhere = port

    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self._elsewhere)


Behaviour = Callable[[socket.socket], None]


@pytest.fixture
def misbehave() -> Iterator[Callable[[Behaviour], int]]:
    """Return a function that starts a server which does one thing to each connection."""
    listeners: list[socket.socket] = []
    taken: list[socket.socket] = []

    def serve(listener: socket.socket, behaviour: Behaviour) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            taken.append(connection)
            try:
                behaviour(connection)
            except OSError:
                continue

    def start(behaviour: Behaviour) -> int:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listeners.append(listener)
        threading.Thread(target=serve, args=(listener, behaviour), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for one in (*listeners, *taken):
        if one in listeners:
            one.shutdown(socket.SHUT_RDWR)
        one.close()


def measure(scenario: Scenario, make_target: Callable[[], Target], tmp_path: Path) -> RunRecord:
    return drive(
        scenario,
        make_target,
        7,
        regimes=["x509-svid-1h"],
        rate_hz=30.0,
        seconds=2.0,
        attacks=["quiet-thief"],
        lag_bound_s=0.25,
        workdir=tmp_path,
    )


def clean(tmp_path: Path) -> bool:
    return not list(tmp_path.iterdir()) and not psutil.Process().children(recursive=True)


def half(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
    connection.close()


def test_a_server_that_breaks_every_answer_measured_nothing(
    scenario: Scenario, tmp_path: Path, misbehave: Callable[[Behaviour], int]
) -> None:
    port = misbehave(half)
    record = measure(scenario, lambda: Elsewhere(port), tmp_path)
    found = {row.code for row in record.operations if row.op in ("issue-x509", "authorize")}
    assert "half" in found
    assert "ok" not in found
    assert not record.manifest.valid
    assert "no arrival was answered with ok" in record.manifest.reason
    assert record.incidents == []
    assert set(record.manifest.not_observable) == {"superseded-serial", "two-origins"}
    assert "origin" in record.manifest.not_observable["two-origins"]
    assert clean(tmp_path)


def test_a_port_where_nobody_listens_is_one_line(scenario: Scenario, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    with pytest.raises((ProcessError, TargetUnavailable)) as caught:
        measure(scenario, lambda: Elsewhere(port), tmp_path)
    assert "\n" not in str(caught.value)
    assert "refused" in str(caught.value)
    assert clean(tmp_path)


class Unwell(EmbeddedTarget):
    """A target that cannot be started."""

    def setup(self, workdir: Path, trust_domain: str) -> None:  # noqa: ARG002
        raise TargetUnavailable(f"embedded: {trust_domain}: not today")


def test_a_target_that_does_not_start_is_one_line(scenario: Scenario, tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailable, match="not today"):
        measure(scenario, Unwell, tmp_path)
    assert clean(tmp_path)


class Plain(EmbeddedTarget):
    """A target that issues keys only."""

    capabilities = frozenset({Capability.STATIC_KEY, Capability.AUTHORIZE})


def test_a_regime_that_the_target_cannot_carry_is_refused_before_the_run(
    scenario: Scenario, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="x509-svid-1h needs x509-svid"):
        measure(scenario, Plain, tmp_path)
    assert clean(tmp_path)


def test_a_target_that_dies_in_the_middle_leaves_a_partial_record(
    scenario: Scenario, tmp_path: Path
) -> None:
    def kill(progress: DriveProgress) -> None:
        if progress.phase == "window" and progress.t_s > 0.5:
            for child in psutil.Process().children():
                if child.status() != psutil.STATUS_ZOMBIE and "loadgen.service" in child.cmdline():
                    os.kill(child.pid, signal.SIGKILL)

    record = drive(
        scenario,
        EmbeddedTarget,
        7,
        regimes=["static-key"],
        rate_hz=40.0,
        seconds=30.0,
        lag_bound_s=0.25,
        workdir=tmp_path,
        on_progress=kill,
    )
    assert not record.manifest.valid
    assert not record.manifest.complete
    assert "the target stopped listening" in record.manifest.reason
    codes = {row.code for row in record.operations}
    assert "unsent" in codes
    (missing,) = (row.value for row in record.counts if row.name == "arrivals_missing")
    assert missing == 0
    assert clean(tmp_path)
