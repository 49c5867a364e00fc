"""The catalogue as a page of Markdown: every question with its answer (``docs/catalog.md``)."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from scenarios.spec.schema import Scenario

HOW_TO_RENEW: Final = "midas scenario list --markdown > docs/catalog.md"
_SENTENCE_ENDS: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")
_LEAD: Final = 60
"""characters from which on the first sentences of an answer say enough"""
_ABBREVIATED: Final = ("e.g.", "i.e.", "vs.")


def lead(answer: str) -> str:
    """Return the first sentences of an answer, so many that they say something."""
    found = ""
    for sentence in _SENTENCE_ENDS.split(answer):
        found = f"{found} {sentence}".strip()
        if len(found) >= _LEAD and not found.endswith(_ABBREVIATED):
            break
    return found


def page(topics: dict[str, list["Scenario"]]) -> Iterator[str]:
    """Return the lines of the page: one table of all questions, then each answer in full.

    Args:
        topics: the scenarios of the catalogue under what they are about.
    """
    number = sum(map(len, topics.values()))
    yield f"# {number} questions and their answers\n"
    yield (
        "Each question is a file of [scenarios/catalog](../scenarios/catalog), which you may copy\n"
        "and change. `midas simulate NAME` asks it again on your machine. Its answer is held by a\n"
        "test (`tests/verification`), on an interval and not on a point. This page is made from\n"
        f"the files: `{HOW_TO_RENEW}`.\n"
    )
    yield "| question | answer, in short | scenario |"
    yield "|---|---|---|"
    for topic, scenarios in topics.items():
        yield f"| **{topic}** | | |"
        for one in scenarios:
            link = f"[{one.name}](#{one.name})"
            yield f"| {_cell(one.question)} | {_cell(lead(one.expected))} | {link} |"
    for topic, scenarios in topics.items():
        yield f"\n## {topic}"
        for one in scenarios:
            yield f"\n### {one.name}\n"
            yield f"**{one.title}.** {one.question}\n"
            yield f"{one.expected}\n"
            yield f"*Source:* {one.source}\n"
            yield f"*Ask it:* `midas simulate {one.name}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
