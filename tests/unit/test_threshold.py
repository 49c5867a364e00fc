"""Thresholds: what is read, what is refused, and what a run says about them."""

import pytest

from loadgen.histogram import empty, encode
from loadgen.threshold import Verdict, judge, parse
from scenarios.errors import UsageError
from scenarios.record.tables import OperationRow


def row(op: str, code: str, latencies_ms: list[float], batch: int = 0) -> OperationRow:
    histogram = empty()
    for latency_ms in latencies_ms:
        histogram.record_value(int(latency_ms * 1000))
    return OperationRow("0", "r", 0, batch, op, code, len(latencies_ms), encode(histogram))


@pytest.mark.parametrize(
    ("text", "operation", "metric", "comparison", "limit"),
    [
        ("issue.p99 > 50ms", "issue", "p99", ">", 0.05),
        ("authorize.p99.9>=1.5s", "authorize", "p99.9", ">=", 1.5),
        ("all.errors > 1%", "all", "errors", ">", 0.01),
        ("all.errors>0.001", "all", "errors", ">", 0.001),
        ("issue-x509.count < 100", "issue-x509", "count", "<", 100.0),
        ("lag.max > 900us", "lag", "max", ">", 0.0009),
    ],
)
def test_reads(text: str, operation: str, metric: str, comparison: str, limit: float) -> None:
    found = parse(text)
    assert (found.operation, found.metric, found.comparison) == (operation, metric, comparison)
    assert found.limit == pytest.approx(limit)


def test_names_every_fault_in_one_line() -> None:
    with pytest.raises(UsageError) as caught:
        parse("isue.p9x => 50parsec")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("isue", "p9x", "=>", "50parsec"):
        assert part in message


@pytest.mark.parametrize(
    "text",
    ["", "issue", "issue.p99", "issue.p99 >", "> 50ms", "issue.p0 > 1s", "lag.errors > 1%",
     "issue.p99 > 50", "issue.p99 > -5ms", "issue.p99 > nan", "all.count > 5ms", "a.b.c > 1s",
     "issue.p99 > 50ms and more", "issue.p100 > 1s", "\x00"],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="--fail-if"):
        parse(text)


def test_a_percentile_of_many_arrivals_is_kept_or_broken() -> None:
    rows = [row("issue-x509", "ok", [1.0] * 9000), row("issue-x509", "ok", [20.0] * 1000, 1)]
    assert judge(parse("issue.p99 > 50ms"), rows).verdict is Verdict.KEPT
    assert judge(parse("issue.p99 > 10ms"), rows).verdict is Verdict.BROKEN
    assert judge(parse("issue.p50 > 10ms"), rows).verdict is Verdict.KEPT


def test_a_percentile_of_few_arrivals_is_inconclusive_when_it_could_be_either() -> None:
    judgement = judge(parse("issue.p99 > 50ms"), [row("issue-jwt", "ok", [1.0] * 50)])
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.n == 50
    assert "∞" in judgement.sentence()


def test_an_operation_without_arrivals_is_inconclusive() -> None:
    judgement = judge(parse("authorize.p50 > 1ms"), [row("issue-jwt", "ok", [1.0] * 50)])
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.value is None
    assert "nothing was measured" in judgement.sentence()


def test_errors_are_a_share_with_its_interval() -> None:
    rows = [row("authorize", "ok", [1.0] * 990), row("authorize", "timeout", [1.0] * 10)]
    judgement = judge(parse("all.errors > 5%"), rows)
    assert judgement.verdict is Verdict.KEPT
    assert judgement.value == pytest.approx(0.01)
    assert judge(parse("all.errors > 0.1%"), rows).verdict is Verdict.BROKEN
    assert judge(parse("all.errors > 1%"), rows).verdict is Verdict.INCONCLUSIVE


def test_a_family_takes_its_members_only() -> None:
    rows = [row("issue-x509", "ok", [1.0] * 10), row("issue-key", "ok", [1.0] * 5),
            row("authorize", "ok", [1.0] * 7), row("lag", "ok", [1.0] * 22)]  # fmt: skip
    assert judge(parse("issue.count < 1"), rows).n == 15
    assert judge(parse("authorize.count < 1"), rows).n == 7
    assert judge(parse("all.count < 1"), rows).n == 22


def test_lag_is_judged_by_the_generators_own_rows() -> None:
    rows = [row("lag", "ok", [1.0] * 1000), row("authorize", "ok", [80.0] * 1000)]
    assert judge(parse("lag.p99 > 5ms"), rows).verdict is Verdict.KEPT
    assert judge(parse("all.p99 > 5ms"), rows).verdict is Verdict.BROKEN
