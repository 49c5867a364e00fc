"""The command line in tests: in this process, as a process of its own, and what it promises."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import typer
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from midas import cli
from midas.commands import app

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "results" / "schema" / "output"


class Done(NamedTuple):
    """What one command line left behind."""

    returncode: int
    stdout: str
    stderr: str


def midas(*arguments: str | Path) -> Done:
    """Run a command line in this process: importing the rooms anew would take longer than it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([*map(str, arguments)])
    return Done(code, out.getvalue(), err.getvalue())


def validator(name: str) -> Draft202012Validator:
    documents = [json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")]
    registry: Registry[Any] = Registry().with_resources(
        (document["$id"], Resource.from_contents(document)) for document in documents
    )
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    return Draft202012Validator(schema, registry=registry)


def conforms(name: str, done: Done) -> Any:  # noqa: ANN401  (any JSON)
    document = json.loads(done.stdout)
    faults = [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator(name).iter_errors(document)
    ]
    assert faults == []
    return document


def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start a command line as a process in a session of its own, nobody at its keyboard."""
    return subprocess.Popen(
        [sys.executable, "-m", "midas", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "MIDAS_DEBUG": "", **environment},
        start_new_session=True,
    )


def finish(child: subprocess.Popen[str], timeout_s: float = 120) -> Done:
    """Wait for a process and return what it left behind."""
    out, err = child.communicate(timeout=timeout_s)
    return Done(child.returncode, out, err)


def command_names() -> list[list[str]]:
    """Return every command of the tree as words, the root as none."""

    def walk(command: object, words: list[str]) -> list[list[str]]:
        inner = getattr(command, "commands", {})
        below = [found for name, sub in inner.items() for found in walk(sub, [*words, name])]
        return [words, *below]

    return walk(typer.main.get_command(app), [])


def understood(words: list[str]) -> None:
    """Parse a command line (without ``midas``) against the real command tree, running nothing."""
    command = typer.main.get_command(app)
    context = command.make_context("midas", list(words))
    while hasattr(command, "resolve_command") and (
        rest := [*context._protected_args, *context.args]
    ):
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, f"midas has no command {name}"
        context = command.make_context(name, rest, parent=context)
