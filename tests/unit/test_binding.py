"""What a thief needs besides the document: its key, which leaks through some channels only."""

from typing import Any

import pytest

from scenarios.demand.streams import seed_key
from scenarios.record.tables import Incident
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Abuse, Detection, Foothold, Leak, Threats
from simulator.control.run import run
from simulator.reference import ReferencePopulation
from tests.scenes import HOUR_S, WORK, make_regime, make_scenario

BLIND = Detection(superseded_serial=False, two_origins=False, new_permission=False, delivery_s=0.0)
QUICK = Abuse(first_use_median_s=5.0, first_use_sigma=0.0, use_rate_hz=0.05)
LEAKS = 400


def thefts(regime: Regime, **threats: Any) -> list[Incident]:  # noqa: ANN401
    scenario = make_scenario(
        regime,
        agents=40,
        tasks=(WORK,),
        horizon_s=HOUR_S,
        threats=Threats.model_validate({"abuse": QUICK} | threats),
        detection=BLIND,
    )
    key = seed_key(11)
    return run(scenario, regime, key, ReferencePopulation(scenario, regime, key))[2]


def refused(binding: str, storage: str, log_share: float, file_share: float) -> float:
    """Return the share of leaks that were of no use, of those tried within the run."""
    regime = make_regime(binding=binding, key_storage=storage)
    leak = Leak(log_share=log_share, file_share=file_share)
    found = thefts(regime, leak=leak, injected_thefts=LEAKS)
    tried = [theft for theft in found if theft.first_use_s is not None]
    assert all((theft.uses_accepted == 0) == (theft.end == "refused") for theft in tried)
    return sum(theft.end == "refused" for theft in tried) / len(tried)


@pytest.mark.parametrize(
    ("binding", "storage", "expected"),
    [
        ("bearer", "memory", 0.0),
        ("bearer", "hardware", 0.0),
        ("node", "memory", 1.0),
        ("key", "memory", 0.3 + 0.5),
        ("key", "file", 0.3),
        ("key", "hardware", 1.0),
    ],
)
def test_which_leaks_are_of_use(binding: str, storage: str, expected: float) -> None:
    """A log gives no key; a file gives one that lies in files; nothing gives one in hardware."""
    half = 2.58 * (expected * (1 - expected) / (0.95 * LEAKS)) ** 0.5
    assert refused(binding, storage, 0.3, 0.5) == pytest.approx(expected, abs=half)


def test_without_a_mix_of_channels_the_key_is_taken_with_the_document() -> None:
    assert refused("key", "memory", 0.0, 0.0) == 0.0


def footholds(binding: str, storage: str, presign_s: float = 0.0) -> list[Incident]:
    regime = make_regime(binding=binding, key_storage=storage, presign_s=presign_s)
    stay = Foothold(eviction_mean_s=300.0)
    found = thefts(regime, foothold=stay, injected_footholds=40)
    return [theft for theft in found if theft.evicted_s is not None]


def test_a_key_in_hardware_stays_behind_at_eviction() -> None:
    exported = {theft.stolen_s: theft for theft in footholds("key", "memory")}
    inside = {theft.stolen_s: theft for theft in footholds("key", "hardware")}
    proofs = {theft.stolen_s: theft for theft in footholds("key", "hardware", presign_s=90.0)}
    assert len(inside) > 25
    for stolen_s, theft in inside.items():
        assert theft.end == "evicted"
        assert theft.evicted_s is not None
        assert theft.uses_accepted > 0 or theft.evicted_s - stolen_s < 120.0, "he signs inside"
        if stolen_s in proofs:
            longer_s = proofs[stolen_s].evicted_s
            assert longer_s is not None
            assert longer_s == pytest.approx(theft.evicted_s + 90.0)
        if stolen_s in exported:
            whole = exported[stolen_s]
            assert whole.evicted_s == whole.expires_s, "a copy with its key lives out its life"
            assert whole.evicted_s is not None
            assert whole.evicted_s > theft.evicted_s


def test_proofs_end_with_the_document_at_the_latest() -> None:
    for theft in footholds("key", "hardware", presign_s=1e6):
        assert theft.evicted_s == theft.expires_s


def test_nothing_of_a_node_bound_document_is_left_after_eviction() -> None:
    found = footholds("node", "memory")
    assert found
    assert {theft.end for theft in found} == {"evicted"}
