"""``midas bench``: midas beside its peers in one session, and the catalogue within its bounds."""

from pathlib import Path
from typing import Annotated

import typer

from midas import completion
from midas.options import Json, Quiet
from midas.output import Output

app = typer.Typer(
    help="Measure midas beside its peers on this machine; only ratios travel.",
    epilog="Example: `midas bench load`. Stop other work first: both cores are used.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Rounds = Annotated[
    int, typer.Option(min=1, max=20, help="How often each is measured, taking turns.")
]


@app.command()
def engines(
    rounds: Rounds = 3,
    agents: Annotated[
        int | None,
        typer.Option(
            min=1_000,
            max=10_000_000,
            help="Of M1; with --scaling the most. [default: 1000000, 10000000 with --scaling]",
            show_default=False,
        ),
    ] = None,
    scaling: Annotated[
        bool, typer.Option("--scaling", help="The fleet alone, from 100,000 agents to ten million.")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="What --json printed on this machine before; exit code 1 if a ratio is worse.",
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure fleet, reference and cimba on one model in one session: events per second.

    Only ratios of one session are quoted, and only those of one machine are compared.

    Example: `midas bench engines --rounds 1 --agents 100000`
    """
    from midas import baseline as stored
    from midas.provenance import machine
    from midas.render import bench as render

    if scaling:
        from simulator.bench.scaling import AGENTS, bench_engines, expected_s
    else:
        from simulator.bench.engines import AGENTS, bench_engines, expected_s

    output, many = Output(json, quiet), agents or AGENTS
    before = stored.read(baseline) if baseline is not None else None
    if before is not None:
        stored.refuse_unlike(before, machine(), many)
    minutes = expected_s(rounds, many) / 60
    output.note(f"This takes about {minutes:.0f} min; leave the machine alone.")
    table = bench_engines(rounds=rounds, agents=many, on_step=output.note)
    held = stored.compare(before, table.ratios) if before is not None else None
    document = render.document(table) | {"agents": many, "baseline": held}
    output.result(document, *render.lines(table), *render.comparison(held))
    if held is not None and held.worse:
        raise typer.Exit(1)


@app.command()
def catalog(
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME",
            help="Only this scenario; repeat for several. [default: all]",
            autocompletion=completion.catalogue,
            show_default=False,
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure what each catalogue scenario takes at its default size, in a process of its own.

    Each has a minute, that of ten million agents four; exit code 1 if one takes longer.

    Example: `midas bench catalog --only mass-restart --only partition`
    """
    from midas.catalog_bench import bench_catalog, chosen, expected_s
    from midas.render import catalog_bench as render
    from midas.render.scenario import duration

    output, names = Output(json, quiet), chosen(only or [])
    output.note(f"This takes about {duration(expected_s(names))}; leave the machine alone.")
    table = bench_catalog(names, on_step=output.note)
    output.result(render.document(table), *render.lines(table))
    if not table.kept:
        raise typer.Exit(1)


@app.command()
def load(rounds: Rounds = 3, json: Json = False, quiet: Quiet = False) -> None:
    """Measure the load generator beside k6, Locust and wrk: is it true, and is it fast?

    nginx answers on one core, the tool under test has the other. A peer that is not installed is
    left out and named, with how to get it.

    Example: `midas bench load --rounds 1`
    """
    from loadgen.bench.load import bench_load, expected_s
    from midas.render import bench as render

    output = Output(json, quiet)
    output.note(f"This takes about {expected_s(rounds) / 60:.0f} min; leave the machine alone.")
    table = bench_load(rounds=rounds, on_step=output.note)
    output.result(render.document(table), *render.lines(table))


@app.command()
def swarm(
    agents: Annotated[
        int | None,
        typer.Option(
            min=1, max=20_000, help="This fleet alone. [default: 4,000, then smaller ones]"
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure how many hollow agents one core carries against a real SPIRE server.

    SPIRE has the other core. Where the largest fleet is late, a smaller one is tried.

    Example: `midas bench swarm --json`
    """
    from loadgen.bench.swarm import LADDER, bench_swarm, expected_s
    from midas.render import bench as render

    output = Output(json, quiet)
    ladder = LADDER if agents is None else (agents,)
    expected = expected_s(ladder[0])
    output.note(f"This takes at least {expected / 60:.0f} min; leave the machine alone.")
    table = bench_swarm(ladder=ladder, on_step=output.note)
    output.result(render.document(table), *render.lines(table))


@app.command()
def service(rounds: Rounds = 3, json: Json = False, quiet: Quiet = False) -> None:
    """Measure the embedded identity service beside OpenBao and bare cryptography, per core.

    What each of them does for an answer that the others do not stands in the notes of its cases.

    Example: `midas bench service --rounds 1`
    """
    from loadgen.bench.service import bench_service, expected_s
    from midas.render import bench as render

    output = Output(json, quiet)
    output.note(f"This takes about {expected_s(rounds) / 60:.0f} min; leave the machine alone.")
    table = bench_service(rounds=rounds, on_step=output.note)
    output.result(render.document(table), *render.lines(table))
