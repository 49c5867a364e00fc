"""Whoever owns the log's disk: what he can rewrite, and who finds out.

The hash chain inside the log is no defence against him, for he can compute it anew. The checkpoints
of the second place are.
"""

import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from loadgen.ledger.check import Verdict, verify
from loadgen.ledger.leaves import leaves
from loadgen.ledger.merkle import Frontier
from loadgen.ledger.note import Checkpoint, SigningKey
from loadgen.service.audit import _INSERT, GENESIS, Line, _encode, _link
from loadgen.service.audit import verify as chain
from loadgen.supervise import Child
from loadgen.targets.child import first_line, start
from loadgen.targets.registry import make_target
from loadgen.targets.rest import Rest
from scenarios.errors import InputError, RunError, TargetProtocol
from tests.command_line import midas

LINES = 30


class Scene:
    """A tamper-evident service that writes some lines, and an attacker on its machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "data" / "audit.sqlite3"
        self.checkpoints = folder / "safe" / "checkpoints"
        self.key = self.checkpoints.with_name("checkpoints.pub")
        self.said = ""

    def run(self) -> Child:
        """Start the service over what is there; raises RunError with its own last words."""
        self.checkpoints.parent.mkdir(exist_ok=True)
        places = ["--data", str(self.log.parent), "--tamper-evident", str(self.checkpoints)]
        child = start("service", ["loadgen.service", *places], self.folder)
        self.said = first_line(child).decode()
        return child

    def write(self, lines: int) -> None:
        ready = json.loads(self.said)
        rest = Rest("service", f"http://127.0.0.1:{ready['port']}")
        token = {"Authorization": f"Bearer {ready['admin_token']}"}
        for n in range(lines):
            body = {"identity": f"spiffe://example.org/support/{n}", "serial": None}
            rest.call("POST", "/v1/revoke", body, token)

    def verify(self) -> Verdict:
        return verify(self.log, self.checkpoints, self.key)


def rewrite(path: Path, sql: str) -> None:
    """Change rows of a log and compute its chain anew, as whoever owns the disk can."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(
            f"DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; {sql};"  # noqa: S608
            "CREATE TABLE kept AS SELECT * FROM audit ORDER BY seq; DELETE FROM audit;"
        )
        link = GENESIS
        rows = db.execute("SELECT * FROM kept ORDER BY seq").fetchall()
        for seq, (_, *fields, _) in enumerate(rows, start=1):
            link = _link(link, _encode(Line(*fields)))
            db.execute(_INSERT, (seq, *fields, link))
        db.execute("DROP TABLE kept")


