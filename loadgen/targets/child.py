"""A server that a target starts: its first line says that it is ready."""

import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadgen.supervise import Child
from scenarios.errors import ProcessError, TargetUnavailable

READY_S = 20.0


def start(
    name: str, module: Sequence[str], workdir: Path, env: Mapping[str, str] | None = None
) -> Child:
    """Start ``python -m`` with the given module and arguments, its stderr in ``workdir``.

    Raises TargetUnavailable when it cannot be started.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        return Child(
            [sys.executable, "-m", *module], name=name, log=workdir / f"{name}.log", env=env
        )
    except (ProcessError, OSError) as exc:
        raise TargetUnavailable(f"{name}: cannot be started ({exc})") from exc


def first_line(child: Child, timeout_s: float = READY_S) -> bytes:
    """Return the first line that a child prints.

    Raises TargetUnavailable, with the child's own last words, when there is none; the child is
    stopped then.
    """
    lines: queue.Queue[bytes] = queue.Queue(1)

    def read() -> None:
        found = False
        for line in child.lines():
            if not found:
                found = True
                lines.put(line)
        if not found:
            lines.put(b"")

    threading.Thread(target=read, daemon=True, name=f"{child.name}-stdout").start()
    try:
        line = lines.get(timeout=timeout_s)
    except queue.Empty:
        line = b""
    if not line:
        child.stop()
        said = child.last_words() or f"did not become ready within {timeout_s:g} s"
        raise TargetUnavailable(f"{child.name}: {said}")
    return line
