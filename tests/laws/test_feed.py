"""Detectors say the same whether they read every line of a victim or only the decisive ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.demand.streams import seed_key
from scenarios.record.tables import AlertRow, Incident
from scenarios.spec.defence import Armed
from scenarios.spec.regime import Regime, RevocationRule
from scenarios.spec.schema import Abuse, Detection, NodeAgent, Response, Task, Threats
from simulator.control.run import run
from simulator.reference import ReferencePopulation
from tests.scenes import make_regime, make_scenario

RARE = Task(name="rare", rate_hz=1 / 400, duration_s=120.0, permissions=("mail:send",))
OFTEN = Task(name="often", rate_hz=1 / 90, duration_s=20.0, permissions=("files:read",))
DENY = RevocationRule.model_validate({"method": "deny-list", "delay_s": 5.0})
REGIMES = [
    make_regime("fraction", ttl_s=600.0, revocation=DENY),
    make_regime("fraction-polled", ttl_s=900.0),
    make_regime("at-use", ttl_s=600.0, attribution="task", scope="one-task", revocation=DENY),
    make_regime("at-use", ttl_s=600.0, scope="one-task"),
    make_regime("never"),
]
ABUSE = Abuse(first_use_median_s=20.0, first_use_sigma=1.5, use_rate_hz=1 / 120)


WHOLE = Detection(delivery_s=0.0)
THINNED = Detection(
    superseded_serial=Armed(armed=True, sensitivity=0.5, delay_s=90.0),
    two_origins=Armed(armed=True, sensitivity=0.4, delay_s=20.0),
    new_permission=Armed(armed=True, sensitivity=0.7, delay_s=400.0),
    delivery_s=3.0,
)


def outcome(
    regime: Regime,
    seed: int,
    tasks: tuple[Task, ...],
    every_access: bool,
    detection: Detection = WHOLE,
) -> tuple[list[Incident], list[AlertRow]]:
    scenario = make_scenario(
        regime,
        agents=60,
        tasks=tasks,
        threats=Threats(
            abuse=ABUSE,
            node_agent=NodeAgent(ban_mean_s=1500.0),
            injected_thefts=8,
            injected_footholds=2,
            injected_agent_keys=4,
        ),
        detection=detection,
        response=Response(triage_mean_s=60.0),
    )
    key = seed_key(seed)
    population = ReferencePopulation(scenario, regime, key)
    return run(scenario, regime, key, population, every_access)[2:]


@pytest.mark.parametrize(
    "regime", REGIMES, ids=lambda r: f"{r.renewal.rule.keyword}-{r.attribution}"
)
@pytest.mark.parametrize("tasks", [(RARE,), (OFTEN, RARE)], ids=["rare", "often"])
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_decisive_lines_are_enough(regime: Regime, tasks: tuple[Task, ...], seed: int) -> None:
    assert outcome(regime, seed, tasks, every_access=False) == outcome(
        regime, seed, tasks, every_access=True
    )


@pytest.mark.parametrize(
    "regime", REGIMES, ids=lambda r: f"{r.renewal.rule.keyword}-{r.attribution}"
)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_so_they_are_where_each_detector_sees_lines_of_its_own(regime: Regime, seed: int) -> None:
    tasks = (OFTEN, RARE)
    assert outcome(regime, seed, tasks, False, THINNED) == outcome(
        regime, seed, tasks, True, THINNED
    )
