"""Who touched what: counted exactly, attributed no further than the line goes."""

import asyncio
import json
from pathlib import Path

import pytest

from loadgen.accesses import Access, accesses
from loadgen.service.audit import AuditLog, Line
from loadgen.who import Question, answer, instant
from scenarios.errors import InputError, UsageError

SVID = Access(10.0, "spiffe://a/support/1", "support", "routine", permission="ticket:read")
KEY = Access(11.0, "key://support/0", "support", origin="10.0.0.1", permission="ticket:read")
NOBODY = Access(12.0, "", permission="ticket:read", outcome="denied")
TOKEN = Access(
    13.0, "spiffe://a/support/2", "support", "night", "user:ada", permission="incident:write"
)
LOG = [SVID, KEY, Access(11.5, "key://support/0", "support", origin="10.0.0.2"), NOBODY, TOKEN]


def test_lines_are_counted_by_name_and_attributed_no_further_than_they_go() -> None:
    found = answer(LOG, Question())
    assert (found.lines_read, found.lines) == (5, 5)
    assert found.named == {"workload": 0.4, "task": 0.4, "on_behalf_of": 0.2}
    assert found.unattributed_share == 0.6
    assert sorted(found.unattributed.values()) == [1, 2]
    key = found.who[0]
    assert (key.identity, key.shared_secret, key.lines) == ("key://support/0", True, 2)
    assert key.what == {"ticket:read": 1, "(use)": 1}
    assert (key.origins, key.origin_count) == (["10.0.0.1", "10.0.0.2"], 2)
    nobody = next(actor for actor in found.who if not actor.identity)
    assert (nobody.denied, nobody.first_s, nobody.last_s) == (1, 12.0, 12.0)
    assert found.took_s > 0


def test_the_window_is_half_open_and_filters_are_exact() -> None:
    assert answer(LOG, Question(10.0, 11.0)).lines == 1
    assert answer(LOG, Question(permission="ticket:read")).lines == 3
    assert answer(LOG, Question(workload="support", permission="incident:write")).lines == 1
    nothing = answer(LOG, Question(permission="ticket"))
    assert nothing.lines == 0
    assert nothing.unattributed_share is None
    assert nothing.named == {"workload": None, "task": None, "on_behalf_of": None}


def test_a_name_of_neither_kind_is_a_secret_unless_the_line_has_a_workload() -> None:
    assert Access(0.0, "token-17").names_secret
    assert not Access(0.0, "build-17", "build").names_secret
    assert Access(0.0, "key://build/0", "build").names_secret


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T00:01:00", 60.0),
        ("1970-01-01T01:01:00+01:00", 60.0),
        ("60.5", 60.5),
    ],
)
def test_instants(text: str, seconds: float) -> None:
    assert instant(text, "from") == seconds


def test_questions_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="from: found 'yesterday'"):
        instant("yesterday", "from")
    with pytest.raises(UsageError, match="must be before to"):
        Question(2.0, 2.0)
    with pytest.raises(UsageError, match="must be before to"):
        Question(float("nan"), 2.0)


def test_the_embedded_log_is_read_with_its_wall_clock(tmp_path: Path) -> None:
    path = tmp_path / "audit.sqlite3"

    async def run() -> None:
        log = AuditLog(path)
        line = Line(5.0, 1000.0, identity="spiffe://a/b/1", workload="b", permission="x:y")
        await log.write([line, Line(6.0, 1001.0, identity="key://b/0", workload="b")])
        log.close()

    asyncio.run(run())
    found = list(accesses(path, None, "a"))
    assert [(one.wall_s, one.identity, one.what) for one in found] == [
        (1000.0, "spiffe://a/b/1", "x:y"),
        (1001.0, "key://b/0", "(use)"),
    ]
    assert [one.names_secret for one in found] == [False, True]


def test_lines_of_json_may_say_on_whose_behalf(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    line = {"occurred_s": 3, "identity": "spiffe://a/b", "on_behalf_of": "user:ada", "extra": 1}
    path.write_text(json.dumps(line) + "\n\n")
    (found,) = accesses(path, "lines", "a")
    assert (found.wall_s, found.on_behalf_of) == (3.0, "user:ada")


OPENBAO = {
    "time": "2026-01-31T12:00:00Z",
    "type": "response",
    "auth": {"metadata": {"identity": "key://support/0", "workload": "support"}, "accessor": "h"},
    "request": {"path": "secret/data/res/ticket/read", "operation": "read"},
}
SPIRE = {
    "time": "2026-01-31T12:00:00Z",
    "msg": "API accessed",
    "method": "MintX509SVID",
    "spiffe_id": "spiffe://a/support/1",
    "status": "success",
}


@pytest.mark.parametrize(
    ("kind", "line", "identity", "what"),
    [
        ("openbao", OPENBAO, "key://support/0", "ticket:read"),
        ("spire", SPIRE, "spiffe://a/support/1", "(issue)"),
    ],
)
def test_other_services_logs(
    kind: str, line: dict[str, object], identity: str, what: str, tmp_path: Path
) -> None:
    path = tmp_path / "audit.log"
    path.write_text(json.dumps(line) + "\n")
    (found,) = accesses(path, kind, "a")
    assert (found.identity, found.what) == (identity, what)
    assert found.wall_s == 1_769_860_800.0


@pytest.mark.parametrize("kind", ["lines", "openbao"])
@pytest.mark.parametrize("text", ["{", "[]\n", '{"identity": "x"}\n', "rubbish\n", '{"a": 1}'])
def test_a_line_that_is_none_ends_it(text: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_text(text)
    with pytest.raises(InputError, match="line 1"):
        answer(accesses(path, kind, "a"), Question())


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("syslog", b"", "known are embedded, openbao, spire, lines"),
        ("embedded", b"{}\n", "but .* is text"),
        ("lines", b"SQLite format 3\x00", "but .* is a SQLite database"),
        (None, b"SQLite format 3\x00" + b"x" * 4096, "is none of the embedded service"),
        ("spire", b"plain text\n", "is none of a SPIRE server"),
    ],
)
def test_a_log_of_another_kind_is_named(
    kind: str | None, content: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        list(accesses(path, kind, "a"))


def test_a_missing_log_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: No such file"):
        accesses(tmp_path / "nowhere", None, "a")
