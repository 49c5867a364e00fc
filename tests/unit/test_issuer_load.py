"""A rotation faster than the issuer can serve is warned of, under every rule."""

from typing import Any

import pytest

from scenarios.spec import consistency, load
from scenarios.spec.schema import Issuer, Scenario, Task, Workload
from tests.scenes import make_regime, make_scenario

BUSY = Task(name="busy", rate_hz=10.0, permissions=("a:a",), active_hours=((9, 10),))
IDLE = Task(name="idle", rate_hz=0.1, permissions=("a:b",))


def asked(rule: str, **changes: Any) -> tuple[float, list[str]]:  # noqa: ANN401
    """Return the rate at which 100 agents ask, and what is warned of where one server does 1/s."""
    regime = make_regime(rule, **changes)
    asked = make_scenario(
        regime, agents=100, tasks=(BUSY, IDLE), issuer=Issuer(servers=1, service_time_s=1.0)
    )
    demand = load.requests(regime, asked)
    return 0.0 if demand is None else demand.rate_hz, consistency.warnings(asked)


@pytest.mark.parametrize(
    ("rule", "changes", "rate_hz"),
    [
        ("fraction", {"ttl_s": 100.0}, 100 / 50),
        ("before-expiry", {"ttl_s": 700.0}, 100 / (700 - 600)),
        ("at-use", {"ttl_s": 20.0}, 100 / (10 + 1 / 10.1)),
        ("at-use", {"ttl_s": 20.0, "scope": "one-task"}, 100 / (10 + 0.1) + 100 / (10 + 10)),
    ],
)
def test_every_rule_is_counted_in_its_busiest_hour(
    rule: str, changes: dict[str, Any], rate_hz: float
) -> None:
    found, warned = asked(rule, **changes)
    assert found == pytest.approx(rate_hz)
    lines = [line for line in warned if "offer the issuer" in line]
    assert len(lines) == (rate_hz >= 1)
    if lines:
        assert f"{rate_hz:.3g} times what 1 servers at 1 s a signature can serve" in lines[0]


def test_a_document_for_each_request_asks_as_often_as_it_is_used() -> None:
    found, warned = asked("per-request", ttl_s=60.0)
    assert found == pytest.approx(100 * 10.1)
    assert any("1.01e+03 times" in line for line in warned)


def test_keys_that_are_handed_out_ask_no_issuer() -> None:
    assert asked("never") == (0.0, [])
    assert asked("fraction", ttl_s=10.0, issuance="manual") == (0.0, [])


def test_a_class_s_own_lifetime_counts() -> None:
    regime = make_regime("fraction", ttl_s=3600.0, renewal={"rule": "fraction"})
    base = make_scenario(regime, agents=10)
    short = Workload(name="hasty", count=90, tasks=(IDLE,), ttl_s=20.0)
    both = Scenario.model_validate(
        base.model_dump() | {"workloads": (*base.workloads, short), "regimes": (regime,)}
    )
    demand = load.requests(regime, both)
    assert demand is not None
    assert demand.rate_hz == pytest.approx(10 / 1800 + 90 / 10)
