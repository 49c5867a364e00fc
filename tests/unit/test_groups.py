"""The suite's own runner: what it repeats, what it never repeats, and what it names."""

import io
from pathlib import Path

import pytest

from tests import groups

FLAKY = """
from pathlib import Path

def test_a_neighbour_took_the_processor() -> None:
    mark = Path(__file__).with_suffix(".ran")
    first = not mark.exists()
    mark.touch()
    assert not first, "slow - the first time"
"""


def failing(tmp_path: Path, text: str) -> groups.Result:
    test = tmp_path / "tests" / "test_it.py"
    test.parent.mkdir()
    test.write_text(text, encoding="utf-8")
    return groups.run("security", ("tests",), io.StringIO())


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "ROOT", tmp_path)
    monkeypatch.setattr(groups, "QUICK", ())


def test_what_passes_alone_is_counted_and_named(tmp_path: Path) -> None:
    result = failing(tmp_path, FLAKY)
    assert (result.passed, result.failed) == (0, 1)
    again = groups.repeat(result)
    assert (again.passed, again.failed) == (1, 0)
    assert again.repeated == ("tests/test_it.py::test_a_neighbour_took_the_processor",)


def test_what_fails_twice_has_failed(tmp_path: Path) -> None:
    result = failing(tmp_path, "def test_wrong() -> None:\n    assert False\n")
    again = groups.repeat(result)
    assert (again.passed, again.failed, again.repeated) == (0, 1, ())
    assert not again.ok


def test_what_the_seed_decides_is_not_repeated(tmp_path: Path) -> None:
    result = failing(tmp_path, FLAKY)._replace(group="verification")
    assert groups.repeat(result) == result


def test_many_failures_and_broken_runs_are_not_repeated(tmp_path: Path) -> None:
    result = failing(tmp_path, FLAKY)
    many = result._replace(failed=4, culprits=("a", "b", "c", "d"))
    assert groups.repeat(many) == many
    broken = result._replace(failed=2)
    assert groups.repeat(broken) == broken
