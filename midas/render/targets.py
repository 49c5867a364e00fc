"""The targets and what they can do."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from midas.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType


def rows() -> list[dict[str, Any]]:
    """Return every target: can it be made here, what can it do, is it up."""
    from loadgen.targets.openbao.install import binary
    from loadgen.targets.registry import TARGETS, make_target
    from loadgen.targets.spire.install import require
    from midas.keeper import is_up
    from scenarios.errors import TargetUnavailable

    programs: dict[str, Callable[[], object]] = {"openbao": binary, "spire": require}
    found: list[dict[str, Any]] = []
    for known in TARGETS.values():
        state = is_up(known.name)
        row: dict[str, Any] = {"name": known.usage, "summary": known.summary}
        if known.argument:  # found when it is named, by its URL or file
            found.append(row | {"installed": True, "missing": "", "capabilities": [], "up": None})
            continue
        try:
            target = make_target(known.name)
            if known.name in programs:
                programs[known.name]()
        except TargetUnavailable as exc:
            row |= {"installed": False, "missing": str(exc), "capabilities": []}
        else:
            names = sorted(capability.value for capability in target.capabilities)
            row |= {"installed": True, "missing": "", "capabilities": names}
        found.append(row | {"up": None if state is None else state["address"]})
    return found


def lines(rows: Sequence[dict[str, Any]]) -> Iterator["RenderableType"]:
    """Return the list for a terminal."""
    shown = [
        (r["name"], r["up"] or ("ready" if r["installed"] else "missing"), r["summary"])
        for r in rows
    ]
    yield table(("target", "state", "what it is"), shown, wrap=("what it is",))
    yield from (f"{r['name']}: {r['missing']}" for r in rows if r["missing"])
    yield "\nNext: midas drive SCENARIO --target TARGET"
