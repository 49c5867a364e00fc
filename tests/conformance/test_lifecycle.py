"""A target comes up whole or says in one line why not, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from loadgen.targets.port import Endpoint, Target
from loadgen.targets.registry import TARGETS, make_target
from scenarios.errors import TargetUnavailable, UsageError
from tests.conformance.subjects import SUBJECTS, TRUST_DOMAIN, Subject

STARTERS = [subject for subject in SUBJECTS if subject.starts_service]
_PARENT = """
import sys, time
from pathlib import Path
from loadgen.targets.registry import make_target
target = make_target(sys.argv[1])
target.setup(Path(sys.argv[2]), "example.org")
print(target.endpoint().port, flush=True)
time.sleep(60)
"""


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def soon(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def data_in(folder: Path) -> list[Path]:
    """Everything below a folder but logs of the children's stderr."""
    return [path for path in folder.rglob("*") if path.suffix != ".log"]


def one_line(message: str) -> bool:
    return bool(message) and "\n" not in message and "Traceback" not in message


def test_every_known_target_is_in_the_suite() -> None:
    assert {subject.name for subject in SUBJECTS} == set(TARGETS)


def test_an_unknown_target_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match="found nosuch, known are embedded"):
        make_target("nosuch")


def test_teardown_leaves_no_process_no_socket_and_no_data(subject: Subject, tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with subject.target(tmp_path) as target:
        around = {child.pid for child in psutil.Process().children(recursive=True)} - before
        target.setup(tmp_path, TRUST_DOMAIN)
        endpoint = target.endpoint()
        assert listens(endpoint.host, endpoint.port)
        target.teardown()
        target.teardown()
        after = {child.pid for child in psutil.Process().children(recursive=True)} - before
        assert after <= around
        assert listens(endpoint.host, endpoint.port) == (not subject.starts_service)
        assert data_in(tmp_path) == []


def test_teardown_before_setup_does_nothing(subject: Subject, tmp_path: Path) -> None:
    with subject.target(tmp_path) as target:
        target.teardown()


@pytest.mark.parametrize("subject", STARTERS, ids=lambda subject: subject.name)
def test_an_occupied_port_is_one_clear_line(subject: Subject, tmp_path: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]
        target = make_target(subject.name, port=port)
        with pytest.raises(TargetUnavailable) as caught:
            target.setup(tmp_path, TRUST_DOMAIN)
        target.teardown()
    assert one_line(str(caught.value))
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert data_in(tmp_path) == []


@pytest.mark.parametrize("subject", STARTERS, ids=lambda subject: subject.name)
def test_a_killed_parent_leaves_nothing_behind(subject: Subject, tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, subject.name, str(tmp_path)],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        family = psutil.Process(parent.pid).children(recursive=True)
        assert family
        assert listens("127.0.0.1", port)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    assert soon(lambda: not any(member.is_running() for member in family))
    assert not listens("127.0.0.1", port)
    assert soon(lambda: data_in(tmp_path) == [])


def test_a_dying_service_is_one_clear_line(subject: Subject, tmp_path: Path) -> None:
    """Asked after its service has gone, a target says so instead of raising something odd."""
    with subject.target(tmp_path) as target:
        target.setup(tmp_path, TRUST_DOMAIN)
        endpoint = target.endpoint()
        kill_listener(endpoint)
        with pytest.raises(TargetUnavailable) as caught:
            provision_again(target)
        target.teardown()
    assert one_line(str(caught.value))


def kill_listener(endpoint: Endpoint) -> None:
    """Kill the one process of ours that listens on a port."""
    for child in psutil.Process().children(recursive=True):
        for connection in child.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == endpoint.port:
                child.kill()
                assert soon(lambda: not listens(endpoint.host, endpoint.port))
                return
    raise AssertionError("nobody listens")


def provision_again(target: Target) -> None:
    from loadgen.targets.port import Op
    from tests.conformance.subjects import identities

    target.provision(identities(Op.AUTHORIZE), 60.0, task_scope=False)
