"""``midas compare``: regimes side by side, differences within each replication."""

from functools import partial
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
)
from midas.output import Output


def compare(
    file: ScenarioFile,
    regime: Regimes = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Compare with this regime. [default: the first]"),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC=W",
            help="Stop when every difference of METRIC is known to ± W (at least 4 replications).",
        ),
    ] = None,
    agents: Agents = None,
    hours: Hours = None,
    engine: EngineName = Engine.FLEET,
    replications: Annotated[
        int, typer.Option(min=2, max=10_000, metavar="K", help="Replications, at most.")
    ] = 8,
    seed: Seed = 1,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate regimes under common random numbers and show their paired differences.

    What luck gave both regimes cancels, so a difference is known better than either value.

    Example: `midas compare customer-service -r static-key -r x509-svid-1h -r task-svid`
    """
    from analysis import paired
    from analysis.figures import differences
    from midas import results, simulated
    from midas.render import compare as render

    resolved = inputs.load(file, agents=agents, hours=hours, regimes=regime)
    output = Output(json, quiet)
    wanted = inputs.half_width(until)
    names = [one.name for one in resolved.scenario.regimes]
    paired.refuse(names, baseline, wanted[0] if wanted else None)
    for warning in resolved.warnings:
        output.warn(warning)
    enough = partial(paired.enough, baseline=baseline, wanted=wanted) if wanted else None
    path, record = simulated.simulate(
        resolved, engine, seed, replications, out, output, enough=enough
    )
    comparison = paired.compare(record, baseline)
    figure = results.save_figure(path, "compare", differences.differences(comparison).svg)
    output.result(render.document(comparison, path, figure), *render.lines(comparison, figure))
