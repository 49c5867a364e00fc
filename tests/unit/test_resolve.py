"""Resolving: golden pairs, provenance, scaling, and every fault of a file at once."""

import json
import re
import tomllib
from math import inf
from pathlib import Path

import pytest

from analysis.answering import SOURCES as ANSWERING
from scenarios.errors import ScenarioError, UsageError
from scenarios.spec.resolve import (
    catalog,
    dump,
    load,
    load_regime,
    load_resolved,
    regime_names,
    resolve,
    scale,
)
from scenarios.spec.sources import factor_to_key, sources

GOLDEN = Path(__file__).parent.parent / "golden"


def human(name: str = "customer-service") -> dict[str, object]:
    return tomllib.loads(catalog()[name].read_text())


@pytest.mark.parametrize("name", sorted(catalog()))
def test_catalogue_scenarios_resolve_and_survive_a_round_trip(name: str) -> None:
    resolved = load(Path(name))
    assert load_resolved(json.loads(json.dumps(dump(resolved.scenario)))) == resolved.scenario


def test_golden_pair() -> None:
    resolved = load(GOLDEN / "minimal.toml")
    expected = json.loads((GOLDEN / "minimal.resolved.json").read_text())
    assert {"scenario": dump(resolved.scenario), "sources": dict(resolved.sources)} == expected


@pytest.mark.parametrize("name", regime_names())
def test_regimes_are_named_after_their_files(name: str) -> None:
    assert load_regime(name).name == name


def test_a_number_from_the_world_arrives_in_the_unit_of_its_key() -> None:
    resolved = load(Path("customer-service"))
    threats = resolved.scenario.threats
    assert resolved.sources["threats.abuse.use_rate_hz"] == "abuse.use_rate"
    assert threats.abuse.use_rate_hz == pytest.approx(12 / 3600)
    assert threats.foothold.eviction_mean_s == pytest.approx(20.2 * 86400)
    assert threats.leak.rate_per_secret_year == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("unit", "key", "factor"),
    [
        ("ms", "service_time_s", 1e-3),
        ("1/h", "use_rate_hz", 1 / 3600),
        ("1", "probability", 1.0),
        ("d", "probability", None),
        ("1", "ttl_s", None),
    ],
)
def test_units_fit_keys_or_are_refused(unit: str, key: str, factor: float | None) -> None:
    assert factor_to_key(unit, key) == (None if factor is None else pytest.approx(factor))


def test_every_source_is_used_by_a_scenario_or_a_regime() -> None:
    used = {"spire.attest_service_time"}  # by the window of a storm, which is a scenario too
    used |= {*ANSWERING}  # by the analysis of any simulated log
    used |= set(resolve(human() | {"regimes": regime_names()}).sources.values())
    for name in catalog():
        used |= set(load(Path(name)).sources.values())
    assert used == set(sources())


def test_all_faults_of_a_file_are_reported_at_once() -> None:
    text = human()
    text["horizon_s"] = -1
    text["colour"] = "blue"
    text["regimes"] = ["static-kee"]
    with pytest.raises(ScenarioError) as caught:
        resolve(text)
    assert [p.key for p in caught.value.problems] == ["regimes[0]", "horizon_s", "colour"]
    assert "did you mean 'static-key'" in caught.value.problems[0].allowed


def test_scaling_keeps_proportions_and_every_class() -> None:
    scenario = load(Path("customer-service")).scenario
    assert [w.count for w in scale(scenario, 500).workloads] == [400, 100]
    assert [w.count for w in scale(scenario, 2).workloads] == [1, 1]
    with pytest.raises(UsageError, match="at least 2"):
        scale(scenario, 1)


def test_a_regime_that_is_not_driven_may_be_chosen_alone() -> None:
    chosen = load(Path("customer-service"), regimes=["static-key"]).scenario
    assert [regime.name for regime in chosen.regimes] == ["static-key"]
    assert chosen.drive.regime is None
    kept = load(Path("customer-service"), regimes=["x509-svid-1h", "static-key"]).scenario
    assert kept.drive.regime == "x509-svid-1h"


def test_a_regime_of_the_file_can_be_chosen_and_goes_before_one_of_midas(tmp_path: Path) -> None:
    table = (catalog()["customer-service"].parent.parent / "regimes/x509-svid-1h.toml").read_text()
    table = re.sub(r"(?m)^\[", "[regimes.", table)
    own = [
        re.sub(r"(?m)^ttl_s = .*", f"ttl_s = {ttl_s}", table).replace('"x509-svid-1h"', f'"{name}"')
        for name, ttl_s in (("x509-svid-15m", 900), ("x509-svid-5m", 299))
    ]
    lines = catalog()["customer-service"].read_text().splitlines(keepends=True)
    plain = "".join(line for line in lines if not line.startswith(("regimes =", "regime =")))
    file = tmp_path / "mine.toml"
    file.write_text(plain + "".join(f"\n[[regimes]]\n{one}" for one in own))
    chosen = load(file, regimes=["static-key", "x509-svid-5m", "x509-svid-15m"]).scenario
    assert [regime.ttl_s for regime in chosen.regimes] == [inf, 299.0, 900.0]
    with pytest.raises(UsageError, match="did you mean 'x509-svid-15m'"):
        load(file, regimes=["x509-svid-15"])
