"""Detectors: what raises them, what does not, and that identities never influence each other."""

from math import nan
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.detection.addresses import NewOrigin
from scenarios.detection.audit import Alert, AuditEvent, Outcome
from scenarios.detection.canaries import TOUCH, Canary
from scenarios.detection.detector import Detector
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.permissions import NewPermission
from scenarios.detection.rates import Expected, RateChange
from scenarios.detection.serials import SupersededSerial
from scenarios.detection.unknown import UnknownSerial

BASELINE = {("w", "t"): frozenset({"a:read"}), ("w", ""): frozenset({"a:read", "b:read"})}


def use(
    t_s: float = 0.0,
    identity: str = "i",
    serial: str = "1",
    issued_s: float = 0.0,
    origin: str = "127.0.0.1",
    permission: str = "a:read",
    task: str = "t",
    outcome: Outcome = "ok",
) -> AuditEvent:
    return AuditEvent(
        t_s, t_s + 1, identity, "w", task, serial, issued_s, origin, "use", permission, outcome
    )


def alerts(detector: Detector, *events: AuditEvent) -> list[Alert | None]:
    return [detector.update(event) for event in events]


def test_a_superseded_serial_is_reported_once_and_at_the_observation() -> None:
    found = alerts(
        SupersededSerial(),
        use(0, serial="1", issued_s=0),
        use(1, serial="2", issued_s=1),
        use(2, serial="1", issued_s=0),
        use(3, serial="1", issued_s=0),
    )
    assert [a is not None for a in found] == [False, False, True, False]
    assert found[2] is not None
    assert found[2].alert_s == 3


def test_a_document_of_another_task_supersedes_nothing() -> None:
    found = alerts(SupersededSerial(), use(0, task="t", issued_s=5), use(1, task="u", issued_s=1))
    assert found == [None, None]


def test_an_unknown_issue_instant_says_nothing() -> None:
    assert alerts(SupersededSerial(), use(0, issued_s=5), use(1, issued_s=nan)) == [None, None]


def test_one_serial_from_two_origins() -> None:
    found = alerts(
        TwoOrigins(),
        use(0, origin="127.0.0.1"),
        use(1, origin="127.0.0.2", serial="2"),
        use(2, origin="127.0.0.2", serial="1"),
    )
    assert [a is not None for a in found] == [False, False, True]


def test_a_permission_out_of_need() -> None:
    detector = NewPermission(BASELINE)
    found = alerts(
        detector,
        use(0, permission="a:read"),
        use(1, permission="b:read", task=""),
        use(2, permission="b:read"),
        use(3, identity="j", task="unknown", permission="c:read"),
    )
    assert [a is not None for a in found] == [False, False, True, False]


def issue(serial: str, issued_s: float, identity: str = "i") -> AuditEvent:
    line = use(issued_s, identity, serial, issued_s, permission="")
    return msgspec.structs.replace(line, operation="issue")


def test_a_serial_that_nobody_issued() -> None:
    detector = UnknownSerial()
    found = alerts(
        detector,
        use(0, serial="before-the-log", issued_s=-5),
        issue("1", 1),
        use(2, serial="1", issued_s=1),
        use(3, serial="before-the-log", issued_s=-5),
        use(4, serial="forged", issued_s=1),
        use(5, serial="forged", issued_s=1),
    )
    assert [a is not None for a in found] == [False, False, False, False, True, False]
    detector.forget("i")
    assert alerts(
        detector, use(6, serial="forged", issued_s=1), use(7, serial="1", issued_s=1)
    ) != [
        None,
        None,
    ]


def test_a_refused_issue_makes_no_document() -> None:
    refused = msgspec.structs.replace(issue("2", 2), outcome="denied")
    found = alerts(UnknownSerial(), issue("1", 1), refused, use(3, serial="2", issued_s=2))
    assert [a is not None for a in found] == [False, False, True]


def test_forgetting_lets_an_identity_be_reported_again() -> None:
    detector = TwoOrigins()
    pair = (use(0), use(1, origin="127.0.0.9"))
    assert alerts(detector, *pair)[1] is not None
    detector.forget("i")
    assert alerts(detector, *pair)[1] is not None


def raised(detector: Detector, *events: AuditEvent) -> list[bool]:
    return [alert is not None for alert in alerts(detector, *events)]


