"""``midas spire``: what only SPIRE itself can show, driven by hollow agents."""

from typing import Annotated

import typer

from loadgen.swarm.kinds import Kind
from midas.options import Json, Out, Quiet, Seed
from midas.output import Output

app = typer.Typer(
    help="Storm a real SPIRE server with hollow agents, or steal a node's identity from it.",
    epilog="Example: `midas target install spire`, then `midas spire storm cold-start`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
FrameLimit = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help="Queued control frames at which grpc-go stops reading. [default: SPIRE as shipped]",
        show_default=False,
    ),
]


@app.command()
def storm(
    kind: Annotated[Kind, typer.Argument(help="What goes wrong.", show_default=False)],
    agents: Annotated[int, typer.Option(min=1, max=20_000, help="Hollow agents.")] = 300,
    identities: Annotated[
        int, typer.Option(min=1, max=100, help="Workload identities of each agent.")
    ] = 10,
    ttl_s: Annotated[int, typer.Option(min=20, help="Lifetime of workloads' X.509-SVIDs.")] = 3600,
    backoff: Annotated[
        bool, typer.Option(help="Agents wait longer after each failure, as SPIRE's do, or not.")
    ] = True,
    control_frame_limit: FrameLimit = None,
    down_s: Annotated[float, typer.Option(min=1, help="Length of the fault.")] = 20.0,
    watch_s: Annotated[float, typer.Option(min=10, help="Wait so long for recovery.")] = 90.0,
    seed: Seed = 1,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Break something under a fleet of hollow agents and see whether it recovers by itself.

    Exit code 1 if it did not. The run is kept; see `midas runs list`.

    Example: `midas spire storm cold-start --agents 1000 --watch-s 120`
    """
    from loadgen.swarm.field import Fleet
    from loadgen.swarm.records import storm_record
    from loadgen.swarm.storm import storm as run
    from loadgen.targets.spire.process import ServerSettings
    from midas import provenance, results
    from midas.render import swarm as render
    from midas.storms import predict

    output = Output(json, quiet)
    fleet = Fleet(
        agents=agents, identities=identities, x509_ttl_s=ttl_s, backoff=backoff, seed=seed
    )
    settings = ServerSettings(control_frame_limit=control_frame_limit)
    found = run(kind, fleet, down_s=down_s, watch_s=watch_s, settings=settings, on_step=output.note)
    path = results.save(storm_record(found, seed, provenance.machine()), out)
    prediction = predict(found, seed)
    output.note(f"kept as {path}")
    output.result(
        render.storm_document(found, prediction),
        *render.storm_lines(found.report, prediction),
        f"Next: midas report {path.name}",
    )
    if not found.report.recovered:
        raise typer.Exit(1)


@app.command()
def theft(
    victims: Annotated[int, typer.Option(min=1, max=100, help="Agents to rob.")] = 30,
    agent_ttl_s: Annotated[
        int, typer.Option(min=30, help="Lifetime of agents' own documents.")
    ] = 60,
    after_renewal: Annotated[
        bool, typer.Option("--after-renewal", help="Thieves wait for the owner's renewal.")
    ] = False,
    respond_to: Annotated[
        list[str] | None,
        typer.Option(metavar="DETECTOR", help="Ban at its alert. [default: the certain sign]"),
    ] = None,
    seed: Seed = 1,
    out: Out = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Steal node identities and time what SPIRE's log shows of it, and what a ban ends.

    The run is kept; see `midas runs list`.

    Example: `midas spire theft --victims 30 --agent-ttl-s 60`
    """
    from loadgen.swarm.records import theft_record
    from loadgen.swarm.theft import heist, respond_set
    from loadgen.swarm.theft_report import Heist
    from midas import provenance, results
    from midas.heists import predict
    from midas.render import swarm as render

    output = Output(json, quiet)
    asked = Heist(
        victims=victims,
        agent_ttl_s=agent_ttl_s,
        after_renewal=after_renewal,
        respond_to=respond_set(respond_to),
        seed=seed,
    )
    found = heist(asked, on_step=output.note)
    path = results.save(theft_record(found, provenance.machine()), out)
    output.note(f"kept as {path}")
    output.note("simulating the same thefts")
    prediction = predict(asked)
    output.result(
        render.theft_document(found, prediction),
        *render.theft_lines(found.report, prediction),
        f"Next: midas report {path.name}",
    )
