"""Children that cannot outlive us, and signals that stop a run instead of breaking it.

Every child of ours reads its stdin and exits when that closes: this is the leash that also holds
when the parent is killed outright. ``Child.stop`` is the orderly way: close stdin, wait, SIGTERM,
wait, SIGKILL to the child's own process group. A group is signalled only while its leader has not
been reaped, so a recycled process id can never be hit.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from scenarios.errors import ProcessError

GRACE_S = 3.0
PATIENCE_S = 2.0
_POLL_S = 0.01


class Child:
    """A process of ours on its leash.

    Args:
        argv: program and arguments.
        name: what messages call it.
        log: file that takes its stderr.
        env: variables added to the environment.

    Raises:
        ProcessError: it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str,
        log: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        try:
            with log.open("ab") as stderr:
                self._process = subprocess.Popen(
                    list(argv),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env={**os.environ, **(env or {})},
                    process_group=0,  # a Ctrl-C on the terminal reaches the parent alone
                )
        except OSError as error:
            raise ProcessError(f"{name} did not start: {argv[0]}: {error.strerror}") from error
        self.pid = self._process.pid
        self._writing = threading.Lock()
        self._has_reader = False

    def lines(self) -> Iterator[bytes]:
        """Yield what it writes to stdout, line by line, until it closes it."""
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101  (opened as a pipe above)
        self._has_reader = True
        with stdout:
            yield from stdout

    def send(self, line: bytes) -> None:
        """Write one line, newline included, to its stdin.

        Raises:
            ProcessError: it no longer reads.
        """
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101  (opened as a pipe above)
        try:
            with self._writing:
                stdin.write(line)
                stdin.flush()
        except (OSError, ValueError) as error:
            raise ProcessError(f"{self.name} no longer listens") from error

    def exited(self) -> bool:
        """Return whether it has ended by itself; it stays unreaped until ``stop``."""
        if self._process.returncode is not None:
            return True
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def wait(self, timeout_s: float) -> bool:
        """Return whether it ended within ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while not self.exited():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def stop(self, grace_s: float = GRACE_S) -> int:
        """End it and everything in its process group; return its exit status. May be repeated."""
        if self._process.returncode is not None:
            return self._process.returncode
        with contextlib.suppress(OSError, ValueError), self._writing:
            if self._process.stdin is not None:
                self._process.stdin.close()
        if not self.wait(grace_s):
            os.kill(self.pid, signal.SIGTERM)
            self.wait(grace_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        status = self._process.wait()
        if self._process.stdout is not None and not self._has_reader:
            self._process.stdout.close()  # a reader meets the end of the stream and closes it
        return status

    def last_words(self, limit: int = 300) -> str:
        """Return the last line of its stderr, for an error message."""
        with contextlib.suppress(OSError):
            lines = self.log.read_text("utf-8", "replace").strip().splitlines()
            if lines:
                return lines[-1][:limit]
        return ""


class StopSignals:
    """SIGINT and SIGTERM set ``stop`` while this context is open; code polls it and winds down.

    A flag instead of an exception: nothing is interrupted between starting a child and noting its
    pid. A signal that comes ``PATIENCE_S`` later means that somebody will not wait any longer: then
    it is KeyboardInterrupt after all. Outside the main thread, where Python allows no handlers,
    only the flag is offered.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._first_s = 0.0
        self._previous: dict[int, Any] = {}

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if not self.stop.is_set():
            self._first_s = time.monotonic()
            self.stop.set()
        elif time.monotonic() - self._first_s > PATIENCE_S:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
