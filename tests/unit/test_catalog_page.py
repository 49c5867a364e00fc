"""The catalogue for readers: topics, the list, and the page that is made from the files."""

import json
import tomllib

import pytest

from midas import topics
from midas.render import catalog_page
from midas.render.catalog_page import HOW_TO_RENEW, lead
from scenarios.spec import resolve
from tests.command_line import ROOT, midas


def test_a_scenario_stands_under_one_topic() -> None:
    named = tomllib.loads(topics.FILE.read_text(encoding="utf-8"))
    names = [name for table in named.values() for name in table["scenarios"]]
    assert len(names) == len(set(names))
    assert set(names) <= set(resolve.catalog())
    listed = [name for of in topics.by_topic().values() for name in of]
    assert sorted(listed) == sorted(resolve.catalog())


def test_what_no_topic_names_is_listed_last(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = resolve.catalog() | {"new-one": resolve.CATALOG / "partition.toml"}
    monkeypatch.setattr(topics.resolve, "catalog", lambda: dict(catalog))
    assert list(topics.by_topic())[-1] == topics.OTHER
    assert "new-one" in topics.by_topic()[topics.OTHER]


def test_the_page_is_what_the_files_say() -> None:
    made = midas("scenario", "list", "--markdown")
    assert made.returncode == 0
    stored = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
    assert stored == made.stdout, f"renew it: {HOW_TO_RENEW}"


def test_every_question_has_an_answer_and_a_source() -> None:
    for path in resolve.catalog().values():
        scenario = resolve.load(path).scenario
        assert scenario.name == path.stem
        assert scenario.question.count("?") >= 1, path.name
        assert len(scenario.expected) > 100, path.name
        assert len(scenario.source) > 10, path.name


def test_answers_are_in_words() -> None:
    """No symbols of the model's equations: an architect has not read them."""
    private = ("E[", "clip(", "(1 - f)", "rho", "lambda", "√", "N/", "P(")
    for name, path in resolve.catalog().items():
        scenario = resolve.load(path).scenario
        text = f"{scenario.question} {scenario.expected}"
        assert not [symbol for symbol in private if symbol in text], name


def test_the_list_is_grouped_and_carries_the_answers() -> None:
    rows = json.loads(midas("scenario", "list", "--json").stdout)
    seen = [row["topic"] for row in rows]
    assert [t for n, t in enumerate(seen) if t not in seen[:n]] == list(topics.by_topic())
    assert all(row["answer"] and row["question"] for row in rows)
    told = midas("scenario", "list").stdout
    assert all(topic in told for topic in topics.by_topic())


def test_an_answer_s_lead_says_something() -> None:
    assert (
        lead("No. Because it is so, and it has been so for as long as anybody has asked. Then.")
        == "No. Because it is so, and it has been so for as long as anybody has asked."
    )
    assert lead("Short.") == "Short."
    assert lead(
        "13.9 hours, 50,000 nodes at one a second, whatever the lifetime is. Then more."
    ) == ("13.9 hours, 50,000 nodes at one a second, whatever the lifetime is.")
    assert catalog_page.page({}) is not None
