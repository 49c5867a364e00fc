"""No child outlives its parent, whatever ends the parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

LEASH = [sys.executable, "-m", "loadgen.leash", "--grace", "0.3"]


def _ends(pid: int, within_s: float = 10.0) -> bool:
    limit = time.monotonic() + within_s
    while time.monotonic() < limit:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def _pids(path: Path, n: int) -> list[int]:
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        if path.exists() and len(words := path.read_text().split()) == n:
            return [int(word) for word in words]
        time.sleep(0.02)
    raise AssertionError("the command did not start")


def test_exit_code_is_the_commands() -> None:
    def code(*command: str) -> int:
        return subprocess.run(
            [*LEASH, *command], stdin=subprocess.PIPE, capture_output=True, check=False, timeout=20
        ).returncode

    # subprocess.run closes stdin only after it has sent its (empty) input, so use a held pipe too
    assert code("/nonexistent/command") == 127
    held = subprocess.Popen([*LEASH, "sh", "-c", "exit 7"], stdin=subprocess.PIPE)
    assert held.wait(10) == 7
    assert held.stdin is not None
    held.stdin.close()


def test_closed_stdin_ends_the_whole_group_even_if_it_ignores_sigterm(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    script = f"trap '' TERM; sleep 60 & echo $$ $! > {note}; wait; sleep 60"
    leash = subprocess.Popen([*LEASH, "sh", "-c", script], stdin=subprocess.PIPE)
    pids = _pids(note, 2)
    assert leash.stdin is not None
    leash.stdin.close()
    assert leash.wait(10) == 128 + signal.SIGKILL
    assert all(_ends(pid) for pid in pids)


def test_sigterm_is_passed_on(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    leash = subprocess.Popen(
        [*LEASH, "sh", "-c", f"echo $$ > {note}; exec sleep 60"], stdin=subprocess.PIPE
    )
    (pid,) = _pids(note, 1)
    leash.terminate()
    assert leash.wait(10) == 128 + signal.SIGTERM
    assert _ends(pid)
    assert leash.stdin is not None
    leash.stdin.close()


def test_sigkill_of_the_parent_and_of_the_leash_leave_nothing(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    child = f"{[*LEASH, 'sh', '-c', f'echo $$ > {note}; exec sleep 60']!r}"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import subprocess as s, time; p = s.Popen({child}, stdin=s.PIPE); time.sleep(60)",
        ]
    )
    (pid,) = _pids(note, 1)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert _ends(pid)

    note.unlink()
    leash = subprocess.Popen(
        [*LEASH, "sh", "-c", f"echo $$ > {note}; exec sleep 60"], stdin=subprocess.PIPE
    )
    (pid,) = _pids(note, 1)
    leash.kill()
    leash.wait()
    assert _ends(pid)
    assert leash.stdin is not None
    leash.stdin.close()


def test_python_child_ends_with_its_stdin() -> None:
    code = (
        "from loadgen.leash import end_with_stdin; import time; end_with_stdin(0.2); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    time.sleep(0.3)
    assert child.poll() is None
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(10) == -signal.SIGTERM


def test_data_go_with_the_leash_and_stay_with_a_command_that_ended_itself(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "file"
    data.mkdir()
    (data / "inside").write_text("x")
    file.write_text("x")
    removing = [*LEASH, "--remove", str(data), "--remove", str(file)]
    held = subprocess.Popen([*removing, "true"], stdin=subprocess.PIPE)
    assert held.wait(10) == 0
    assert held.stdin is not None
    held.stdin.close()
    assert data.exists()
    note = tmp_path / "pids"
    pulled = subprocess.Popen(
        [*removing, "sh", "-c", f"echo $$ > {note}; sleep 60"], stdin=subprocess.PIPE
    )
    _pids(note, 1)
    assert pulled.stdin is not None
    pulled.stdin.close()
    pulled.wait(10)
    assert not data.exists()
    assert not file.exists()
