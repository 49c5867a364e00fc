"""The swarm's bench on a fleet of a size for tests, and what makes a fleet count as carried."""

import msgspec
import pytest

from loadgen.bench import swarm as bench
from loadgen.bench.swarm import bench_swarm, why_not
from loadgen.swarm.protocol import SwarmResult
from loadgen.targets.spire.install import install

FIGURES = {"hollow_agents", "lag_p99_s", "cpu_us_per_agent_s", "kb_per_agent"}
RESULT = SwarmResult(
    valid=True,
    reason="",
    agents=100,
    seconds=10.0,
    lag_p99_s=0.01,
    steady_cpu_s=0.1,
    steady_s=5.0,
    cpu_us_per_agent_s=200.0,
    kb_per_agent=60.0,
    expired_identity_s=0.0,
    calls={},
    ok={},
    errors={},
    signed=0,
)


def test_a_fleet_counts_only_if_swarm_and_server_kept_up() -> None:
    assert why_not(RESULT, 19.0, 20.0) == ""
    assert "5 of 20 syncs" in why_not(RESULT, 5.0, 20.0)
    late = msgspec.structs.replace(RESULT, valid=False, reason="swarm saturated")
    assert why_not(late, 20.0, 20.0) == "swarm saturated"
    assert why_not(late, 20.0, 20.0, 0.62).endswith("other processes had 62% of the processor")
    assert why_not(RESULT, 20.0, 20.0, 0.62) == ""


def test_a_small_fleet_is_measured_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    install(lambda _words: None)
    monkeypatch.setattr(bench, "spire_rates", lambda: {("issue-x509", "spire"): [1.0]})
    monkeypatch.setattr(bench, "SETTLE_S", 7.0)
    monkeypatch.setattr(bench, "CARRIED", 0.1)  # other tests share this machine
    steps: list[str] = []
    table = bench_swarm(ladder=(10,), steady_s=6.0, on_step=steps.append)
    assert table.ratios.keys() == FIGURES
    names = {case.metric for case in table.cases}
    assert {"lag p99 of the swarm", "sync answered", "failed calls"} <= names
    others = next(c.value for c in table.cases if c.metric == "processor that other processes had")
    assert others is not None
    assert 0.0 <= others <= 1.0
    answered = next(case.value for case in table.cases if case.metric == "sync answered")
    assert answered is not None
    assert answered > 0
    assert steps[0].startswith("SPIRE's rates")
