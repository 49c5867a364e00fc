"""``midas watch``: the live watcher on an audit log, without any load."""

from pathlib import Path
from typing import Annotated

import typer

from midas.output import Output


def watch(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="embedded, openbao, spire, or lines of JSON.")
    ],
    audit: Annotated[Path, typer.Option(metavar="FILE", help="The audit log.", show_default=False)],
    scenario: Annotated[
        Path | None,
        typer.Option(metavar="SCENARIO", help="Whose tasks say which permissions are needed."),
    ] = None,
    trust_domain: Annotated[
        str, typer.Option(help="SPIFFE trust domain of the log's identities.")
    ] = "example.org",
    once: Annotated[
        bool, typer.Option("--once", help="End with the log instead of waiting for more.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object, on a line, for each alert.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No notes.")] = False,
) -> None:
    """Watch an audit log with the detectors of the simulator, and say whom they suspect and why.

    Times are seconds since the watch began. A line that cannot be read is counted and passed over.

    Example: `midas watch openbao --audit /var/log/openbao/audit.log --trust-domain prod.example`
    """
    from midas import inputs
    from midas.watching import follow

    asked = inputs.load(scenario).scenario if scenario is not None else None
    follow(kind, audit, asked, trust_domain, Output(json, quiet), once=once)
