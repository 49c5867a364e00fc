"""``midas serve``: the embedded identity service by itself."""

from pathlib import Path
from typing import Annotated

import typer

from midas.options import Json
from midas.output import Output


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0: a free one.")] = 8420,
    mtls_port: Annotated[int, typer.Option(min=0, max=65535, help="mTLS port; 0: free.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of audit log and root certificate. [default: a temporary one]",
            show_default=False,
        ),
    ] = None,
    trust_domain: Annotated[str, typer.Option(help="SPIFFE trust domain.")] = "example.org",
    policies: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Further Cedar policies.")
    ] = None,
    tamper_evident: Annotated[
        Path | None,
        typer.Option(
            metavar="CHECKPOINTS",
            help="Sign checkpoints of the audit log into this file, best in another place.",
            show_default=False,
        ),
    ] = None,
    checkpoint_lines: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, help="Sign after so many lines.")
    ] = 1000,
    checkpoint_s: Annotated[
        float, typer.Option(min=0.01, max=86_400, help="Sign so long after an unsigned line.")
    ] = 1.0,
    json: Json = False,
) -> None:
    """Run the embedded identity service on loopback until Ctrl-C.

    It issues X.509-SVIDs, JWT-SVIDs and static keys, answers AuthZEN evaluations and writes its
    audit log before each answer. `midas drive` starts one by itself; this is for looking at it.
    With `--tamper-evident` whoever changes a line later is found out by `midas audit verify`.

    Example: `midas serve --port 8420`, then `curl http://127.0.0.1:8420/openapi.json`
    """
    from loadgen.service.server import ServiceConfig
    from loadgen.service.server import serve as run
    from midas.render import service as render

    config = ServiceConfig(
        port=port,
        mtls_port=mtls_port,
        data=data,
        trust_domain=trust_domain,
        policies=policies,
        tamper_evident=tamper_evident,
        checkpoint_lines=checkpoint_lines,
        checkpoint_s=checkpoint_s,
    )
    out = Output(json)
    run(config, lambda ready: out.result(ready, *render.lines(ready)))
