"""The command line as a process: help, exit codes, one line for each fault, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from midas import cli
from scenarios.errors import StoreError
from tests.command_line import ROOT, command_names

HEAVY = ("numba", "numpy", "duckdb", "matplotlib", "scipy", "locust", "gevent", "simpy")


def midas(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "midas", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80", **environment},
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("command", command_names(), ids=lambda words: " ".join(words) or "midas")
def test_every_command_has_help_that_fits_and_teaches(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main([*command, "-h"]) == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "Example" in text or "midas " in text.split("Usage", 1)[1].split("\n", 1)[1]
    if command:
        assert cli.main([*command, "--help"]) == 0


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom midas.cli import main\nmain(['-h'])\nmain(['simulate', '-h'])\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.stderr.write(','.join(loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("scenari",), "midas: No such command 'scenari'"),
        (("scenario", "list", "--jsn"), "midas: No such option: --jsn"),
        (("scenario", "show"), "midas: Missing argument 'SCENARIO'"),
        (("scenario", "resolve", "customer-service", "--agents", "0"), "midas: Invalid value for"),
        (("scenario", "resolve", "customer-service", "--agents", "x"), "midas: Invalid value for"),
        (("scenario", "resolve", "customer-service", "--hours", "nan"), "midas: Invalid value for"),
        (("scenario", "resolve", "customer-service", "--hours", "-1"), "midas: Invalid value for"),
        (("scenario", "window", "customer-service", "--regime", "x"), "midas: regime: found 'x'"),
        (("scenario", "show", "no-such"), "midas: no-such: does not exist"),
        (("runs", "show", "nothing", "--results", "/nowhere"), "midas: nothing: no such run"),
    ],
)
def test_bad_usage_is_one_line_and_exit_2(arguments: tuple[str, ...], line: str) -> None:
    done = midas(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(line)


def test_a_typing_error_gets_a_suggestion() -> None:
    assert "Did you mean" in midas("scenari").stderr


@pytest.mark.parametrize("command", [[], ["scenario"]])
def test_no_arguments_show_help_and_exit_2(command: list[str]) -> None:
    done = midas(*command)
    assert done.returncode == 2
    assert "Usage" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def raising(exc: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command whose body raises ``exc``."""
    from scenarios.spec import resolve

    def catalog() -> dict[str, Path]:
        raise exc

    monkeypatch.setattr(resolve, "catalog", catalog)
    return cli.main(["scenario", "list"])


@pytest.mark.parametrize(
    ("exc", "code", "line"),
    [
        (StoreError("results: full"), 1, "midas: results: full\n"),
        (OSError(28, "No space left on device", "/x"), 1, "midas: /x: No space left on device\n"),
        (MemoryError(), 1, "midas: not enough memory: ask for fewer agents or a shorter horizon\n"),
        (KeyboardInterrupt(), 130, "midas: interrupted\n"),
    ],
)
def test_errors_become_one_line_and_a_code(
    exc: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert raising(exc, monkeypatch) == code
    captured = capsys.readouterr()
    assert captured.err == line
    assert captured.out == ""


def test_a_bug_is_one_line_that_says_how_to_get_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MIDAS_DEBUG", raising=False)
    assert raising(ZeroDivisionError("division\nby zero"), monkeypatch) == 1
    err = capsys.readouterr().err
    assert err.startswith("midas: ZeroDivisionError: division (this is a bug in midas")
    assert "MIDAS_DEBUG=1" in err
    assert len(err.splitlines()) == 1
    monkeypatch.setenv("MIDAS_DEBUG", "1")
    assert raising(ZeroDivisionError("division by zero"), monkeypatch) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_control_characters_never_reach_the_terminal() -> None:
    done = midas("scenario", "show", "\x1b[31mred\n.toml")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "\\x1b[31mred" in done.stderr


def test_a_full_standard_output_is_reported() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "midas", "scenario", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert done.returncode == 1
    assert done.stderr == "midas: standard output: No space left on device\n"


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "midas", "scenario", "resolve", "customer-service"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
    )
    os.close(writer)
    assert done.stderr == ""


def test_output_in_a_pipe_has_no_colours_and_no_broken_lines() -> None:
    done = midas("scenario", "show", "customer-service")
    assert "\x1b" not in done.stdout
    assert any(
        line.startswith("Question: ") and len(line) > 80 for line in done.stdout.splitlines()
    )


def test_no_color_is_honoured_on_a_terminal() -> None:
    import pty

    def shown(**environment: str) -> str:
        parent, child = pty.openpty()
        done = subprocess.run(
            [sys.executable, "-m", "midas", "scenario", "show", "customer-service"],
            stdout=child,
            stderr=child,
            check=False,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(child)
        text = b""
        try:
            while chunk := os.read(parent, 65536):
                text += chunk
        except OSError:  # the other end is closed
            pass
        os.close(parent)
        assert done.returncode == 0
        return text.decode()

    assert "\x1b[1m" in shown()
    assert "\x1b[3" not in shown(NO_COLOR="1")


def test_it_works_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "midas", "scenario", "list", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0
    names = [row["name"] for row in json.loads(done.stdout)]
    assert "customer-service" in names
    assert list(tmp_path.iterdir()) == []


def test_completion_is_offered() -> None:
    done = midas("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0
    assert "_MIDAS_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("midas scenario show cust", "customer-service"),
        ("midas scenario show scenarios/cat", "scenarios/catalog/"),
        ("midas simulate customer-service --regime x509-svid-1", "x509-svid-1h"),
        ("midas runs show la", "latest"),
        ("midas sim", "simulate"),
    ],
)
def test_the_shell_is_told_what_may_follow(typed: str, offered: str) -> None:
    words = typed.split()
    done = midas(_MIDAS_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))
    assert offered in done.stdout.split()
    assert done.stderr == ""


def test_version_is_one_line() -> None:
    done = midas("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("midas ")
