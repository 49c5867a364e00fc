"""Options that mean the same in every command, written once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from midas import completion


class Engine(StrEnum):
    """Which population simulates the agents."""

    FLEET = "fleet"
    REFERENCE = "reference"


EngineName = Annotated[
    Engine,
    typer.Option(
        "--engine",
        help="fleet is compiled, reference is the SimPy specification; both give the same trace.",
    ),
]
ScenarioFile = Annotated[
    Path,
    typer.Argument(
        metavar="SCENARIO",
        help="A TOML file, or the name of a catalogue scenario (see: midas scenario list).",
        autocompletion=completion.scenarios,
        show_default=False,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print exactly one JSON document to stdout, for scripts."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Answer every question with yes.")]
Seed = Annotated[
    int, typer.Option("--seed", help="Seed of every random draw; equal seeds give equal results.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder of the results. [default: $MIDAS_RESULTS, else results/runs]",
        show_default=False,
    ),
]
Regimes = Annotated[
    list[str] | None,
    typer.Option(
        "--regime",
        "-r",
        metavar="NAME",
        help="Only this regime; repeat for several. [default: the scenario's]",
        autocompletion=completion.regimes,
        show_default=False,
    ),
]
Agents = Annotated[
    int | None,
    typer.Option(
        "--agents",
        min=1,
        metavar="N",
        help="Scale the fleet to N agents, its mix kept. [default: the scenario's]",
        show_default=False,
    ),
]
Hours = Annotated[
    float | None,
    typer.Option(
        "--hours",
        min=0.001,
        max=87_600,
        metavar="H",
        help="Simulate H hours. [default: the scenario's]",
        show_default=False,
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(
        "--results",
        metavar="DIR",
        help="Folder in which runs are looked up. [default: $MIDAS_RESULTS, else results/runs]",
        show_default=False,
    ),
]