@contextmanager
def running(scene: Scene) -> Iterator[Child]:
    child = scene.run()
    try:
        yield child
    finally:
        child.stop()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Return a service that has written its lines and ended."""
    scene = Scene(tmp_path_factory.mktemp("written"))
    with running(scene):
        scene.write(LINES)
    assert scene.verify().covered == LINES
    return scene


@pytest.fixture
def robbed(written: Scene, tmp_path: Path) -> Scene:
    """Return a copy of it, for an attacker to work on."""
    shutil.copytree(written.folder, tmp_path, dirs_exist_ok=True)
    copy = Scene(tmp_path)
    copy.said = written.said
    return copy


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET identity = 'spiffe://example.org/support/99' WHERE seq = 7",
        "UPDATE audit SET occurred_wall_s = occurred_wall_s + 1e-6 WHERE seq = 7",
        "UPDATE audit SET outcome = 'denied' WHERE seq = 30",
        "DELETE FROM audit WHERE seq = 7",
        "DELETE FROM audit WHERE seq > 20",
        "UPDATE audit SET seq = seq + 1000 WHERE seq = 7",
    ],
)
def test_a_log_rewritten_with_its_chain_is_found_by_its_checkpoints(
    robbed: Scene, sql: str
) -> None:
    rewrite(robbed.log, sql)
    assert chain(robbed.log) > 0, "the chain alone believes it"
    verdict = robbed.verify()
    assert verdict.broken is not None
    assert verdict.broken.first_line <= 30
    done = midas(
        "audit", "verify", robbed.log, "--checkpoints", robbed.checkpoints, "--key", robbed.key
    )
    assert done.returncode == 1
    assert "does not hold" in done.stdout
    assert done.stdout.count("\n") == 1


def test_checkpoints_signed_anew_by_somebody_else_are_refused(robbed: Scene) -> None:
    rewrite(robbed.log, "DELETE FROM audit WHERE seq = 7")
    tree = Frontier()
    for leaf in leaves(robbed.log):
        tree.append(leaf)
    name = robbed.key.read_text().split("+")[0]
    forged = SigningKey.new(name).sign(Checkpoint(name, tree.size, tree.root()).text())
    robbed.checkpoints.write_text(forged)
    with pytest.raises(InputError, match="is not signed by this key"):
        robbed.verify()


def test_a_signature_moved_to_another_checkpoint_is_a_break(robbed: Scene) -> None:
    note = robbed.checkpoints.read_text()
    tree = Frontier()
    for leaf in leaves(robbed.log):
        tree.append(leaf)
    name, signature = note.split("\n")[0], note.rstrip("\n").rpartition("\n")[2]
    other = Checkpoint(name, 29, tree.root()).text()
    robbed.checkpoints.write_text(f"{other}\n{signature}\n")
    broken = robbed.verify().broken
    assert broken is not None
    assert broken.size is None


def test_every_octet_of_the_log_counts_or_is_outside_its_lines(robbed: Scene) -> None:
    """Flip one bit of the file at many places: what is read back differs, or is found."""
    before, whole = robbed.log.read_bytes(), list(leaves(robbed.log))
    found = 0
    for place in range(100, len(before), max(1, len(before) // 150)):
        flipped = bytearray(before)
        flipped[place] ^= 0x04
        robbed.log.write_bytes(bytes(flipped))
        try:
            same = list(leaves(robbed.log)) == whole
        except Exception:  # noqa: BLE001  (any way of being unreadable)
            same = False
        try:
            ok = robbed.verify().ok
        except InputError:
            ok = False
        assert ok == same, f"octet {place}"
        found += not ok
    assert found > 10


@pytest.mark.parametrize(
    "sql", ["DELETE FROM audit WHERE seq = 7", "DELETE FROM audit WHERE seq = 30"]
)
def test_the_service_does_not_start_over_a_changed_log(robbed: Scene, sql: str) -> None:
    rewrite(robbed.log, sql)
    before = robbed.checkpoints.read_bytes()
    with pytest.raises(RunError, match="does not hold"):
        robbed.run()
    assert robbed.checkpoints.read_bytes() == before, "nothing was signed over it"


def test_the_service_goes_on_over_a_whole_log_with_the_same_key(robbed: Scene) -> None:
    with running(robbed):
        robbed.write(3)
    verdict = robbed.verify()
    assert (verdict.ok, verdict.covered, verdict.lines) == (True, LINES + 3, LINES + 3)


def test_what_a_kill_leaves_is_whole_up_to_the_last_checkpoint(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with running(scene):
        scene.write(5)
        while not scene.checkpoints.exists() or not scene.checkpoints.stat().st_size:
            time.sleep(0.01)
        scene.write(2)
        os.kill(json.loads(scene.said)["pid"], signal.SIGKILL)
    verdict = scene.verify()
    assert verdict.ok
    assert verdict.lines == 7, "a committed line survives its process"
    assert 1 <= verdict.covered <= 7


def test_a_measured_run_ends_with_the_verdict(tmp_path: Path) -> None:
    target = make_target("embedded-tamper-evident")
    try:
        target.setup(tmp_path, "example.org")
        target.revoke("spiffe://example.org/support/1", "")
        (log,) = tmp_path.rglob("audit.sqlite3")
        (checkpoints,) = tmp_path.rglob("checkpoints")
        while not checkpoints.stat().st_size:
            time.sleep(0.01)
        rewrite(log, "UPDATE audit SET operation = 'use'")
        with pytest.raises(TargetProtocol, match="checkpoint 1 does not hold"):
            target.teardown()
    finally:
        target.teardown()
    assert not log.exists()


def test_the_private_key_stays_with_the_log_and_out_of_every_answer(robbed: Scene) -> None:
    secret = robbed.log.with_name("checkpoint.key")
    assert secret.stat().st_mode & 0o077 == 0
    text = secret.read_text().strip().split("+", 4)[4]
    for path in robbed.checkpoints.parent.iterdir():
        assert text not in path.read_text()
    assert text not in robbed.said
    done = midas(
        "audit", "verify", robbed.log, "--checkpoints", robbed.checkpoints, "--key", secret
    )
    assert done.returncode == 2
    assert text not in done.stdout + done.stderr


def bad_inputs(scene: Scene) -> dict[str, Callable[[], tuple[Path, Path, Path]]]:
    def half() -> tuple[Path, Path, Path]:
        path = scene.folder / "half"
        path.write_bytes(scene.checkpoints.read_bytes()[:-20])
        return scene.log, path, scene.key

    def other() -> tuple[Path, Path, Path]:
        key = SigningKey.new("example.org/audit/0badc0de")
        path = scene.folder / "other"
        path.write_text(key.sign(Checkpoint(key.name, 1, bytes(32)).text()))
        return scene.log, path, scene.key

    def wrong() -> tuple[Path, Path, Path]:
        name = scene.key.read_text().split("+")[0]
        path = scene.folder / "wrong.pub"
        path.write_text(str(SigningKey.new(name).verifier))
        return scene.log, scene.checkpoints, path

    nowhere = scene.folder / "nowhere"
    no_log = scene.folder / "no-log"
    with closing(sqlite3.connect(no_log)) as db:
        db.execute("CREATE TABLE other (x)")
    return {
        "nowhere: No such file": lambda: (nowhere, scene.checkpoints, scene.key),
        "no-log: is none of the embedded service": lambda: (no_log, scene.checkpoints, scene.key),
        "nowhere: No such file or directory": lambda: (scene.log, nowhere, scene.key),
        "note 1 (line 1): is not whole": half,
        "is of log 'example.org/audit/0badc0de'": other,
        "is not signed by this key": wrong,
    }


def test_bad_input_is_one_line_and_exit_code_2(robbed: Scene) -> None:
    for says, make in bad_inputs(robbed).items():
        log, checkpoints, key = make()
        done = midas("audit", "verify", log, "--checkpoints", checkpoints, "--key", key)
        assert (done.returncode, done.stdout) == (2, ""), says
        assert says in done.stderr
        assert done.stderr.count("\n") == 1
