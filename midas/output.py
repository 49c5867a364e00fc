"""What people and scripts see: a table or one JSON document on stdout, the rest on stderr."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scenarios.errors import StoreError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


@dataclass(slots=True)
class Output:
    """One command's voice.

    Results go to stdout, as a table or, under ``--json``, as exactly one JSON document. Progress,
    notes and warnings go to stderr; ``quiet`` silences progress and notes.
    """

    json: bool = False
    quiet: bool = False
    _consoles: dict[bool, "Console"] = field(default_factory=dict)

    def _console(self, *, stderr: bool) -> "Console":
        if stderr not in self._consoles:
            from rich.console import Console

            self._consoles[stderr] = Console(stderr=stderr, highlight=False, markup=False)
        return self._consoles[stderr]

    def result(self, document: object, *human: "RenderableType") -> None:
        """Print a result: ``document`` under ``--json``, otherwise ``human`` line by line.

        Raises:
            StoreError: standard output cannot be written.
        """
        try:
            self._print(document, human)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as exc:
            raise StoreError(f"standard output: {exc.strerror}") from exc

    def _print(self, document: object, human: "Iterable[RenderableType]") -> None:
        if self.json:
            import msgspec

            encoded = msgspec.json.encode(document, enc_hook=_plain)
            sys.stdout.write(msgspec.json.format(encoded, indent=2).decode() + "\n")
            return
        console = self._console(stderr=False)
        for part in human:  # lines in a pipe are not broken: grep and diff want them whole
            console.print(part, soft_wrap=not (console.is_terminal or _is_table(part)))

    def note(self, text: str) -> None:
        """Tell a human something that is no result, on stderr."""
        if not self.quiet:
            self._console(stderr=True).print(text, style="dim", soft_wrap=True)

    def warn(self, text: str) -> None:
        """Tell a human something that may spoil the result, on stderr, even when quiet."""
        self._console(stderr=True).print(f"warning: {text}", style="yellow", soft_wrap=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something expensive; raises UsageError where nobody can answer.

        Raises:
            typer.Abort: when the answer is no.
        """
        if yes:
            return
        import typer

        if not sys.stdin.isatty():
            raise UsageError(f"{question} (nobody to ask: add --yes)")
        typer.confirm(question, abort=True, err=True)

    @contextmanager
    def progress(self, label: str) -> Iterator["Progress"]:
        """Show a progress bar on stderr while the block runs; only on a terminal."""
        from rich.progress import (
            BarColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        console = self._console(stderr=True)
        hidden = self.quiet or not console.is_terminal
        with Bar(*columns, console=console, disable=hidden, transient=True) as bar:
            yield Progress(bar, bar.add_task(label, total=1.0))


@dataclass(slots=True)
class Progress:
    """Moves a bar; call it with the share done, 0 to 1, and what is being done."""

    _bar: Any
    _task: int

    def __call__(self, share: float, doing: str | None = None) -> None:
        """Set the bar to ``share`` of the whole."""
        self._bar.update(self._task, completed=share, **({"description": doing} if doing else {}))

    def steps(self, done: int, of: int) -> None:
        """Set the bar to ``done`` of ``of`` steps."""
        self(done / of)


def _plain(value: object) -> object:
    """Encode what JSON has no word for: numbers of numpy, mappings that are no dict, paths."""
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable):
        return list(value)
    return str(value)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Iterable[str] = (),
    wrap: Iterable[str] = (),
) -> "RenderableType":
    """Return a borderless table; ``right`` columns are flush right, ``wrap`` columns may break."""
    from rich import box
    from rich.table import Table

    flush, breakable = set(right), set(wrap)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for name in columns:
        made.add_column(
            name,
            justify="right" if name in flush else "left",
            no_wrap=name not in breakable,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*row)
    return made


def heading(text: str) -> "RenderableType":
    """Return a line in bold."""
    from rich.text import Text

    return Text(text, style="bold")


def _is_table(part: object) -> bool:
    from rich.table import Table

    return isinstance(part, Table)
