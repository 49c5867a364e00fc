"""``midas runs``: what was run, and what it said."""

from typing import Annotated

import typer

from midas import completion
from midas.options import Json, Results
from midas.output import Output

app = typer.Typer(
    help="List and show runs that were kept.",
    epilog="Example: `midas runs list`, then `midas runs show latest`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's id, the beginning of one, a folder, or `latest`.",
        autocompletion=completion.runs,
        show_default=False,
    ),
]


@app.command("list")
def list_(results: Results = None, json: Json = False) -> None:
    """List the runs of the results folder, oldest first.

    Example: `midas runs list`
    """
    from midas.provenance import results_folder
    from midas.render import runs as render
    from scenarios.record import store

    folder = results_folder(results)
    found = store.list_runs(folder)
    Output(json).result([render.row(run) for run in found], *render.lines(found, folder))


@app.command()
def show(run: RunName = "latest", results: Results = None, json: Json = False) -> None:
    """Show the estimates of a run again, without running anything.

    Example: `midas runs show latest`
    """
    from analysis.summary import summarise
    from midas import results as kept
    from midas.render import run as render

    path, record = kept.find(run, results)
    summary = summarise(record)
    Output(json).result(render.document(summary, path), *render.lines(summary, path))
