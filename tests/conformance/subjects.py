"""What the suite runs over: how each target is made, and which arrivals it understands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadgen.targets.port import Capability, Identity, Op, Target
from loadgen.targets.registry import make_target
from loadgen.targets.spire.install import install

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
    import sqlite3
    from contextlib import closing

    (path,) = folder.rglob("audit.sqlite3")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM audit").fetchone()[0])


def _openbao_lines(folder: Path) -> int:
    """Uses alone: a login and the administrator's calls have lines of their own."""
    (path,) = folder.rglob("audit.log")
    uses = b'"path":"secret/data/res/'
    lines = path.read_bytes().splitlines()
    return sum(b'"type":"response"' in line and uses in line for line in lines)


def _spire(_: Path) -> Iterator[Target]:
    install(lambda _words: None)
    yield make_target("spire")


def _spire_lines(folder: Path) -> int:
    (path,) = folder.rglob("server.log")
    return path.read_bytes().count(b'"msg":"API accessed"')


SUBJECTS = [
    Subject("embedded", _own("embedded"), lines_on_disk=_sqlite_lines),
    Subject("embedded-mtls", _own("embedded-mtls"), lines_on_disk=_sqlite_lines),
    Subject("openbao", _own("openbao"), lines_on_disk=_openbao_lines),
    Subject("spire", _spire, lines_on_disk=_spire_lines),
]
