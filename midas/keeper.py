"""A target that stays up after the command that started it has returned.

``up`` starts ``python -m midas.keeper NAME`` in a session of its own and waits until the target is
healthy; the keeper holds it until ``down`` ends the keeper. What is up stands in a state file.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scenarios.errors import MidasError, ProcessError, TargetUnavailable, UsageError

STOP_TIMEOUT_S = 30.0
POLL_S = 0.05


def state_file(name: str) -> Path:
    """Return where the state of a target that is up is kept."""
    import platformdirs

    return Path(platformdirs.user_state_dir("midas")) / "targets" / f"{name}.json"


def is_up(name: str) -> dict[str, Any] | None:
    """Return the state of a target that is up, None when it is not; forgets a dead one."""
    path = state_file(name)
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if _started_s(state["pid"]) == state["started_s"]:
        return state
    path.unlink(missing_ok=True)
    return None


def up(name: str, trust_domain: str) -> dict[str, Any]:
    """Start a target, wait until it is healthy and return where it is.

    Raises:
        UsageError: it is up already.
        TargetUnavailable: it cannot be started, in its own words.
    """
    from midas.reporting import write

    if (state := is_up(name)) is not None:
        raise UsageError(f"{name} is up already, at {state['address']}; end it: midas target down")
    command = [sys.executable, "-m", "midas.keeper", name, trust_domain]
    keeper = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        state = _announced(keeper, name)
        write(state_file(name), json.dumps(state, indent=2) + "\n")
    except BaseException:
        keeper.terminate()
        keeper.wait(STOP_TIMEOUT_S)
        raise
    return state


def _announced(keeper: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """Return the keeper's line once its target is healthy, with what identifies the keeper."""
    assert keeper.stdout is not None  # noqa: S101  (a pipe was asked for)
    line = keeper.stdout.readline()
    if not line:
        said = keeper.communicate()[1].strip().splitlines()
        raise TargetUnavailable(said[-1] if said else f"{name}: could not be started")
    told: dict[str, Any] = json.loads(line)
    return {"pid": keeper.pid, "started_s": _started_s(keeper.pid), **told}


def down(name: str) -> None:
    """End a target that is up, and wait until its processes and data are gone.

    Raises:
        UsageError: it is not up.
        ProcessError: it does not end.
    """
    state = is_up(name)
    if state is None:
        raise UsageError(f"{name} is not up; start it: midas target up {name}")
    os.kill(state["pid"], signal.SIGTERM)
    deadline_s = time.monotonic() + STOP_TIMEOUT_S
    while _started_s(state["pid"]) == state["started_s"]:
        if time.monotonic() > deadline_s:
            raise ProcessError(
                f"{name}: process {state['pid']} did not end in {STOP_TIMEOUT_S:g} s"
            )
        time.sleep(POLL_S)
    state_file(name).unlink(missing_ok=True)


def _started_s(pid: int) -> float | None:
    """Return when a process started, which tells it from a later one of the same number."""
    import psutil

    try:
        process = psutil.Process(pid)
        gone = process.status() == psutil.STATUS_ZOMBIE
        return None if gone else float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def hold(name: str, trust_domain: str) -> int:
    """Keep one target up until SIGTERM; prints one line when it is healthy."""
    from loadgen.targets.registry import make_target

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix=f"midas-{name}-") as folder:
        target = make_target(name)
        try:
            target.setup(Path(folder), trust_domain)
            endpoint = target.endpoint()
            told = {
                "target": name,
                "version": target.version(),
                "address": f"{endpoint.host}:{endpoint.port}",
                "endpoint": asdict(endpoint),
                "data": folder,
            }
            print(json.dumps(told), flush=True)
            stop.wait()
        finally:
            target.teardown()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(hold(*sys.argv[1:]))
    except MidasError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
