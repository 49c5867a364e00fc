"""``midas audit``: what an auditor asks of a log: is it whole, is this line in it, who did what."""

from pathlib import Path
from typing import Annotated

import typer

from midas.options import Json
from midas.output import Output

app = typer.Typer(
    help="Ask an audit log: is it whole, was this line in it, who touched what.",
    epilog="A log has checkpoints when the service ran with `midas serve --tamper-evident FILE`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Log = Annotated[
    Path,
    typer.Argument(metavar="LOG", help="The audit log: a database of the embedded service, text."),
]
Checkpoints = Annotated[
    Path,
    typer.Option(metavar="FILE", help="The checkpoints, as a second place has kept them."),
]
Key = Annotated[
    Path, typer.Option(metavar="PUB", help="Public key of the log (written as FILE.pub).")
]


@app.command()
def verify(log: Log, checkpoints: Checkpoints, key: Key, json: Json = False) -> None:
    """Hold every line of a log against its signed checkpoints.

    Exit code 1 if one does not hold, naming the first and the lines in which the change lies; 2 if
    a file is none, or of another log. Lines after the last checkpoint are counted, not vouched for.

    Example: `midas audit verify audit.sqlite3 --checkpoints safe/cp --key safe/cp.pub`
    """
    from loadgen.ledger.check import verify as hold
    from midas.render import audit as render

    verdict = hold(log, checkpoints, key)
    Output(json).result(render.verdict(verdict), render.verdict_line(log, verdict))
    if not verdict.ok:
        raise typer.Exit(1)


@app.command()
def seal(
    log: Log,
    checkpoints: Checkpoints,
    secrets: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the private key, made when missing.")
    ],
    name: Annotated[
        str, typer.Option(help="Of the log, when its key is made.")
    ] = "example.org/audit",
    json: Json = False,
) -> None:
    """Sign a checkpoint of a log that another service writes, as OpenBao's or SPIRE's.

    Run it now and then: what was signed before must still be there, or nothing is signed and the
    exit code is 1. Only whole lines are signed. The embedded service signs by itself.

    Example: `midas audit seal openbao.log --checkpoints safe/cp --secrets keys`
    """
    from loadgen.ledger.notary import public_file
    from loadgen.ledger.notary import seal as sign
    from midas.render import audit as render

    one, public = sign(log, checkpoints, secrets, name), public_file(checkpoints)
    Output(json).result(render.sealed(one, public), render.sealed_line(one, public))


@app.command()
def prove(
    log: Log,
    checkpoints: Checkpoints,
    key: Key,
    line: Annotated[
        int | None,
        typer.Option(min=1, help="Prove that this line is in the log.", show_default=False),
    ] = None,
    since: Annotated[
        int | None,
        typer.Option(
            metavar="LINES",
            min=0,
            help="Prove that the newest checkpoint continues the one over so many lines.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Print a proof for somebody who does not have the log.

    For a line: C2SP's tlog-proof, which `midas audit check` and others verify. With `--since`: the
    hashes of RFC 9162's consistency proof.

    Example: `midas audit prove audit.sqlite3 --line 17 --checkpoints safe/cp --key safe/cp.pub`
    """
    from loadgen.ledger import proof
    from midas.render import audit as render
    from scenarios.errors import UsageError

    if (line is None) == (since is None):
        raise UsageError("line: needs either --line or --since")
    output = Output(json)
    if line is not None:
        of = proof.prove_line(log, line, checkpoints, key)
        output.note(f"line {line}: {of.leaf.decode('utf-8', 'replace')}")
        output.result(render.inclusion(of), of.text().rstrip("\n"))
    elif since is not None:
        growth = proof.prove_growth(log, since, checkpoints, key)
        output.result(render.consistency(growth), *render.consistency_lines(growth))


@app.command()
def check(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="What `prove --line` printed.")],
    line: Annotated[str, typer.Option(metavar="TEXT", help="The line, as `prove` told it.")],
    key: Key,
    json: Json = False,
) -> None:
    """Check a proof that a line was in a log, without the log. Exit code 1 if it does not hold.

    Example: `midas audit check line.tlog-proof --line '[12.5,"spiffe://…"]' --key cp.pub`
    """
    from loadgen.ledger.proof import proof_holds
    from midas.render import audit as render

    found = proof_holds(proof, line.encode(), key)
    Output(json).result(render.checked(found), render.checked_line(found))
    if found is None:
        raise typer.Exit(1)


@app.command()
def who(
    log: Log,
    permission: Annotated[
        str | None, typer.Option(help="Only accesses of this permission.", show_default=False)
    ] = None,
    workload: Annotated[
        str | None, typer.Option(help="Only accesses by this workload.", show_default=False)
    ] = None,
    begin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="T1",
            help="From this instant (RFC 3339, seconds).",
            show_default=False,
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="T2", help="To this instant, exclusive.", show_default=False),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="embedded, openbao, spire, lines. [default: embedded or lines, by the file]",
            show_default=False,
        ),
    ] = None,
    trust_domain: Annotated[str, typer.Option(help="Of the log's identities.")] = "example.org",
    json: Json = False,
) -> None:
    """Say who touched what between two instants, and what the log cannot say about it.

    Example: `midas audit who audit.sqlite3 --permission ticket:read --from 2026-01-31T12:00:00Z`
    """
    from loadgen.accesses import accesses
    from loadgen.who import Question, answer, window
    from midas.render import audit as render

    question = Question(*window(begin, end), permission, workload)
    found = answer(accesses(log, kind, trust_domain), question)
    Output(json).result(render.who(found), *render.who_lines(found))
