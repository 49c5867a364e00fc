"""How a theft's end is read from its row."""

from math import inf

import msgspec
import pytest

from analysis import thefts
from analysis.split import splits
from analysis.thefts import CAUSES, OPEN, as_expected, end_of_use_s, follow, follow_up_s, outcome
from tests.records import HORIZON_S, measured, theft


@pytest.mark.parametrize(
    ("row", "end_s", "cause"),
    [
        ({"end": "open"}, inf, "open"),
        ({"end": "open", "expires_s": 9e9}, inf, "open"),
        ({"end": "expired", "expires_s": 900.0}, 900.0, "expired"),
        ({"end": "revoked", "revoked_s": 700.0, "expires_s": 900.0}, 700.0, "revoked"),
        ({"end": "refused", "last_accepted_s": 650.0}, 650.0, "refused"),
        ({"end": "refused", "first_use_s": 150.0}, 100.0, "refused"),
        ({"end": "evicted", "evicted_s": 5000.0, "expires_s": 4900.0}, 5000.0, "evicted"),
        ({"end": "expired", "evicted_s": 1000.0, "expires_s": 900.0}, 1000.0, "expired"),
        ({"end": "open", "evicted_s": 1000.0}, 1000.0, "evicted"),
    ],
)
def test_an_end_is_read_from_the_row(row: dict[str, object], end_s: float, cause: str) -> None:
    stolen = theft(**row)
    assert end_of_use_s(stolen) == end_s
    followed = follow([stolen], HORIZON_S)
    assert followed.detection.time_s[0] == min(end_s, HORIZON_S) - 100
    assert CAUSES.get(int(followed.detection.cause[0]), "open") == cause
    assert bool(followed.use.cause[0] != OPEN) == (end_s < inf)


def test_detection_counts_when_it_comes_before_the_end_and_not_after() -> None:
    before = theft(end="expired", expires_s=900.0, alert_s=800.0, detector="x")
    after = theft(end="expired", expires_s=900.0, alert_s=950.0, detector="x")
    followed = follow([before, after], HORIZON_S)
    assert followed.detection.time_s.tolist() == [700.0, 800.0]
    assert followed.detection.cause.tolist() == [thefts.DETECTED, thefts.EXPIRED]
    assert followed.use.time_s.tolist() == [800.0, 800.0]


def test_a_theft_that_was_open_at_the_start_is_left_out() -> None:
    assert len(follow([theft(stolen_s=-10.0)], HORIZON_S)) == 0


def test_a_measured_run_is_watched_until_its_last_event() -> None:
    late = theft(stolen_s=5.0, alert_s=21.0, detector="x")
    other = theft(stolen_s=6.0)
    followed = follow([late, other], 20.0)
    assert followed.detection.cause.tolist() == [thefts.DETECTED, OPEN]
    assert followed.detection.time_s.tolist() == [16.0, 144.0]  # its first use at 150 was seen


def test_curves_go_as_far_as_a_fifth_of_the_thefts_was_watched() -> None:
    evenly = follow([theft(stolen_s=1000.0 * k) for k in range(20)], HORIZON_S)
    assert follow_up_s([evenly]) == 16_000.0
    assert follow_up_s([evenly, follow([theft(stolen_s=HORIZON_S - 1234.0)], HORIZON_S)]) == 1200.0
    assert follow_up_s([follow([], HORIZON_S)]) == 0.0


@pytest.mark.parametrize(
    ("row", "became", "expected"),
    [
        ({"alert_s": 5.0, "detector": "x", "expected": "x"}, "x", True),
        ({"alert_s": 5.0, "detector": "x", "expected": "y"}, "x", False),
        ({"expected": "undetected"}, "undetected", True),
        ({"alert_s": 5.0, "detector": "x", "expected": "undetected"}, "x", False),
        ({"end": "expired", "expected": "undetected"}, "expired", True),
        ({"end": "expired", "expected": "expired"}, "expired", True),
        ({"end": "open", "expected": "expired"}, "undetected", False),
        ({"end": "open"}, "undetected", None),
    ],
)
def test_an_outcome_is_held_against_what_was_expected(
    row: dict[str, object], became: str, expected: bool | None
) -> None:
    assert outcome(theft(**row)) == became
    assert as_expected(theft(**row)) is expected


def test_thefts_of_one_secret_are_one_cluster() -> None:
    followed = follow(
        [theft(agent=1), theft(agent=2), theft(agent=1)], HORIZON_S, lambda t: t.agent
    )
    assert followed.use.cluster.tolist() == [0, 1, 0]
    assert followed.detection.clusters == 2
    assert follow([theft(), theft()], HORIZON_S).use.clusters == 2


def test_the_parts_of_a_detection_end_at_the_alert_that_was_answered() -> None:
    record = measured()
    of = next(row for row, theft in enumerate(record.incidents) if theft.alert_s is not None)
    (answered,) = [alert for alert in record.alerts if alert.incident == of]
    before = msgspec.structs.replace(
        answered, detector="ignored", t_s=answered.t_s - 1, event_s=answered.event_s - 1
    )
    (told,) = [one for one in splits(record, answered.point).thefts if one.row == of]
    record.alerts.insert(0, before)
    assert told in splits(record, answered.point).thefts
