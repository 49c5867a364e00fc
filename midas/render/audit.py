"""What an auditor reads: one line for a verdict, one table for who touched what."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midas.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from loadgen.ledger.check import Verdict
    from loadgen.ledger.note import Checkpoint
    from loadgen.ledger.proof import Consistency, Inclusion
    from loadgen.who import Actor, Answer

SHOWN = 30
"""rows of a table; ``--json`` has all"""


def verdict(of: "Verdict") -> dict[str, Any]:
    """Return what ``midas audit verify --json`` prints."""
    broken = of.broken
    return {
        "ok": of.ok,
        "lines": of.lines,
        "covered": of.covered,
        "checkpoints": of.checkpoints,
        "fault": of.fault,
        "broken": None
        if broken is None
        else {
            "checkpoint": broken.checkpoint,
            "size": broken.size,
            "first_line": broken.first_line,
            "last_line": broken.last_line,
            "why": broken.why,
        },
    }


def verdict_line(log: Path, of: "Verdict") -> str:
    """Say it in one line."""
    if of.broken is not None:
        return f"{log}: {of.broken.sentence()}"
    rest = of.lines - of.covered
    after = f"; {rest:,} after the last one" if rest else ""
    end = f"; {of.fault}" if of.fault else ""
    return f"{log}: {of.covered:,} lines are as {of.checkpoints:,} checkpoints say{after}{end}"


def sealed(of: "Checkpoint", public: Path) -> dict[str, Any]:
    """Return what ``midas audit seal --json`` prints."""
    return {
        "origin": of.origin,
        "size": of.size,
        "root": _base64(of.root),
        "public_key_file": str(public),
    }


def sealed_line(of: "Checkpoint", public: Path) -> str:
    """Say it in one line."""
    return f"{of.size:,} lines of log {of.origin} are signed; its public key is {public}"


def inclusion(of: "Inclusion") -> dict[str, Any]:
    """Return what ``midas audit prove --line --json`` prints."""
    return {
        "line": of.line,
        "text": of.leaf.decode("utf-8", "replace"),
        "size": of.checkpoint.size,
        "root": _base64(of.checkpoint.root),
        "hashes": [_base64(one) for one in of.hashes],
        "proof": of.text(),
    }


def consistency(of: "Consistency") -> dict[str, Any]:
    """Return what ``midas audit prove --since --json`` prints."""
    return {
        "first": {"size": of.first.size, "root": _base64(of.first.root)},
        "second": {"size": of.second.size, "root": _base64(of.second.root)},
        "hashes": [_base64(one) for one in of.hashes],
    }


def consistency_lines(of: "Consistency") -> Iterator[str]:
    """Return the proof for people: sizes and roots, then a hash a line."""
    for one in (of.first, of.second):
        yield f"{one.size} {_base64(one.root)}"
    yield ""
    yield from (_base64(one) for one in of.hashes)


def checked(of: "tuple[int, Checkpoint] | None") -> dict[str, Any]:
    """Return what ``midas audit check --json`` prints."""
    if of is None:
        return {"ok": False, "line": None, "origin": None, "size": None}
    line, checkpoint = of
    return {"ok": True, "line": line, "origin": checkpoint.origin, "size": checkpoint.size}


def checked_line(of: "tuple[int, Checkpoint] | None") -> str:
    """Say it in one line."""
    if of is None:
        return "the proof does not hold: this line was not there"
    line, checkpoint = of
    return f"it is line {line:,} of {checkpoint.size:,} of log {checkpoint.origin}"


def who(of: "Answer") -> dict[str, Any]:
    """Return what ``midas audit who --json`` prints."""
    return {
        "lines_read": of.lines_read,
        "lines": of.lines,
        "named": of.named,
        "unattributed": of.unattributed,
        "unattributed_share": of.unattributed_share,
        "took_s": of.took_s,
        "who": of.who,
    }


def who_lines(of: "Answer") -> Iterator["RenderableType"]:
    """Return the table, and below it what the log does not say."""
    columns = ("who", "task", "for", "lines", "denied", "what", "address")
    rows = (_row(actor) for actor in of.who[:SHOWN])
    yield table(columns, rows, right=("lines", "denied"), wrap=("who", "what", "address"))
    if len(of.who) > SHOWN:
        yield f"and {len(of.who) - SHOWN:,} more; --json has all"
    yield f"{of.lines:,} of {of.lines_read:,} lines, answered in {of.took_s:.3g} s"
    words = {"workload": "the workload", "task": "the task", "on_behalf_of": "on whose behalf"}
    shares = [f"{words[name]} {share:.1%}" for name, share in of.named.items() if share is not None]
    if shares:
        yield f"Lines that name {', '.join(shares)}"
    for why, lines in of.unattributed.items():
        yield f"Not to be attributed: {lines:,} lines ({lines / of.lines:.1%}): {why}"


def _row(actor: "Actor") -> tuple[str, ...]:
    what = ", ".join(list(actor.what)[:3]) + (" …" if len(actor.what) > 3 else "")
    more = actor.origin_count - 1
    origins = f"{actor.origins[0]}{f' +{more}' if more else ''}" if actor.origins else "–"
    name = actor.identity or "nobody"
    return (
        f"{name} (shared secret)" if actor.shared_secret else name,
        actor.task or "–",
        actor.on_behalf_of or "–",
        f"{actor.lines:,}",
        f"{actor.denied:,}",
        what,
        origins,
    )


def _base64(of: bytes) -> str:
    return base64.b64encode(of).decode()
