"""Finds or builds the two SPIRE programs.

Looked for on PATH (of the right version), then in the user's cache; built from the Go module proxy
otherwise, from a module file of our own whose checksums are pinned beside it (``module/``). The
build happens under a temporary name and is renamed when whole, so a half-finished one is never
found; a lock lets only one build run at a time.
"""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import platformdirs

from scenarios.errors import TargetUnavailable

VERSION = "v1.15.3"
"""the release that every figure and log line here was checked against"""
SERVER, AGENT = "spire-server", "spire-agent"
MIN_GO = (1, 21)
"""the first Go that fetches the newer toolchain a module asks for"""
BUILD_FREE_BYTES = 1_000_000_000
"""for the programs and their link step; Go's own caches may need 4 GB more when they are cold"""
BUILT_PACKAGES = 2400
PROGRESS_S = 5.0
_PACKAGES = ("github.com/spiffe/spire/cmd/spire-server", "github.com/spiffe/spire/cmd/spire-agent")
_NICE = "10"
_TRANSLATED = {
    "no space left on device": "the disk is full",
    "executable file not found": "a C compiler is missing",
}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Programs:
    """The two programs, of ``VERSION``."""

    server: Path
    agent: Path


def cache_dir() -> Path:
    """Return the folder that holds one folder per built version."""
    return Path(platformdirs.user_cache_dir("midas")) / "spire"


def find() -> Programs | None:
    """Return the programs on PATH, else those in the cache, else None. Never builds."""
    return on_path() or cached()


def require() -> Programs:
    """Return the programs.

    Raises:
        TargetUnavailable: they are not here; the line says what to do.
    """
    found = find()
    if found is None:
        raise TargetUnavailable(
            f"SPIRE {VERSION} is not installed; `midas target install spire` builds it "
            f"(7 minutes once, needs Go), or put {SERVER} and {AGENT} {VERSION} on PATH"
        )
    return found


def on_path() -> Programs | None:
    """Return what PATH offers, when both programs have the right version."""
    server, agent = shutil.which(SERVER), shutil.which(AGENT)
    if server is None or agent is None:
        return None
    found = Programs(Path(server), Path(agent))
    return found if all(version(path) == VERSION for path in (found.server, found.agent)) else None


def cached() -> Programs | None:
    """Return what was built before."""
    folder = cache_dir() / VERSION
    found = Programs(folder / SERVER, folder / AGENT)
    return found if found.server.is_file() and found.agent.is_file() else None


def version(program: Path) -> str:
    """Return the release of a program as ``v1.2.3``, empty when it does not tell."""
    try:
        told = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\d+\.\d+\.\d+", told.stdout + told.stderr)
    return f"v{match[0]}" if match else ""


def install(progress: Progress) -> Programs:
    """Return the programs, building them when they are not here.

    Args:
        progress: told in words what happens, every few seconds while it builds.

    Raises:
        TargetUnavailable: they cannot be built, in one line; nothing half-finished is left.
    """
    found = find()
    if found is not None:
        return found
    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder, progress):
            found = cached()  # another process may have built it meanwhile
            return found if found is not None else _build(folder, progress)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise TargetUnavailable(f"SPIRE cannot be installed into {folder}: {reason}") from error


@contextlib.contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is installing SPIRE; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(folder: Path, progress: Progress) -> Programs:
    go = _check_tools(folder)
    for stale in folder.glob("build-*"):  # of a build that was killed: we hold the lock
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as name:
        work = Path(name)
        with as_file(files(__package__) / "module") as module:
            for file in module.iterdir():
                shutil.copy(file, work)
        out = work / "bin"
        out.mkdir()
        progress(f"building SPIRE {VERSION} with {go}: 7 minutes when Go's caches are cold")
        _run_go(go, work, out, progress)
        found = Programs(out / SERVER, out / AGENT)
        for program in (found.server, found.agent):
            if version(program) != VERSION:
                raise TargetUnavailable(f"the built {program.name} does not run as {VERSION}")
        out.rename(folder / VERSION)
    return Programs(folder / VERSION / SERVER, folder / VERSION / AGENT)


def _check_tools(folder: Path) -> str:
    go = shutil.which("go")
    if go is None:
        raise TargetUnavailable(
            f"SPIRE {VERSION} cannot be built: Go is not on PATH; install Go (https://go.dev/dl), "
            f"or put {SERVER} and {AGENT} {VERSION} on PATH"
        )
    told = _go_env(go, "GOVERSION")
    match = re.match(r"go(\d+)\.(\d+)", told)
    if match is None or (int(match[1]), int(match[2])) < MIN_GO:
        wanted = ".".join(map(str, MIN_GO))
        raise TargetUnavailable(
            f"SPIRE {VERSION} cannot be built: found {told or 'a Go that does not run'}, "
            f"needs Go {wanted} or newer"
        )
    compiler = (_go_env(go, "CC").split() or ["gcc"])[0]
    if shutil.which(compiler) is None:
        raise TargetUnavailable(
            f"SPIRE {VERSION} cannot be built: the C compiler {compiler} is not on PATH "
            "(SQLite needs one)"
        )
    free = shutil.disk_usage(folder).free
    if free < BUILD_FREE_BYTES:
        raise TargetUnavailable(
            f"SPIRE {VERSION} cannot be built: {folder} has {free / 1e6:.0f} MB free, "
            f"needs {BUILD_FREE_BYTES / 1e6:.0f} MB"
        )
    return go


def _go_env(go: str, name: str) -> str:
    told = subprocess.run([go, "env", name], capture_output=True, text=True, check=False)
    return told.stdout.strip()


def _run_go(go: str, work: Path, out: Path, progress: Progress) -> None:
    """Run ``go build`` on the leash; it ends with us, however we end."""
    command = [sys.executable, "-m", "loadgen.leash", "--grace", "2"]
    if nice := shutil.which("nice"):
        command += [nice, "-n", _NICE]
    command += [go, "build", "-v", "-mod=readonly", "-trimpath", "-ldflags=-s -w"]
    command += ["-o", f"{out}{os.sep}", *_PACKAGES]
    root = Path(__file__).parents[3]
    env = os.environ | {
        "CGO_ENABLED": "1",
        "GOFLAGS": "",
        "GOWORK": "off",
        "GOTMPDIR": str(work),
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
    }
    last: deque[str] = deque(maxlen=20)
    downloaded = compiled = 0
    told_s = 0.0
    with subprocess.Popen(
        command,
        cwd=work,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as build:
        assert build.stderr is not None  # noqa: S101  (opened as a pipe above)
        try:
            for line in build.stderr:
                last.append(line.strip())
                downloaded += line.startswith("go: downloading")
                compiled += " " not in line.strip()
                if time.monotonic() - told_s >= PROGRESS_S:
                    told_s = time.monotonic()
                    progress(
                        f"{downloaded} modules fetched, {compiled} of about {BUILT_PACKAGES} "
                        "packages compiled"
                    )
        except BaseException:
            assert build.stdin is not None  # noqa: S101
            build.stdin.close()  # the leash ends the compiler and all its children
            raise
    if build.returncode != 0:
        raise TargetUnavailable(f"SPIRE {VERSION} cannot be built: {_reason(list(last))}")


def _reason(lines: list[str]) -> str:
    text = "\n".join(lines)
    for told, meaning in _TRANSLATED.items():
        if told in text:
            return meaning
    spoken = [line for line in lines if " " in line and not line.startswith("go: downloading")]
    return spoken[-1] if spoken else "go build ended without a word"