def test_an_address_is_new_to_whom_it_was_not_declared_or_believed() -> None:
    detector = NewOrigin(delay_s=5.0)
    detector.know("i", ["127.0.0.1", "127.0.0.2"])
    events = (use(0), use(1, origin="127.0.0.2"), use(2, origin="127.0.0.3"), use(3, origin="x"))
    found = alerts(detector, *events)
    assert [alert is not None for alert in found] == [False, False, True, False]
    assert found[2] is not None
    assert found[2].alert_s == 2 + 1 + 5
    assert raised(detector, use(4, identity="j", origin="a"), use(5, identity="j", origin="b")) == [
        False,
        True,
    ]


def test_a_refused_use_is_not_believed() -> None:
    stranger = use(0, origin="thief", outcome="denied")
    assert raised(NewOrigin(), stranger, use(1, origin="home"), stranger) == [False, False, True]


def test_forgetting_an_identity_keeps_its_declared_addresses() -> None:
    detector = NewOrigin()
    detector.know("i", ["home"])
    assert raised(detector, use(0, origin="thief")) == [True]
    detector.forget("i")
    assert raised(detector, use(1, origin="home"), use(2, origin="thief")) == [False, True]


def test_a_canary_is_touched_once_by_whatever_task() -> None:
    touch = use(0, permission=TOUCH, task="", outcome="denied")
    assert raised(Canary(), use(0), touch, touch) == [False, True, False]


def rate_change(threshold: float, reference: float = 2.0) -> RateChange:
    return RateChange({"w": Expected((0.1,) * 24, 0.0)}, reference, threshold)


def test_the_sum_rises_by_one_and_falls_by_k_for_each_line_expected() -> None:
    # one line is expected in 10 s, so that 2.5 s take half off at k = 2: 1, 1.5, 2, 2.5
    found = raised(rate_change(2.5), *(use(2.5 * n) for n in range(4)))
    assert found == [False, False, False, True]
    assert not any(raised(rate_change(2.5), *(use(5.0 * n) for n in range(100))))
    assert not any(raised(rate_change(1.5), use(0), use(1, identity="j")))


def test_a_workload_without_declared_rate_is_not_judged() -> None:
    assert not any(raised(RateChange({}, 2.0, 1.5), *(use(0) for _ in range(9))))


def test_expected_lines_follow_the_hours_over_midnight() -> None:
    office = Expected(tuple(1.0 if 8 <= hour < 18 else 0.0 for hour in range(24)), 17.0)
    times_s = [-86_400.0, 0.0, 1800.0, 3600.0, 15 * 3600.0, 16 * 3600.0, 86_400.0]
    expected = [-36_000.0, 0.0, 1800.0, 3600.0, 3600.0, 7200.0, 36_000.0]
    assert [office.until(t_s) for t_s in times_s] == expected
    assert office.until(np.array(times_s)).tolist() == expected


def suite() -> list[Detector]:
    known = NewOrigin()
    known.know("j", ["127.0.0.1"])
    return [
        SupersededSerial(),
        TwoOrigins(),
        NewPermission(BASELINE),
        known,
        Canary(),
        rate_change(3.0),
        UnknownSerial(),
    ]


def either(operation: str, **fields: Any) -> AuditEvent:  # noqa: ANN401
    return msgspec.structs.replace(use(**fields), operation=operation)


event = st.builds(
    either,
    operation=st.sampled_from(["use", "use", "issue"]),
    t_s=st.floats(0, 100),
    identity=st.sampled_from(["i", "j", "k"]),
    serial=st.sampled_from(["1", "2", "3"]),
    issued_s=st.sampled_from([-1.0, 0.0, 1.0, nan]),
    origin=st.sampled_from(["127.0.0.1", "127.0.0.2", ""]),
    permission=st.sampled_from(["a:read", "b:read", "", TOUCH]),
    task=st.sampled_from(["t", ""]),
    outcome=st.sampled_from(["ok", "denied"]),
)


@given(st.lists(event, max_size=40))
@settings(max_examples=150)
def test_interleaving_identities_changes_no_alert(events: list[AuditEvent]) -> None:
    together, apart = suite(), {i: suite() for i in "ijk"}
    for index, one in enumerate(events):
        for number, detector in enumerate(together):
            found = detector.update(one)
            alone = apart[one.identity][number].update(one)
            assert (found is None) == (alone is None), (index, detector.name)


@pytest.mark.parametrize("detector", suite(), ids=lambda d: d.name)
def test_needs_are_fields_of_the_audit_event(detector: Detector) -> None:
    assert detector.needs <= set(AuditEvent.__struct_fields__)
    assert isinstance(detector, Detector)
