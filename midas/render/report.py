"""The verdict in a terminal, and where the page lies."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from midas.output import heading

if TYPE_CHECKING:
    from rich.console import RenderableType

    from midas.reporting import Report


def document(report: "Report") -> dict[str, Any]:
    """Return what ``midas report --json`` prints."""
    return {"path": str(report.page), "runs": report.runs, "verdict": report.verdict}


def lines(report: "Report") -> Iterator["RenderableType"]:
    """Return the verdict, sentence by sentence, and the path of the page."""
    verdict = report.verdict
    yield heading(verdict.headline)
    for name, sentences in (
        ("Better", verdict.gains),
        ("Worse", verdict.losses),
        ("Not resolved", verdict.unresolved),
        ("Measured", verdict.measured),
        ("Cannot say", verdict.cannot_say),
    ):
        if sentences:
            yield f"\n{name}:"
            yield from (f"- {sentence}" for sentence in sentences)
    yield f"\nReport: {report.page}"
