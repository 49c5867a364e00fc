"""Every fault of a service description is one line with key, found and allowed."""

from pathlib import Path

import pytest

from loadgen.targets.http.description import read_description
from scenarios.errors import ScenarioError

GOOD = """
title = "orders"
url = "http://127.0.0.1:8080"

[operations.issue-jwt]
path = "/credentials"
headers = { Content-Type = "application/json" }
body = '{"subject": "${identity}"}'
credential = "/token"

[operations.authorize]
method = "GET"
path = "/orders/${resource}"
headers = { Authorization = "Bearer ${credential}" }
"""

FAULTS = {
    "no URL": ('url = "http://127.0.0.1:8080"', 'url = "orders.example"', "url: found"),
    "URL with query": ("8080", "8080/?a=1", "url: found"),
    "no title": ('title = "orders"', "", "title: is required"),
    "unknown key": ('title = "orders"', 'titel = "orders"', "did you mean 'title'"),
    "unknown operation": ("operations.issue-jwt", "operations.issue-jtw", "is no key"),
    "no authorize": ("operations.authorize", "operations.issue-key", "operations.authorize"),
    "unknown method": ('"GET"', '"FETCH"', "operations.authorize.method: found 'FETCH'"),
    "path without slash": ('"/credentials"', '"credentials"', "must start with /"),
    "path with blank": ('"/credentials"', '"/creden tials"', "hold no blanks"),
    "pointer without slash": ('"/token"', '"token"', "JSON pointer"),
    "unknown placeholder": ("${identity}", "${idenity}", "found '${idenity}'|found ${idenity}"),
    "placeholder of another place": ("${identity}", "${credential}", "known are"),
    "dollar without braces": ("${identity}", "$identity", "a placeholder is written ${name}"),
    "token without source": ("${identity}", "${token}", "needs a [token] table"),
    "header with line end": ('"Bearer ${credential}"', '"Bearer\\nX: 1"', "on one line"),
    "header that is ours": ("Authorization =", "Host =", "set by the client itself"),
    "header name": ("Authorization =", '"My Header" =', "is no header name"),
    "status of text": (
        'credential = "/token"',
        'status = ["200"]\ncredential = "/token"',
        "status",
    ),
    "status out of range": ('credential = "/token"', 'status = [99]\ncredential = "/x"', "≥ 100"),
    "empty status": ('credential = "/token"', 'status = []\ncredential = "/x"', "not be empty"),
    "timeout": ('title = "orders"', 'title = "orders"\ntimeout_s = -1', "timeout_s: found -1"),
    "certificate without key": (
        'title = "orders"',
        'title = "orders"\ntls = { cert_file = "a.pem" }',
        "cert_file and key_file together",
    ),
    "audit without identity": (
        'title = "orders"',
        'title = "orders"\naudit = { file = "a", time = "/t" }',
        "audit.identity: is required",
    ),
    "half a permission": (
        'title = "orders"',
        'title = "orders"\naudit = { file = "a", time = "/t", identity = "/i", action = "/a" }',
        "resource and action together",
    ),
    "no TOML": ('title = "orders"', "title = ", "is no valid TOML"),
}


def read(text: str, folder: Path) -> None:
    file = folder / "orders.toml"
    file.write_text(text)
    read_description(file)


def test_the_good_one_is_read(tmp_path: Path) -> None:
    read(GOOD, tmp_path)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line(name: str, tmp_path: Path) -> None:
    before, after, says = FAULTS[name]
    assert before in GOOD
    with pytest.raises(ScenarioError) as caught:
        read(GOOD.replace(before, after, 1), tmp_path)
    message = str(caught.value)
    assert any(part in message for part in says.split("|")), message
    assert all("orders.toml: " in line for line in message.splitlines())


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    bad = GOOD.replace('"/credentials"', '"x"').replace('"GET"', '"FETCH"').replace("title", "t")
    with pytest.raises(ScenarioError) as caught:
        read(bad, tmp_path)
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("path", ["missing.toml", "."])
def test_a_file_that_is_none(path: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"^[^\n]+$"):
        read_description(tmp_path / path)
