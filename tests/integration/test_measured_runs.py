"""``midas drive``, ``serve`` and ``report`` as processes: what they promise, and how they end."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.command_line import Done, conforms, finish, midas, start

DRIVE = ("drive", "customer-service", "--target", "embedded", "--rate-hz", "60", "--seed", "3")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def driven(results: Path) -> Done:
    return finish(start(*DRIVE, "--seconds", "14", "--json", "--out", results))


def test_drive_conforms_and_thefts_end_as_expected(driven: Done, results: Path) -> None:
    document = conforms("drive", driven)
    assert document["path"] == str(results / document["run_id"])
    assert document["complete"] is True
    assert sum(op["sent"] for op in document["operations"].values()) > 60 * 14 * 0.5
    assert all(op["errors"] == {} for op in document["operations"].values())
    assert len(document["thefts"]) >= 3
    assert all(theft["as_expected"] for theft in document["thefts"])
    # a crowded machine may spoil the generator's timing; then the run has to say so
    assert driven.returncode == (0 if document["valid"] else 1)
    assert document["valid"] or document["reason"]


def test_a_report_is_one_self_contained_page(driven: Done, results: Path) -> None:
    done = midas("report", "--results", results, "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["runs"] == [json.loads(driven.stdout)["run_id"]]
    page = Path(document["path"]).read_text(encoding="utf-8")
    assert "<svg" in page
    assert 'src="http' not in page
    assert 'href="http' not in page or "<link" not in page
    again = midas("report", "--results", results, "--out", results / "again.html")
    assert again.returncode == 0
    assert (results / "again.html").read_text(encoding="utf-8") == page
    assert f"Report: {results / 'again.html'}" in again.stdout


def test_a_broken_threshold_is_exit_1(tmp_path: Path) -> None:
    child = start(
        *DRIVE, "--seconds", "3", "--fail-if", "all.count > 0", "--json", "--out", tmp_path
    )
    done = finish(child)
    assert done.returncode == 1
    (judged,) = json.loads(done.stdout)["thresholds"]
    assert judged["verdict"] == "broken"


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (("--fail-if", "issue.p99 ~ 5"), "midas: --fail-if 'issue.p99 ~ 5': comparison: found '~'"),
        (("--attack", "quiet-theif"), "midas: --attack: found 'quiet-theif'"),
        (("--target", "spyre"), "midas: target: found spyre"),
        (("--regime", "x509"), "midas: regime: found 'x509'"),
    ],
)
def test_bad_options_are_refused_before_anything_starts(
    option: tuple[str, str], line: str, tmp_path: Path
) -> None:
    done = midas(*DRIVE, *option, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def under_way(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[psutil.Process]]]:
    """Give a drive whose service and generator run, and those processes."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    child = start(*DRIVE, "--seconds", "60", "--out", tmp_path / "out", TMPDIR=str(temporary))
    deadline_s = time.monotonic() + 60
    family: list[psutil.Process] = []
    while len(family) < 2 and time.monotonic() < deadline_s:
        time.sleep(0.1)
        family = descendants(child.pid)
    time.sleep(1)
    yield child, descendants(child.pid)
    if child.poll() is None:
        child.kill()
    child.communicate()


Family = tuple[subprocess.Popen[str], list[psutil.Process]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_drive_ends_its_processes(
    number: signal.Signals, under_way: Family, tmp_path: Path
) -> None:
    child, family = under_way
    assert len(family) >= 2
    child.send_signal(number)
    done = finish(child, 60)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "midas: interrupted"
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert list((tmp_path / "tmp").iterdir()) == []
    for run in (tmp_path / "out").glob("*"):
        assert json.loads((run / "manifest.json").read_text())["complete"] is False


def test_a_killed_drive_leaves_no_process_behind(under_way: Family, tmp_path: Path) -> None:
    child, family = under_way
    assert len(family) >= 2
    child.kill()
    child.communicate()
    _, alive = psutil.wait_procs(family, timeout=15)
    assert alive == []
    assert not (tmp_path / "out").exists()


def test_an_occupied_port_is_named() -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        port = occupied.getsockname()[1]
        done = finish(start("serve", "--port", str(port)))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"midas: 127.0.0.1:{port}: cannot listen")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_announces_itself_and_ends_on_a_signal(number: signal.Signals) -> None:
    child = start("serve", "--port", "0", "--json")
    assert child.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):
        text += child.stdout.readline()
    ready = json.loads(text)
    with socket.create_connection((ready["host"], ready["port"]), timeout=5):
        pass
    child.send_signal(number)
    done = finish(child, 20)
    assert done.returncode in {0, 130}
    assert "Traceback" not in done.stderr
    assert not Path(ready["audit_file"]).exists()


@pytest.fixture
def full_folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a file system of 64 kB, or skip where nothing may be mounted."""
    folder = tmp_path / "full"
    folder.mkdir()
    command = ["/bin/mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", str(folder)], check=True)


def test_a_full_results_folder_is_named_and_left_clean(full_folder: Path) -> None:
    command = ("simulate", "customer-service", "--agents", "40", "--hours", "3")
    done = finish(start(*command, "--replications", "2", "--out", full_folder))
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"midas: results cannot be written to {full_folder}" in done.stderr.splitlines()[-1]
    assert "No space left on device" in done.stderr
    assert not [path for path in full_folder.iterdir() if path.name.endswith(".tmp")]
    assert not [path for path in full_folder.iterdir() if not path.name.startswith(".")]
