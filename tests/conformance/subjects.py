"""What the suite runs over: how each target is made, and which arrivals it understands."""

import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadgen.targets.embedded.target import EmbeddedTarget
from loadgen.targets.port import Capability, Identity, Op, Target
from loadgen.targets.registry import make_target
from tests.conformance import rest_service
from tests.spire_programs import spire_programs

HERE = Path(__file__).parent
TRUST_DOMAIN = "example.org"
PERMISSIONS = {"routine": ("ticket:read", "ticket:write"), "night": ("incident:write",)}
TASKS = tuple(PERMISSIONS)
FOREIGN = "payment:write"
TTL_S = 60.0

ISSUES = {
    Op.ISSUE_X509: Capability.X509_SVID,
    Op.ISSUE_JWT: Capability.JWT_SVID,
    Op.ISSUE_KEY: Capability.STATIC_KEY,
}


def identities(op: Op, agents: int = 4) -> list[Identity]:
    """Return agents as the plan of a run names them; keys are shared by two."""
    names = {
        True: lambda n: f"key://support/{n // 2}",
        False: lambda n: f"spiffe://{TRUST_DOMAIN}/support/{n}",
    }[op is Op.ISSUE_KEY]
    return [Identity(n, names(n), "support", PERMISSIONS) for n in range(agents)]


@dataclass(frozen=True)
class Subject:
    """A target as the suite sees it."""

    name: str
    make: Callable[[Path], Iterator[Target]]
    """context: yields a target that is not set up, with whatever it stands on running"""
    starts_service: bool = True
    """it starts the service itself, instead of finding it under a URL"""
    lines_on_disk: Callable[[Path], int] | None = None
    """audit lines in the files below a run's folder, read without the target's help"""

    @contextmanager
    def target(self, folder: Path) -> Iterator[Target]:
        yield from self.make(folder)

    @contextmanager
    def running(self, folder: Path) -> Iterator[Target]:
        with self.target(folder) as target:
            try:
                target.setup(folder, TRUST_DOMAIN)
                yield target
            finally:
                target.teardown()


def issue_ops(target: Target) -> list[Op]:
    return [op for op, needed in ISSUES.items() if needed in target.capabilities]


def _own(name: str) -> Callable[[Path], Iterator[Target]]:
    def make(_: Path) -> Iterator[Target]:
        yield make_target(name)

    return make


def _sqlite_lines(folder: Path) -> int:
    (path,) = folder.rglob("audit.sqlite3")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM audit").fetchone()[0])


def _openbao_lines(folder: Path) -> int:
    """Uses alone: a login and the administrator's calls have lines of their own."""
    (path,) = folder.rglob("audit.log")
    uses = b'"path":"secret/data/res/'
    lines = path.read_bytes().splitlines()
    return sum(b'"type":"response"' in line and uses in line for line in lines)


def _authzen(_: Path) -> Iterator[Target]:
    """The embedded service as a decision point, asked with the token of an enforcement point."""
    service = EmbeddedTarget()
    with tempfile.TemporaryDirectory() as elsewhere:
        try:
            service.setup(Path(elsewhere), TRUST_DOMAIN)
            service.provision(identities(Op.AUTHORIZE), None, task_scope=False)
            endpoint = service.endpoint()
            url = f"http://{endpoint.host}:{endpoint.port}"
            yield make_target("authzen", url=url, token=service.admin_token)
        finally:
            service.teardown()


@contextmanager
def order_book(opens: dict[str, list[str]] | None = None, log: Path | None = None) -> Iterator[str]:
    """Run the strange REST service, which knows what tasks may do; yields its URL."""
    child = subprocess.Popen(
        [sys.executable, str(HERE / "rest_service.py"), json.dumps(opens or PERMISSIONS)]
        + ([] if log is None else [str(log)]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(child.stdout.readline())}"
    finally:
        child.stdin.close()
        child.wait(10)
        child.stdout.close()


def _http_lines(folder: Path) -> int:
    return (folder / "orders.log").read_bytes().count(b'"event": "checked"')


def _http(folder: Path) -> Iterator[Target]:
    log = folder / "orders.log"  # the service's own, which it leaves behind
    with order_book(log=log) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORDER_BOOK_SECRET", rest_service.CLIENT_SECRET)
        yield make_target("http", file=HERE / "rest_service.toml", url=url, audit_file=str(log))


def _spire(_: Path) -> Iterator[Target]:
    spire_programs()
    yield make_target("spire")


def _spire_lines(folder: Path) -> int:
    (path,) = folder.rglob("server.log")
    return path.read_bytes().count(b'"msg":"API accessed"')


SUBJECTS = [
    Subject("embedded", _own("embedded"), lines_on_disk=_sqlite_lines),
    Subject("embedded-mtls", _own("embedded-mtls"), lines_on_disk=_sqlite_lines),
    Subject(
        "embedded-tamper-evident", _own("embedded-tamper-evident"), lines_on_disk=_sqlite_lines
    ),
    Subject("openbao", _own("openbao"), lines_on_disk=_openbao_lines),
    Subject("authzen", _authzen, starts_service=False),
    Subject("http", _http, starts_service=False, lines_on_disk=_http_lines),
    Subject("spire", _spire, lines_on_disk=_spire_lines),
]
