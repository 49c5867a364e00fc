"""The installer against a Go that is played by a shell script."""

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from loadgen.targets.spire import install
from loadgen.targets.spire.install import AGENT, SERVER, VERSION
from scenarios.errors import TargetUnavailable

NUMBER = VERSION.removeprefix("v")
GO = """#!/bin/sh
if [ "$1" = env ]; then
  case "$2" in GOVERSION) echo go1.26.0;; CC) echo cc;; esac
  exit 0
fi
echo run >> "$GO_LOG"
{before}
while [ "$1" != -o ]; do shift; done
for name in spire-server spire-agent; do
  printf '#!/bin/sh\\necho {number}\\n' > "$2$name"
  chmod +x "$2$name"
done
echo example.org/some/package >&2
"""
ORDINARY = ("sh", "cat", "chmod", "sleep", "nice", "printf")


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


class World:
    """A PATH and a cache of the test's own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin, self.cache = root / "bin", root / "cache"
        self.log = root / "go.log"
        self.bin.mkdir()
        for name in ORDINARY:
            (self.bin / name).symlink_to(Path("/usr/bin") / name)
        self._env = monkeypatch
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("XDG_CACHE_HOME", str(self.cache))
        monkeypatch.setenv("GO_LOG", str(self.log))
        script(self.bin / "cc", "#!/bin/sh\n")

    def go(self, before: str = "", number: str = NUMBER) -> None:
        script(self.bin / "go", GO.replace("{before}", before).replace("{number}", number))

    def left(self) -> list[str]:
        folder = install.cache_dir()
        return sorted(p.name for p in folder.iterdir()) if folder.exists() else []

    @property
    def builds(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def refused(match: str) -> None:
    with pytest.raises(TargetUnavailable, match=match) as caught:
        install.install(lambda _words: None)
    assert "\n" not in str(caught.value)


def test_builds_once_and_finds_it_afterwards(world: World) -> None:
    world.go()
    said: list[str] = []
    found = install.install(said.append)
    assert install.version(found.server) == VERSION
    assert install.install(said.append) == found
    assert install.find() == found == install.require()
    assert world.builds == 1
    assert world.left() == ["lock", VERSION]
    assert "7 minutes" in said[0]


def test_nothing_installed_says_what_to_do(world: World) -> None:
    assert install.find() is None
    with pytest.raises(TargetUnavailable, match="midas target install spire"):
        install.require()
    assert world.left() == []


def test_the_right_version_on_path_is_used(world: World) -> None:
    for name in (SERVER, AGENT):
        script(world.bin / name, f"#!/bin/sh\necho {NUMBER}-dev >&2\n")
    found = install.install(lambda _words: None)
    assert found.server == world.bin / SERVER
    assert world.left() == []


def test_a_wrong_version_on_path_is_passed_over(world: World) -> None:
    for name in (SERVER, AGENT):
        script(world.bin / name, "#!/bin/sh\necho 1.9.0\n")
    world.go()
    assert install.install(lambda _words: None).server.parent == install.cache_dir() / VERSION


def test_a_program_that_cannot_run_has_no_version(world: World) -> None:
    (world.bin / SERVER).write_bytes(b"\x7fELF rubbish")
    (world.bin / SERVER).chmod(0o755)
    assert install.version(world.bin / SERVER) == ""


def test_without_go(world: World) -> None:
    refused("Go is not on PATH")
    assert world.left() == ["lock"]


def test_with_an_old_go(world: World) -> None:
    script(world.bin / "go", "#!/bin/sh\necho go1.17.1\n")
    refused(r"found go1\.17\.1, needs Go 1\.21")


def test_without_a_c_compiler(world: World) -> None:
    world.go()
    (world.bin / "cc").unlink()
    refused("C compiler cc is not on PATH")
    assert world.builds == 0


@pytest.mark.parametrize(
    ("before", "match"),
    [
        ("echo 'write x: no space left on device' >&2; exit 1", "the disk is full"),
        ("echo 'go: proxy.golang.org: no such host' >&2; exit 1", "no such host"),
        ("exit 1", "without a word"),
    ],
)
def test_a_failed_build_is_one_line_and_leaves_nothing(
    world: World, before: str, match: str
) -> None:
    world.go(before)
    refused(match)
    assert world.left() == ["lock"]
    world.go()
    assert install.install(lambda _words: None)


def test_a_build_of_another_version_is_refused(world: World) -> None:
    world.go(number="1.14.0")
    refused("does not run as")
    assert world.left() == ["lock"]


def test_too_little_room_is_said_before_anything_is_built(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.go()
    monkeypatch.setattr(install, "BUILD_FREE_BYTES", 10**18)
    refused("MB free, needs")
    assert world.builds == 0


def test_a_cache_that_cannot_be_written(world: World) -> None:
    world.go()
    world.cache.write_text("a file where a folder should be")
    refused("cannot be installed into")


def test_a_half_finished_build_is_not_found_and_is_swept_away(world: World) -> None:
    world.go()
    stale = install.cache_dir() / "build-of-one-that-was-killed"
    (stale / "bin").mkdir(parents=True)
    (stale / "bin" / SERVER).write_text("half")
    assert install.find() is None
    install.install(lambda _words: None)
    assert world.left() == ["lock", VERSION]


def test_two_at_once_build_once(world: World) -> None:
    world.go("sleep 0.5")
    said: list[str] = []
    found: list[install.Programs] = []
    threads = [
        threading.Thread(target=lambda: found.append(install.install(said.append)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    assert world.builds == 1
    assert any("waiting" in words for words in said)


def test_a_killed_installer_takes_its_compiler_with_it(world: World, tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    world.go(f"while :; do echo x >> {beat}; sleep 0.05; done")
    code = "from loadgen.targets.spire.install import install; install(print)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=dict(os.environ), stdout=subprocess.DEVNULL
    )
    pause = threading.Event()
    while not beat.exists():
        assert child.poll() is None
        pause.wait(0.02)
    child.kill()
    child.wait()
    pause.wait(1.0)
    size = beat.stat().st_size
    pause.wait(0.5)
    assert beat.stat().st_size == size
    assert install.find() is None
