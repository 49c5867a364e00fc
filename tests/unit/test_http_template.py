"""Placeholders cannot break out of the place where they stand."""

import json
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.targets.http.description import Request
from loadgen.targets.http.template import Template, pointer

ANY = st.text(max_size=40)


def template(**parts: object) -> Template:
    return Template(Request(**{"path": "/x", **parts}), "host:1", "")


@given(ANY)
def test_a_value_stays_one_path_segment(value: str) -> None:
    made = template(path="/a/${identity}/b", method="GET")
    path, _, _ = made.parts({"identity": value.encode("utf-8", "replace").decode()})
    first, rest = path[:3], path[3:]
    assert (first, urlsplit(path).query) == ("/a/", "")
    assert rest.count("/") == 1
    assert unquote(rest[:-2]) == value.encode("utf-8", "replace").decode()


@given(ANY)
def test_a_value_stays_one_json_text(value: str) -> None:
    headers = {"Content-Type": "application/json"}
    made = template(headers=headers, body='{"subject": "${identity}", "n": 1}')
    assert json.loads(made.parts({"identity": value})[2]) == {"subject": value, "n": 1}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_value_stays_one_form_field(value: str) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    made = template(headers=headers, body="a=${serial}&b=2")
    assert parse_qs(made.parts({"serial": value})[2].decode()) == {"a": [value], "b": ["2"]}


@given(ANY)
def test_a_value_cannot_add_a_header(value: str) -> None:
    made = template(headers={"X-Agent": "${identity}"}, method="GET")
    head, _, body = made.bytes({"identity": value}).partition(b"\r\n\r\n")
    assert head.count(b"\r\n") == 2
    assert body == b""


def test_a_request_is_whole() -> None:
    made = template(method="POST", path="/c", headers={"A": "b"}, body="xyz")
    assert (
        made.bytes({})
        == b"POST /c HTTP/1.1\r\nHost: host:1\r\nA: b\r\nContent-Length: 3\r\n\r\nxyz"
    )


@pytest.mark.parametrize(
    ("path", "found"),
    [("", {"a": [{"b/c": 1}], "~": 2}), ("/a/0/b~1c", 1), ("/~0", 2)],
)
def test_a_pointer_finds_what_it_names(path: str, found: object) -> None:
    assert pointer({"a": [{"b/c": 1}], "~": 2}, path) == found


@pytest.mark.parametrize("path", ["/b", "/a/1", "/a/x", "/a/0/b~1c/d"])
def test_a_pointer_to_nothing_is_a_lookup_error(path: str) -> None:
    with pytest.raises(LookupError):
        pointer({"a": [{"b/c": 1}]}, path)
