"""A child on its leash: lines out, lines in, and an end whatever it does."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from loadgen.supervise import Child, StopSignals
from scenarios.errors import ProcessError

ECHO = "import sys\nfor line in sys.stdin: print('got', line, end='', flush=True)"
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(grandchild.pid, flush=True)
time.sleep(60)
"""


def python(code: str, tmp_path: Path) -> Child:
    return Child([sys.executable, "-c", code], name="the child", log=tmp_path / "child.log")


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_lines_go_both_ways_and_closing_stdin_ends_it(tmp_path: Path) -> None:
    child = python(ECHO, tmp_path)
    child.send(b"one\n")
    lines = child.lines()
    assert next(lines) == b"got one\n"
    assert child.stop() == 0
    assert list(lines) == []
    assert child.stop() == 0


def test_one_that_ignores_everything_is_killed_with_its_own_children(tmp_path: Path) -> None:
    child = python(STUBBORN, tmp_path)
    lines = child.lines()
    grandchild = int(next(lines))
    assert child.stop(grace_s=0.2) == -signal.SIGKILL
    assert list(lines) == []
    limit = time.monotonic() + 5.0
    while not (gone(child.pid) and gone(grandchild)) and time.monotonic() < limit:
        time.sleep(0.02)
    assert gone(child.pid)
    assert gone(grandchild)


def test_an_end_by_itself_is_seen_and_its_last_words_kept(tmp_path: Path) -> None:
    child = python("import sys; sys.exit('it is over')", tmp_path)
    assert child.wait(10.0)
    assert child.exited()
    assert child.last_words() == "it is over"
    assert child.stop() == 1
    with pytest.raises(ProcessError, match="the child no longer listens"):
        child.send(b"hello\n")


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="the child did not start: /nowhere/program"):
        Child(["/nowhere/program"], name="the child", log=tmp_path / "child.log")


def test_a_signal_sets_the_flag_and_the_old_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        assert not signals.stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.stop.wait(5.0)
        os.kill(os.getpid(), signal.SIGTERM)  # the same wish, said twice
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_the_main_thread_there_is_the_flag_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[bool] = []

    def run() -> None:
        with StopSignals() as signals:
            seen.append(signals.stop.is_set())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [False]
    assert signal.getsignal(signal.SIGINT) is before
