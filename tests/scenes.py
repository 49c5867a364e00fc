"""Small scenarios for tests of the simulator."""

from typing import Any

from scenarios.spec.regime import Regime, RenewalRule
from scenarios.spec.schema import Scenario, Task, Workload

HOUR_S = 3600.0
WORK = Task(name="work", rate_hz=1 / 60, permissions=("files:read",))
NIGHT = Task(
    name="night",
    rate_hz=1 / 120,
    duration_s=30.0,
    permissions=("logs:read",),
    active_hours=((20, 6),),
)


def make_regime(rule: str = "fraction", **changes: Any) -> Regime:  # noqa: ANN401
    """Return an issued credential of an hour; by hand and without end under ``never``."""
    values: dict[str, Any] = {
        "name": "tested",
        "title": "",
        "source": "",
        "artifact": "x509-svid",
        "ttl_s": "never" if rule == "never" else HOUR_S,
        "issuance": "manual" if rule == "never" else "issuer",
        "renewal": RenewalRule.model_validate({"rule": rule, "jitter": 0.1}),
        "attribution": "workload",
    }
    return Regime.model_validate(values | changes)


def make_scenario(
    regime: Regime,
    agents: int = 30,
    tasks: tuple[Task, ...] = (WORK, NIGHT),
    **changes: Any,  # noqa: ANN401
) -> Scenario:
    """Return a scenario of one class and one regime over two hours."""
    values: dict[str, Any] = {
        "name": "test",
        "title": "",
        "question": "",
        "expected": "",
        "source": "",
        "horizon_s": 2 * HOUR_S,
        "regimes": (regime,),
        "workloads": (Workload(name="clerk", count=agents, agents_per_node=4, tasks=tasks),),
        "probes": 0,
    }
    return Scenario.model_validate(values | changes)
