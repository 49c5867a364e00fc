"""``midas simulate``: a scenario under each of its credential regimes."""

from typing import Annotated

import typer

from midas import inputs
from midas.options import (
    Agents,
    Engine,
    EngineName,
    Hours,
    Json,
    Out,
    Quiet,
    Regimes,
    ScenarioFile,
    Seed,
    Yes,
)
from midas.output import Output


def simulate(
    file: ScenarioFile,
    regime: Regimes = None,
    agents: Agents = None,
    hours: Hours = None,
    engine: EngineName = Engine.FLEET,
    replications: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=10_000,
            metavar="K",
            help="Independent repetitions. [default: 8, fewer when one takes over 6 s]",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 1,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
    yes: Yes = False,
) -> None:
    """Simulate a scenario under each of its regimes and estimate what an architect asks.

    Regimes share their random draws, so differences between them are not luck. Equal inputs give
    equal records; what was computed before is shown again at once.

    Example: `midas simulate customer-service --agents 500 --hours 12 --seed 7`
    """
    from analysis.summary import summarise
    from midas import simulated
    from midas.render import run as render

    resolved = inputs.load(file, agents=agents, hours=hours, regimes=regime)
    output = Output(json, quiet)
    for warning in resolved.warnings:
        output.warn(warning)
    path, record = simulated.simulate(resolved, engine, seed, replications, out, output, yes=yes)
    summary = summarise(record)
    output.result(render.document(summary, path), *render.lines(summary, path))
