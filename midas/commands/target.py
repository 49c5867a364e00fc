"""``midas target``: the identity services that can be driven."""

from typing import Annotated

import typer

from midas.options import Json, Quiet
from midas.output import Output

app = typer.Typer(
    help="List, install, start and stop the identity services that midas can drive.",
    epilog="Example: `midas target list`, then `midas drive customer-service --target openbao`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Name = Annotated[
    str, typer.Argument(metavar="TARGET", help="See: midas target list.", show_default=False)
]


@app.command("list")
def list_(json: Json = False) -> None:
    """List the targets, whether each is installed, and which is up.

    Example: `midas target list`
    """
    from midas.render import targets as render

    rows = render.rows()
    Output(json).result(rows, *render.lines(rows))


@app.command()
def install(name: Name, quiet: Quiet = False) -> None:
    """Install what a target needs beside midas; says so when nothing is missing.

    Example: `midas target install spire` builds SPIRE once, into a cache folder of yours.
    """
    from loadgen.targets.openbao.install import install as fetch
    from loadgen.targets.registry import find, make_target
    from loadgen.targets.spire.install import install as build

    output = Output(quiet=quiet)
    if find(name).name == "spire":
        found = build(output.note)
        output.result(None, f"{found.server}\n{found.agent}\nNext: midas spire storm cold-start")
    elif name == "openbao":
        path = fetch(output.note)
        output.result(None, f"{path}\nNext: midas drive customer-service --target openbao")
    else:
        make_target(name)
        output.result(None, f"{name}: nothing to install")


@app.command()
def up(
    name: Name,
    trust_domain: Annotated[str, typer.Option(help="SPIFFE trust domain.")] = "example.org",
    json: Json = False,
) -> None:
    """Start a target on loopback, with data of its own, and return when it is healthy.

    `midas drive` starts its own; this one is for looking at a service by hand.

    Example: `midas target up openbao`, and later `midas target down openbao`
    """
    from loadgen.targets.registry import find
    from midas import keeper

    state = keeper.up(find(name).name, trust_domain)
    lines = (
        f"{name} is up at {state['address']}, process {state['pid']}",
        f"Data in {state['data']}\nNext: midas target down {name}",
    )
    Output(json).result(state, *lines)


@app.command()
def down(name: Name, json: Json = False) -> None:
    """Stop a target that is up; its processes and its data are gone afterwards.

    Example: `midas target down openbao`
    """
    from loadgen.targets.registry import find
    from midas import keeper

    keeper.down(find(name).name)
    Output(json).result({"target": name, "up": False}, f"{name} is down")
