"""A SPIRE that does not come up: one line, nothing left running, nothing left behind."""

import errno
import os
import socket
import stat
from pathlib import Path

import psutil
import pytest

from loadgen.targets.spire.install import Programs
from loadgen.targets.spire.process import ServerSettings, SpireServer, server_config
from scenarios.errors import TargetUnavailable

DYING = """#!/bin/sh
echo '{"level":"error","msg":"Fatal run error","error":"database or disk is full"}' > %s
exit 1
"""


def server(tmp_path: Path, script: str, **settings: int) -> SpireServer:
    program = tmp_path / "spire-server"
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    work = tmp_path / "work"
    return SpireServer(Programs(program, program), work, "t.example", ServerSettings(**settings))


def refused(subject: SpireServer, port: int = 0) -> str:
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(TargetUnavailable) as caught:
        subject.start(port)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not (subject.workdir / "server").exists()
    assert subject._sockets == Path() or not subject._sockets.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_server_that_dies_is_quoted(tmp_path: Path) -> None:
    subject = server(tmp_path, DYING % (tmp_path / "work" / "server.log"))
    assert "Fatal run error: database or disk is full" in refused(subject)


def test_a_server_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    subject = server(tmp_path, "not a program")
    (tmp_path / "spire-server").write_bytes(b"\x7fELF")
    assert "spire-server" in refused(subject)


def test_a_server_that_never_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadgen.targets.spire.process.HEALTHY_WITHIN_S", 0.5)
    subject = server(tmp_path, "#!/bin/sh\nsleep 60\n")
    assert "was not healthy after 0.5 s" in refused(subject)


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        port = occupant.getsockname()[1]
        script = DYING.replace("database or disk is full", "bind: address already in use")
        subject = server(tmp_path, script % (tmp_path / "work" / "server.log"))
        assert f"127.0.0.1:{port} is in use" in refused(subject, port)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    subject = server(tmp_path, "#!/bin/sh\n")
    subject.workdir.write_text("a file")
    assert str(subject.workdir) in refused(subject)


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: object, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("loadgen.targets.spire.credentials.NodeAuthority.save", full)
    subject = server(tmp_path, "#!/bin/sh\n")
    assert "No space left on device" in refused(subject)


def test_a_server_that_ends_later_is_found_out(tmp_path: Path) -> None:
    """Healthy at first, as far as this test lets it be, then gone."""
    subject = server(tmp_path, DYING % (tmp_path / "work" / "server.log"))
    subject.check()  # not started: nothing to complain of
    refused(subject)
    with pytest.raises(TargetUnavailable, match="database or disk is full"):
        subject.check()


def test_settings_reach_the_configuration(tmp_path: Path) -> None:
    settings = ServerSettings(audit=False, rate_limits=True, agent_ttl_s=77, keys_on_disk=True)
    text = server_config(settings, "t.example", 8081, tmp_path, tmp_path)
    assert "audit_log_enabled = false" in text
    assert "attestation = true" in text
    assert "signing = true" in text
    assert 'agent_ttl = "77s"' in text
    assert 'KeyManager "disk"' in text
    assert "127.0.0.1" in text
