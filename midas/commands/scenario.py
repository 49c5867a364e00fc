"""``midas scenario``: the questions, and the files that put them."""

from pathlib import Path
from typing import Annotated

import typer

from midas import inputs
from midas.options import Agents, Hours, Json, Regimes, ScenarioFile, Seed
from midas.output import Output
from midas.render import scenario as render

app = typer.Typer(
    help="List, read, resolve and check scenario files.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog="Start with `midas scenario list`, then `midas scenario show customer-service`.",
)


@app.command("list")
def list_(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print docs/catalog.md: questions and answers.")
    ] = False,
    json: Json = False,
) -> None:
    """List the questions that come with midas by topic, each with the scenario that answers it.

    A scenario is one TOML file. Copy one from scenarios/catalog/ and change it to ask your own.

    Example: `midas scenario list`
    """
    from midas.render import catalog_page
    from midas.topics import by_topic
    from scenarios.spec import resolve

    topics = {
        topic: [resolve.load(path) for path in of.values()] for topic, of in by_topic().items()
    }
    if markdown:
        for line in catalog_page.page({t: [r.scenario for r in of] for t, of in topics.items()}):
            print(line)
        return
    rows = [render.summary(topic, one) for topic, of in topics.items() for one in of]
    Output(json).result(rows, *render.listing(rows))


@app.command()
def show(file: ScenarioFile, json: Json = False) -> None:
    """Explain a scenario: its question, fleet, regimes, threats and defences.

    Example: `midas scenario show customer-service`
    """
    resolved = inputs.load(file)
    Output(json).result(render.document(resolved), *render.explanation(resolved))


@app.command("resolve")
def resolve_(
    file: ScenarioFile, agents: Agents = None, hours: Hours = None, json: Json = False
) -> None:
    """Print a scenario with every default filled in and the source of every number from the world.

    What is printed is what both engines run; a run is named by its hash.

    Example: `midas scenario resolve customer-service | less`
    """
    resolved = inputs.load(file, agents=agents, hours=hours)
    out = Output(json)
    out.result(render.document(resolved), *render.resolved_lines(resolved))
    for warning in resolved.warnings:
        out.warn(warning)


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Scenario files.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Check scenario files and name every fault in one line: file, key, found, allowed.

    Exit code 2 if any file is bad.

    Example: `midas scenario check my-scenario.toml`
    """
    results = [render.verdict(file) for file in files]
    lines = (line for result in results for line in render.verdict_lines(result))
    Output(json).result(results, *lines)
    if not all(result["ok"] for result in results):
        raise typer.Exit(2)


@app.command()
def window(
    file: ScenarioFile,
    regime: Regimes = None,
    rate_hz: Annotated[
        float | None, typer.Option("--rate-hz", min=0.001, help="Arrivals per second.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.1, help="Length of the window.")
    ] = None,
    seed: Seed = 1,
    json: Json = False,
) -> None:
    """Show the smaller scenario that `midas drive` runs, and its schedule of arrivals.

    A window keeps the scenario's laws and shrinks the fleet until it makes the rate that you ask
    for; time is never stretched. The simulator can run the same window for comparison.

    Example: `midas scenario window customer-service --rate-hz 200 --seconds 20`
    """
    scenario = inputs.load(file, regimes=regime).scenario
    windows = inputs.windows(scenario, regime, rate_hz, seconds)
    documents = [render.window_document(window, seed, scenario) for window in windows]
    Output(json).result(
        documents,
        *(line for document in documents for line in render.window_lines(document)),
        *render.unused_lines(documents[0]),
    )
