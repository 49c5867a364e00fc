"""The watcher sees what its source lets it see, in order, and the responder answers once."""

import threading
import time
from collections.abc import Iterator

import pytest

from loadgen.response import Responder
from loadgen.watch import Watcher, sight, watch_stream
from scenarios.detection.audit import Alert, AuditEvent
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.serials import SupersededSerial
from scenarios.errors import TargetRefused


def event(
    t_s: float, identity: str, origin: str, serial: str = "1", issued_s: float = 0.0
) -> AuditEvent:
    return AuditEvent(
        t_s, t_s + 0.01, identity, "w", "", serial, issued_s, origin, "use", "a:b", "ok"
    )  # fmt: skip


STREAM = [
    event(1.0, "a", "127.0.0.1"),
    event(2.0, "b", "127.0.0.1"),
    event(3.0, "a", "127.9.9.9"),
    event(4.0, "a", "127.9.9.9"),
    event(5.0, "b", "127.0.0.1", serial="2", issued_s=4.5),
    event(6.0, "b", "127.0.0.1", serial="1"),
]


def test_fields_decide_which_detectors_are_blind() -> None:
    seeing = sight([SupersededSerial(), TwoOrigins()], frozenset({"identity", "serial", "origin"}))
    assert seeing.names == {"two-origins"}
    assert seeing.blind == {"superseded-serial": "the audit stream carries no issued_s, task"}


def test_watch_stream_yields_every_event_with_its_alerts() -> None:
    seen = list(watch_stream(STREAM, [SupersededSerial(), TwoOrigins()]))
    assert [one for one, _ in seen] == STREAM
    raised = [(one.occurred_s, alert.detector) for one, alerts in seen for alert in alerts]
    assert raised == [(3.0, "two-origins"), (6.0, "superseded-serial")]


def test_strangers_are_nobodys_business() -> None:
    strangers = [event(1.0, "", "127.0.0.1", serial=""), event(2.0, "", "127.9.9.9", serial="")]
    assert [alerts for _, alerts in watch_stream(strangers, [TwoOrigins()])] == [[], []]


def test_the_watcher_counts_and_hands_alerts_on_at_once() -> None:
    handed: list[Alert] = []
    watcher = Watcher(iter(STREAM), [TwoOrigins()], handed.append)
    watcher.start()
    assert watcher.join(5.0)
    assert [alert.identity for alert in handed] == ["a"]
    assert watcher.alerts == handed
    assert watcher.seen.events == len(STREAM)
    assert watcher.seen.uses == {"a": 3, "b": 3}
    assert watcher.seen.delay.get_total_count() == len(STREAM)
    assert watcher.seen.delay.get_value_at_percentile(50.0) == pytest.approx(10_000, rel=0.001)


def test_what_is_forgotten_is_learnt_anew() -> None:
    gate, first = threading.Event(), threading.Event()

    def stream() -> Iterator[AuditEvent]:
        yield from STREAM[:3]
        first.set()
        gate.wait(5.0)
        yield event(7.0, "a", "127.9.9.9")
        yield event(8.0, "a", "127.8.8.8")

    watcher = Watcher(stream(), [TwoOrigins()], lambda _: None)
    watcher.start()
    assert first.wait(5.0)
    watcher.forget("a")
    gate.set()
    assert watcher.join(5.0)
    assert [alert.alert_s for alert in watcher.alerts] == pytest.approx([3.01, 8.01])


def test_a_stream_that_breaks_is_told() -> None:
    def stream() -> Iterator[AuditEvent]:
        yield STREAM[0]
        raise OSError("no such table")

    watcher = Watcher(stream(), [TwoOrigins()], lambda _: None)
    watcher.start()
    assert watcher.join(5.0)
    assert watcher.fault == "the audit stream broke: OSError: no such table"


def alert(identity: str, serial: str) -> Alert:
    one = event(1.0, identity, "127.0.0.1", serial)
    return Alert("two-origins", identity, one.observed_s, one, "")


def test_each_document_is_revoked_once() -> None:
    revoked: list[tuple[str, str]] = []
    told: list[str] = []
    responder = Responder(
        lambda identity, serial: revoked.append((identity, serial)), time.monotonic, told.append
    )
    responder.start()
    for one in (alert("a", "1"), alert("a", "1"), alert("a", "2"), alert("b", "1")):
        responder.respond(one)
    responder.close()
    assert revoked == [("a", "1"), ("a", "2"), ("b", "1")]
    assert told == ["a", "a", "b"]
    for done in responder.done.values():
        assert done.revoked_s is not None
        assert done.decided_s <= done.revoked_s


def test_a_refused_revocation_is_noted_and_the_next_one_still_made() -> None:
    def revoke(identity: str, serial: str) -> None:
        if identity == "a":
            raise TargetRefused(f"{serial}: there is no such verb")

    told: list[str] = []
    responder = Responder(revoke, time.monotonic, told.append)
    responder.start()
    responder.respond(alert("a", "1"))
    responder.respond(alert("b", "1"))
    responder.close()
    assert responder.done["a", "1"].revoked_s is None
    assert responder.done["a", "1"].fault == "1: there is no such verb"
    assert responder.done["b", "1"].revoked_s is not None
    assert told == ["b"]


def test_what_was_revoked_is_replaced_and_what_could_not_be_is_not() -> None:
    def revoke(identity: str, _serial: str) -> None:
        if identity == "a":
            raise TargetRefused("there is no such verb")

    asked: list[tuple[str, str]] = []

    def replace(identity: str, serial: str) -> tuple[float, ...]:
        asked.append((identity, serial))
        return (3.0, 4.0)

    responder = Responder(revoke, time.monotonic, lambda _: None, replace)
    responder.start()
    responder.respond(alert("a", "1"))
    responder.respond(alert("b", "2"))
    responder.close()
    assert asked == [("b", "2")]
    assert responder.done["b", "2"].replaced_s == (3.0, 4.0)
    assert responder.done["a", "1"].replaced_s == ()
