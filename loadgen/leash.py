"""The leash: a child never outlives its parent, not even one that was killed with SIGKILL.

The parent holds the write end of the child's stdin. However the parent ends, the kernel closes
that end, and the child notices.

- Python children of ours call ``end_with_stdin()`` first thing.
- Foreign binaries are started as ``python -m loadgen.leash [--grace SECONDS] [--remove PATH]…
  CMD ARG…``: the command runs in a process group of its own, with /dev/null as stdin; when our
  stdin closes, or we get SIGTERM or SIGINT, the whole group gets SIGTERM and, after the grace,
  SIGKILL. The exit code is the command's (128 + n if signal n ended it, 127 if it could not be
  started). What ``--remove`` names is deleted when the leash ended the command; a command that
  ended by itself keeps its data, so that it can be started again on them.

Second belt on Linux: PR_SET_PDEATHSIG, so that the command dies even if this process is killed.
"""

import argparse
import ctypes
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to SIGKILL this process when its parent ends (Linux; elsewhere no effect).

    Args:
        parent_pid: who the parent should be; when it is already gone, this process ends at once.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)


def stdin_is_leash() -> bool:
    """Return whether stdin is a pipe or socket, whose closing means that the parent is gone."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def end_with_stdin(grace_s: float = 2.0, on_end: Callable[[], None] | None = None) -> None:
    """End this process when its stdin closes; does nothing on a terminal or /dev/null.

    Args:
        grace_s: after this long the process ends whatever it is doing.
        on_end: called first, in a thread; by default SIGTERM to this process itself.
    """
    if not stdin_is_leash():
        return

    def watch() -> None:
        while True:
            try:
                if not os.read(0, 4096):
                    break
            except OSError:
                break
        timer = threading.Timer(grace_s, os._exit, (1,))
        timer.daemon = True
        timer.start()
        if on_end is not None:
            on_end()
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="leash", daemon=True).start()


def run(command: list[str], grace_s: float, remove: Sequence[str] = ()) -> int:
    """Run a foreign command on the leash and return its exit code, as a shell would give it.

    Args:
        command: program and arguments.
        grace_s: between SIGTERM and SIGKILL.
        remove: files and folders that are deleted once the leash has ended the command.
    """
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    ending = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ending
        ending = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    me = os.getpid()
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(me),
        )
    except OSError as fault:
        print(f"{command[0]}: {fault.strerror}", file=sys.stderr)  # noqa: T201  (a command of its own)
        return 127
    watched = [wake_read, 0] if stdin_is_leash() else [wake_read]
    while child.poll() is None and not ending:
        ready, _, _ = select.select(watched, [], [])
        if wake_read in ready:
            os.read(wake_read, 512)
        if 0 in ready and not os.read(0, 4096):
            break
    if child.poll() is None:
        _end_group(child, grace_s)
        for path in remove:
            _remove(Path(path))
    else:
        _signal_group(child.pid, signal.SIGKILL)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _end_group(child: "subprocess.Popen[bytes]", grace_s: float) -> None:
    _signal_group(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)
    _signal_group(child.pid, signal.SIGKILL)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def main() -> int:
    """Read the command line and run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m loadgen.leash",
        description="Run CMD until it ends, this process is told to end, or its stdin closes.",
    )
    parser.add_argument("--grace", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--remove", action="append", default=[], metavar="PATH")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD")
    options = parser.parse_args()
    if not options.command:
        parser.error("CMD is missing")
    return run(options.command, options.grace, options.remove)


if __name__ == "__main__":
    sys.exit(main())
