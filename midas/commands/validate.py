"""``midas validate``: the simulator against closed forms."""

from typing import Annotated

import typer

from midas.options import Engine, Json, Quiet
from midas.output import Output


def validate(
    engine: Annotated[
        list[Engine] | None,
        typer.Option("--engine", help="Only this population; repeat for several. [default: all]"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Hold the simulator against closed forms: renewal theory, queues, competing risks.

    Each check is an equivalence test with a stated margin; one whose interval is wider than its
    margin is refused as underpowered. A right simulator fails the suite once in a hundred seeds,
    and seeds are fixed. Exit code 1 if a check is not ok.

    Example: `midas validate --engine reference`
    """
    from midas.render import validation as render
    from simulator.simulate import ENGINES
    from simulator.validate import validate as run

    output = Output(json, quiet)
    checks = []
    for name in engine or ENGINES:
        with output.progress(f"validating {name}") as bar:
            checks += run(name, on_progress=bar.steps)
    output.result(checks, *render.lines(checks))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
