"""``midas watch``: alerts as they are raised, for people and for scripts."""

import json
from pathlib import Path

import pytest

from midas.cli import main


def log(path: Path) -> Path:
    told = {"identity": "spiffe://a/b", "occurred_s": 1.0, "serial": "1", "origin": "10.0.0.1"}
    lines = [told, told | {"occurred_s": 5.0, "origin": "10.9.9.9"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "rubbish\n")
    return path


def test_scripts_get_a_line_of_json_for_each_alert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = log(tmp_path / "audit.jsonl")
    assert main(["watch", "lines", "--audit", str(path), "--once", "--json"]) == 0
    captured = capsys.readouterr()
    (alert,) = [json.loads(line) for line in captured.out.splitlines()]
    assert (alert["detector"], alert["identity"]) == ("two-origins", "spiffe://a/b")
    assert alert["origin"] == "10.9.9.9"
    assert "line 3" in captured.err


def test_people_get_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(tmp_path / "audit.jsonl")
    assert main(["watch", "lines", "--audit", str(path), "--once"]) == 0
    captured = capsys.readouterr()
    assert "serial 1 used from 10.0.0.1 and from 10.9.9.9" in captured.out
    assert "superseded-serial is blind" in captured.err


@pytest.mark.parametrize(
    ("kind", "says"), [("lines", "is no file"), ("syslog", "known are embedded")]
)
def test_what_cannot_be_watched_is_one_line(
    kind: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", kind, "--audit", str(tmp_path / "nowhere"), "--once"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.count("\n") == 1
