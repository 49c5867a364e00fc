"""The command tree: one command a file, which loads, calls a room or two, saves and prints."""

from typing import Annotated

import typer

from midas.commands import audit, bench, runs, scenario, spire, target
from midas.commands.compare import compare
from midas.commands.demo import demo
from midas.commands.drive import drive
from midas.commands.report import report
from midas.commands.serve import serve
from midas.commands.simulate import simulate
from midas.commands.validate import validate
from midas.commands.watch import watch

_HELP = """Which machine identity for thousands of AI agents: static API keys or SPIFFE SVIDs, and
how long should they live?

midas answers in three steps that share one scenario file: **simulate** the fleet under each
credential regime, **drive** the same load at a real identity service while credentials are stolen
from it, and **report** what both found.
"""

_EPILOG = """**Start here**

- `midas demo`: the whole way once, in about a minute
- `midas scenario list`: the questions that come with midas
- `midas COMMAND -h`: what a command does, with examples
"""

app = typer.Typer(
    name="midas",
    help=_HELP,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_START, _STEPS, _TRUST, _TOOLS = "Start", "The three steps", "Why believe it", "Tools"
app.command(rich_help_panel=_START)(demo)
app.add_typer(scenario.app, name="scenario", rich_help_panel=_START)
app.command(rich_help_panel=_STEPS)(simulate)
app.command(rich_help_panel=_STEPS)(compare)
app.command(rich_help_panel=_STEPS)(drive)
app.command(rich_help_panel=_STEPS)(report)
app.command(rich_help_panel=_TRUST)(validate)
app.add_typer(bench.app, name="bench", rich_help_panel=_TRUST)
app.add_typer(runs.app, name="runs", rich_help_panel=_TOOLS)
app.add_typer(audit.app, name="audit", rich_help_panel=_TOOLS)
app.add_typer(target.app, name="target", rich_help_panel=_TOOLS)
app.command(rich_help_panel=_TOOLS)(serve)
app.command(rich_help_panel=_TOOLS)(watch)
app.add_typer(spire.app, name="spire", rich_help_panel=_TOOLS)


def _version(value: bool) -> None:
    if value:
        from midas.provenance import version

        print(f"midas {version()}")
        raise typer.Exit


@app.callback()
def root(
    _show_version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Hold what belongs to no command."""
