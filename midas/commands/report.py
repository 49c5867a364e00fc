"""``midas report``: what both worlds found, on one page."""

from pathlib import Path
from typing import Annotated

import typer

from midas import completion
from midas.options import Json, Quiet, Results
from midas.output import Output


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Ids (or beginnings, or folders) of a simulated run, a measured run, or both. "
            "[default: the latest of each]",
            autocompletion=completion.runs,
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="The page. [default: beside the runs]", show_default=False
        ),
    ] = None,
    results: Results = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a report: one HTML page, a verdict in plain words first, figures and tables after.

    Beside a measured run the same window is simulated, so that both worlds can be compared.

    Example: `midas report` after `midas simulate …` and `midas drive …`
    """
    from midas import reporting
    from midas.render import report as render

    output = Output(json, quiet)
    made = reporting.make(runs or [], results, out, output)
    output.result(render.document(made), *render.lines(made))
