"""The simulator reproduces closed forms, and the suite would notice if it did not."""

import numpy as np
import pytest

from scenarios.errors import UsageError
from scenarios.spec import rules
from simulator import validate as suite
from simulator.checks import issuer, renewal, thefts
from simulator.checks.finding import Finding
from simulator.simulate import engine_named
from simulator.validate import judge, validate

QUICK = (renewal.renewal_age, issuer.waiting, issuer.outage, thefts.common_random_numbers)


def finding(mean: float, sd: float, n: int, theory: float = 1.0, margin: float = 0.1) -> Finding:
    observed = np.linspace(-1.0, 1.0, n) * sd * np.sqrt(3) + mean
    return Finding("x", "1", observed, theory, margin, "")


def test_quick_checks_hold_for_the_reference() -> None:
    found = validate("reference", QUICK)
    assert [(row.quantity, row.verdict) for row in found if not row.ok] == []
    assert all(row.simulated.level == pytest.approx(0.99 ** (1 / len(found))) for row in found)


@pytest.mark.long
def test_every_check_holds_for_the_reference() -> None:
    found = validate("reference")
    assert [(row.quantity, row.verdict) for row in found if not row.ok] == []
    assert len(found) >= 10


def test_a_wrong_law_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = rules.polled_age

    def drawn_once(
        ttl_s: float, fraction: float, jitter: float, poll_s: float, u_phase: float, u_draw: float
    ) -> float:
        return right(ttl_s, fraction, jitter, ttl_s * fraction, u_phase, u_draw) + 0 * poll_s

    monkeypatch.setattr(rules, "polled_age", drawn_once)
    found = [judge(f, "", 0.999) for f in renewal.renewal_age(engine_named("reference"))]
    assert not any(row.ok for row in found)


def test_a_mean_off_by_more_than_the_margin_differs() -> None:
    assert judge(finding(1.2, 0.1, 1000), "", 0.99).verdict == "differs"
    assert judge(finding(1.05, 0.1, 1000), "", 0.99).verdict == "ok"


def test_an_interval_wider_than_the_margin_is_refused() -> None:
    assert judge(finding(1.0, 1.0, 100), "", 0.99).verdict == "underpowered"
    assert judge(finding(1.0, 1.0, 1), "", 0.99).verdict == "underpowered"


def test_a_right_engine_passes_as_often_as_the_suite_says() -> None:
    rng = np.random.default_rng(5)
    level = 0.9
    inside = 0
    for _ in range(500):
        row = judge(Finding("", "1", rng.normal(1.0, 1.0, 400), 1.0, 0.5, ""), "", level)
        assert row.simulated.low is not None
        assert row.simulated.high is not None
        inside += row.simulated.low <= 1.0 <= row.simulated.high
        assert row.ok
    assert inside / 500 == pytest.approx(level, abs=0.05)


def test_an_unknown_population_is_named() -> None:
    with pytest.raises(UsageError, match="engine"):
        validate("abacus")


def test_progress_counts_experiments() -> None:
    seen: list[tuple[int, int]] = []
    validate(
        "reference",
        (thefts.common_random_numbers,),
        on_progress=lambda done, of: seen.append((done, of)),
    )
    assert seen == [(1, 1)]
    assert len(suite.CHECKS) >= 10
