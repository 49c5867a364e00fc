"""``midas drive``: the scenario's load at a real service, while credentials are stolen from it."""

from typing import Annotated

import typer

from midas import inputs
from midas.options import Json, Out, Quiet, Regimes, ScenarioFile, Seed
from midas.output import Output


def drive(
    file: ScenarioFile,
    target: Annotated[
        str, typer.Option("--target", "-t", help="The service; see: midas target list.")
    ] = "embedded",
    regime: Regimes = None,
    rate_hz: Annotated[
        float | None,
        typer.Option("--rate-hz", min=0.01, help="Arrivals per second.", show_default=False),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, max=86_400, help="Length of the window.", show_default=False),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:COUNT]",
            help="Which thieves, how many, or none. [default: each kind once]",
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(metavar="EXPR", help="Exit 1 if so, as in 'issue.p99 > 50ms'."),
    ] = None,
    i_am_allowed_to_load: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A service outside this machine that you may load."),
    ] = None,
    arrivals: Annotated[
        str,
        typer.Option(
            metavar="SHAPE", help="scenario, constant, poisson, herd (all restart) or trace:FILE."
        ),
    ] = "scenario",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Generator processes.")] = 1,
    warmup_s: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=86_400,
            help="Report so much of the beginning apart. [default: a tenth, at most 5 s]",
            show_default=False,
        ),
    ] = None,
    lag_bound_ms: Annotated[
        float,
        typer.Option(
            min=0.001, max=60_000, help="Not valid if the generator's own lag p99 is above."
        ),
    ] = 10.0,
    seed: Seed = 1,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Drive a scenario's load at a service, steal credentials, and time their detection.

    Arrivals are open-loop: they come when the scenario says, however slow the service is, and
    latency counts from the intended instant. A run that the generator spoiled is called not valid.
    Exit code 1 if it is not valid or a `--fail-if` holds.

    Example: `midas drive customer-service --target embedded --rate-hz 200 --seconds 20`
    """
    from midas.measured import Options, measure
    from midas.render import run as render

    scenario = inputs.load(file, regimes=regime)
    allowed = i_am_allowed_to_load or []
    options = Options(
        regimes=regime,
        rate_hz=rate_hz,
        seconds=seconds,
        attacks=attack or [],
        workers=workers,
        allowed=allowed,
        arrivals=arrivals,
        warmup_s=warmup_s,
        lag_bound_s=lag_bound_ms / 1e3,
    )
    output = Output(json, quiet)
    run = measure(scenario, target, seed, options, fail_if or [], out, output)
    output.result(run.document(), *render.lines(run.summary, run.path), *run.judged())
    if run.code:
        raise typer.Exit(run.code)
