"""Somebody else's audit log: read line by line, followed while it grows, never died of."""

import json
from math import isnan
from pathlib import Path

import pytest

from loadgen.audit_lines import Skipped, events, fields_of, follow
from loadgen.watch import sight
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.serials import SupersededSerial
from scenarios.errors import UsageError


def line(**fields: object) -> bytes:
    return json.dumps({"identity": "spiffe://a/b", "occurred_s": 1.0, **fields}).encode() + b"\n"


def test_what_a_line_leaves_out_is_empty() -> None:
    (event,) = events([line(other="thing")], Skipped())
    assert (event.identity, event.occurred_s, event.observed_s) == ("spiffe://a/b", 1.0, 1.0)
    assert (event.operation, event.outcome, event.origin) == ("use", "ok", "")
    assert isnan(event.issued_s)


def test_bad_lines_are_counted_and_the_others_read() -> None:
    lines = [
        line(),
        b"\n",
        b"{",
        line(occurred_s="x"),
        b"\xff\xfe\n",
        b"[" * 5000,
        line(occurred_s=2),
    ]
    skipped = Skipped()
    assert [event.occurred_s for event in events(lines, skipped)] == [1.0, 2.0]
    assert skipped.count == 4
    assert skipped.first.startswith("line 3: ")


def test_the_fields_of_a_log_decide_which_detectors_see() -> None:
    fields = fields_of(line(serial="1", origin="10.0.0.1", unknown=3))
    assert fields == {"identity", "occurred_s", "serial", "origin"}
    seeing = sight([SupersededSerial(), TwoOrigins()], fields)
    assert seeing.names == {"two-origins"}
    assert list(seeing.blind) == ["superseded-serial"]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"nonsense", line(operation="eat")])
def test_a_first_line_that_is_no_event_is_one_line_of_complaint(raw: bytes) -> None:
    with pytest.raises(UsageError, match="audit log: line 1 is no event") as caught:
        fields_of(raw)
    assert "\n" not in str(caught.value)


def test_a_log_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError, match="audit log"):
            next(follow(path, lambda: True))
