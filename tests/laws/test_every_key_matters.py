"""Every key of a scenario changes a record, or is listed with the reason why it does not."""

from collections.abc import Iterator
from typing import Any

import pytest

from scenarios.errors import ScenarioError
from scenarios.record.record import RunRecord
from scenarios.spec import resolve
from scenarios.spec.schema import Scenario
from simulator.ignores import IGNORES
from simulator.simulate import ENGINES, simulate

COMMON = {"title": "t", "source": "s", "leak_ratio": 0.5, "session_overhang_s": 40.0}
DENY = {"method": "deny-list", "delay_s": 20.0, "probability": 0.6}
SVID = COMMON | {"artifact": "x509-svid", "issuance": "issuer", "attribution": "workload"}
REGIMES = [
    SVID
    | {
        "name": "polled",
        "ttl_s": 300.0,
        "renewal": {"rule": "fraction-polled", "fraction": 0.5, "jitter": 0.2, "poll_s": 7.0},
        "binding": "key",
        "scope_enforced_by": "authoriser",
        "revocation": DENY,
    },
    SVID
    | {
        "name": "before-expiry",
        "ttl_s": 400.0,
        "renewal": {"rule": "before-expiry", "before_expiry_s": 150.0},
        "binding": "key",
        "key_storage": "hardware",
        "presign_s": 60.0,
        "revocation": {**DENY, "method": "delete"},
    },
    SVID
    | {
        "name": "per-task",
        "ttl_s": 500.0,
        "renewal": {"rule": "at-use", "fraction": 0.5, "jitter": 0.1},
        "scope": "one-task",
        "scope_enforced_by": "authoriser",
        "attribution": "task",
        "revocation": DENY,
    },
    SVID
    | {
        "name": "targeted",
        "ttl_s": 300.0,
        "renewal": {
            "rule": "availability-target",
            "jitter": 0.1,
            "poll_s": 7.0,
            "target_s": 200.0,
            "target_jitter_s": 30.0,
            "grace_s": 90.0,
        },
        "revocation": DENY,
    },
    COMMON
    | {
        "name": "by-hand",
        "artifact": "static-key",
        "ttl_s": 400.0,
        "issuance": "manual",
        "renewal": {
            "rule": "before-expiry",
            "before_expiry_s": 100.0,
            "forgotten_share": 0.3,
            "mended_within_s": 50.0,
        },
        "effort": {
            "issue_s": 3000.0,
            "rotation_s": 1500.0,
            "places": 2,
            "breaks_share": 0.05,
            "mishap_s": 9000.0,
            "incident_s": 7200.0,
        },
        "offboarding": {"never_share": 0.2, "mean_s": 90.0},
        "revocation": {**DENY, "method": "delete"},
    },
    COMMON
    | {
        "name": "shared-key",
        "artifact": "static-key",
        "ttl_s": "never",
        "issuance": "manual",
        "shared_by": 3,
        "revocation": {**DENY, "method": "delete"},
    },
]
TASKS = [
    {
        "name": "day",
        "rate_hz": 0.004,
        "duration_s": 90.0,
        "permissions": ["files:read", "files:write"],
        "sensitivity": "high",
        "active_hours": [[0, 1]],
    },
    {
        "name": "any",
        "rate_hz": 0.003,
        "duration_s": 30.0,
        "permissions": ["files:read", "mail:send"],
    },
]
BASE: dict[str, Any] = {
    "name": "all",
    "title": "t",
    "question": "q",
    "expected": "e",
    "source": "s",
    "horizon_s": 3600.0,
    "regimes": REGIMES,
    "workloads": [
        {
            "name": "clerk",
            "count": 14,
            "agents_per_node": 4,
            "granted": ["files:read", "files:write", "mail:send", "jobs:run", "keys:rotate"],
            "tasks": TASKS,
            "diurnal": [0.9] * 24,
            "leaves_per_agent_year": 5.0,
            "restarts_per_agent_day": 30.0,
        },
        {
            "name": "bot",
            "count": 10,
            "ttl_s": 450.0,
            "clock_skew": {"share": 0.6, "offset_s": -60.0},
            "tasks": [
                {
                    "name": "run",
                    "rate_hz": 0.01,
                    "permissions": ["jobs:run", "mail:send"],
                    "sensitivity": "high",
                },
                {"name": "tidy", "rate_hz": 0.01, "permissions": ["jobs:stop", "keys:rotate"]},
            ],
        },
        {
            "name": "guest",
            "count": 3,
            "tasks": [{"name": "visit", "rate_hz": 0.004, "permissions": ["files:read"]}],
        },
    ],
    "start": {"hour_of_day": 0.2},
    "issuer": {
        "servers": 1,
        "service_time_s": 4.0,
        "queue_limit": 6,
        "deadline_s": 45.0,
        "datastore": {"servers": 1, "service_time_s": 3.0},
        "rate_limit": {"rate_hz": 0.05, "burst": 2, "nodes_per_address": 2},
        "backoff": {"base_s": 20.0, "factor": 1.5, "cap_s": 60.0, "jitter": 0.2},
        "entry_reload_s": 20.0,
        "agent_sync_s": 10.0,
        "agent_sync_jitter": 0.1,
        "renew_at_sync": True,
        "sync_backoff": {"base_s": 15.0, "factor": 1.5, "cap_s": 100.0, "jitter": 0.1},
        "batch_overhead_s": 0.5,
        "batch_limit": 1,
        "batch_gap_s": 2.0,
        "ca": {"ttl_s": 1500.0, "prepare_fraction": 0.5, "activate_fraction": 0.8},
    },
    "federation": [
        {
            "trust_domain": "partner.example",
            "workloads": ["bot"],
            "bundle_refresh_s": 800.0,
            "ca": {"ttl_s": 1200.0, "prepare_fraction": 0.5, "activate_fraction": 0.8},
            "bundle_profile": "https_spiffe",
            "our_bundle_refresh_s": 700.0,
            "our_access_share": 0.3,
        },
        {
            "trust_domain": "guest.example",
            "workloads": ["guest"],
            "bundle_refresh_s": 500.0,
            "ca": {"ttl_s": 1300.0, "prepare_fraction": 0.5, "activate_fraction": 0.8},
        },
    ],
    "threats": {
        "leak": {
            "rate_per_secret_year": 9000.0,
            "log_share": 0.3,
            "file_share": 0.4,
            "cluster_mean": 2.0,
        },
        "foothold": {"rate_per_agent_year": 3000.0, "eviction_mean_s": 500.0},
        "abuse": {
            "first_use_median_s": 50.0,
            "use_rate_hz": 0.02,
            "canary_share": 0.1,
            "known_address_share": 0.3,
        },
        "lateral": {"max_depth": 2, "success": 0.4, "breakout_mean_s": 90.0},
        "node_agent": {"rate_per_node_year": 6000.0, "ban_mean_s": 400.0},
        "issuer": {"rate_per_year": 9000.0},
        "injected_issuer_compromises": 2,
        "bundle": {
            "trust_domain": "partner.example",
            "rate_per_year": 300000.0,
            "endpoint_share": 0.5,
            "replaces": False,
            "lasts_mean_s": 900.0,
        },
        "injected_bundle_poisonings": 2,
        "injected_agent_keys": 2,
        "injected_thefts": 9,
        "injected_footholds": 3,
    },
    "detection": {
        "delivery_s": 5.0,
        "coverage": 0.7,
        "external_notice_mean_s": 900.0,
        "new_origin": {"armed": True, "sensitivity": 0.6, "delay_s": 20.0},
        "rate_change": {
            "armed": True,
            "sensitivity": 0.9,
            "delay_s": 10.0,
            "reference": 1.5,
            "threshold": 6.0,
        },
        "canary": {"armed": True, "sensitivity": 0.8, "delay_s": 3.0},
        "bundle_change": {"armed": True, "sensitivity": 0.8, "delay_s": 3.0},
        "issue_log": {"armed": True, "sensitivity": 0.7, "delay_s": 4.0},
        "superseded_serial": {"armed": True, "sensitivity": 0.9, "delay_s": 6.0},
        "two_origins": {"armed": True, "sensitivity": 0.9, "delay_s": 7.0},
        "new_permission": {"armed": True, "sensitivity": 0.6, "delay_s": 2.0},
    },
    "response": {
        "analysts": 1,
        "triage_mean_s": 30.0,
        "new_issuer": {"prepare_s": 300.0, "overlap_s": 100.0},
        "bundle": {"remove_s": 500.0, "by_hand_s": 650.0},
        "priority": {"by_sensitivity": True},
    },
    "policy": {
        "alerts": 3,
        "window_s": 90.0,
        "relax_after_s": 200.0,
        "ttl_factor": 0.8,
        "renew_within_s": 60.0,
        "narrow_scope": True,
        "step_up_refuses": 0.5,
        "step_up_fails": 0.1,
    },
    "benign": {
        "reschedules_per_agent_year": 4000.0,
        "failovers_per_agent_year": 9000.0,
        "late_reloads_per_agent_year": 20000.0,
        "new_edges_per_agent_year": 4000.0,
        "address_reuses_per_agent_year": 12000.0,
        "shared_documents_per_agent_year": 4000.0,
        "canary_scans_per_agent_year": 4000.0,
        "batch_jobs_per_agent_year": 9000.0,
    },
    "faults": [
        {"kind": "issuer-outage", "start_s": 500.0, "duration_s": 700.0, "every_s": 1500.0},
        {"kind": "partition", "start_s": 1300.0, "duration_s": 600.0, "share": 0.5},
        {"kind": "mass-restart", "start_s": 2500.0, "share": 0.6, "over_s": 40.0},
        {"kind": "datastore-slow", "start_s": 2700.0, "duration_s": 300.0, "factor": 4.0},
        {"kind": "signing-slow", "start_s": 3000.0, "duration_s": 300.0, "factor": 4.0},
    ],
    "tenants": [
        {
            "name": "office",
            "workloads": ["clerk"],
            "leak_rate_per_secret_year": 7000.0,
            "foothold_rate_per_agent_year": 2500.0,
            "coverage": 0.8,
            "delivery_s": 8.0,
            "external_notice_mean_s": 700.0,
            "analysts": 1,
            "triage_mean_s": 100.0,
            "automatic": False,
            "detection": {
                "superseded_serial": {"armed": True, "sensitivity": 0.5, "delay_s": 3.0},
                "two_origins": {"armed": True, "sensitivity": 0.7, "delay_s": 4.0},
                "new_permission": {"armed": True, "sensitivity": 0.9, "delay_s": 1.0},
                "new_origin": {"armed": True, "sensitivity": 0.8, "delay_s": 9.0},
                "rate_change": {
                    "armed": True,
                    "sensitivity": 0.7,
                    "delay_s": 8.0,
                    "reference": 1.4,
                    "threshold": 5.0,
                },
                "canary": {"armed": True, "sensitivity": 0.7, "delay_s": 2.0},
                "issue_log": {"armed": True, "sensitivity": 0.6, "delay_s": 5.0},
            },
            "policy": {
                "alerts": 2,
                "window_s": 200.0,
                "relax_after_s": 300.0,
                "ttl_factor": 0.9,
                "renew_within_s": 90.0,
                "narrow_scope": True,
                "step_up_refuses": 0.4,
                "step_up_fails": 0.2,
            },
        },
        {
            "name": "works",
            "workloads": ["bot", "guest"],
            "quota": {"rate_hz": 0.03, "burst": 2},
        },
    ],
    "probes": 20,
}
SEED = 3


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every leaf."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path


def key_of(path: tuple[str | int, ...]) -> str:
    return ".".join(part for part in path if isinstance(part, str))


RESOLVED = resolve.dump(resolve.resolve(BASE).scenario)
KEYS = sorted({key_of(path) for path in leaves(RESOLVED)})


def ignored(key: str) -> bool:
    return any(key == entry or key.startswith(f"{entry}.") for entry in IGNORES)


def others(key: str, value: object) -> Iterator[object]:
    """Yield values that another scenario could have there."""
    choices = {
        "regimes.binding": ["node", "bearer"],
        "regimes.key_storage": ["file", "hardware"],
        "regimes.revocation.method": ["none", "delete", "deny-list"],
        "regimes.scope": ["all-tasks", "one-task"],
        "regimes.scope_enforced_by": ["nobody", "authoriser"],
        "regimes.attribution": ["secret", "workload", "task", "delegation"],
        "regimes.renewal.rule": ["fraction", "at-use", "before-expiry"],
        "regimes.issuance": ["manual", "issuer"],
        "start.ages": ["synchronised", "cold"],
        "workloads.tasks.permissions": [["files:read", "mail:send", "other:thing"]],
        "workloads.granted": [
            ["files:read", "files:write", "mail:send"],
            ["files:read", "files:write", "mail:send", "jobs:run", "jobs:stop", "keys:rotate"],
        ],
        "workloads.tasks.active_hours": [[[1, 3]], [[0, 24]]],
        "workloads.diurnal": [[0.7] * 24],
        "drive.regime": ["polled"],
        "regimes.artifact": ["static-key"],
        "workloads.tasks.sensitivity": ["high", "low"],
        "engine.switches": ["exact"],
        "issuer.ca.activate_fraction": [0.75],
        "federation.ca.activate_fraction": [0.75],
        "threats.issuer.trust_domain": ["partner.example"],
        "threats.bundle.trust_domain": ["guest.example"],
        "federation.bundle_profile": ["https_web"],
        "federation.workloads": [["clerk"]],
        "workloads.clock_skew.share": [0.02, 1.0],
        "workloads.clock_skew.offset_s": [-200.0, 40.0],
        "threats.issuer.forgery": ["copied-serial"],
        "threats.leak.cluster_among": ["node"],
        "tenants.workloads": [["bot", "guest"]],
        "faults.kind": ["issuer-outage"],
        "detection.issue_log.sensitivity": [0.02, 1.0],
        "tenants.detection.issue_log.sensitivity": [0.02, 1.0],
    }
    if key in choices:
        yield from (choice for choice in choices[key] if choice != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, float):
        yield from (value * 1.2 + 0.01, value * 0.6)
    elif isinstance(value, str):
        yield f"{value}-x"
    elif value is None:
        yield from (1.0, {"armed": False}, {"rate_hz": 0.03}, {"alerts": 1, "narrow_scope": True})


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    copy = resolve.dump(resolve.load_resolved(RESOLVED))
    place: Any = copy
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    consistent_tenants(copy, path)
    if path[-1] == "kind":  # keys of its own mean nothing to another kind
        place.pop("share", None)
        place.pop("factor", None)
    return copy


def consistent_tenants(scenario: dict[str, Any], path: tuple[str | int, ...]) -> None:
    """Keep each class with one tenant: where one takes the other's they swap, and follow a name."""
    before, one, other = RESOLVED["tenants"], *scenario["tenants"]
    if path[0] == "tenants" and path[-1] == "workloads":
        one["workloads"], other["workloads"] = (tenant["workloads"] for tenant in before[::-1])
    if path[0] == "workloads" and path[-1] == "name":
        first, *others_names = (w["name"] for w in scenario["workloads"])
        one["workloads"], other["workloads"] = [first], others_names


def tables(record: RunRecord) -> tuple[object, ...]:
    return record.counts, record.series, record.incidents, record.alerts


def run(scenario: Scenario, regime: str, engine: str) -> tuple[object, ...]:
    return tables(simulate(scenario, SEED, engine, replications=1, regimes=[regime]))


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def base(engine: str) -> dict[str, tuple[object, ...]]:
    scenario = resolve.load_resolved(RESOLVED)
    return {regime.name: run(scenario, regime.name, engine) for regime in scenario.regimes}


@pytest.mark.parametrize("key", [key for key in KEYS if not ignored(key)])
def test_a_key_changes_a_record(key: str, engine: str, base: dict[str, tuple[object, ...]]) -> None:
    tried = 0
    for path in (path for path in leaves(RESOLVED) if key_of(path) == key):
        value: Any = RESOLVED
        for part in path:
            value = value[part]
        for other in others(key, value):
            try:
                scenario = resolve.load_resolved(changed(path, other))
            except ScenarioError:
                continue
            for index, regime in enumerate(scenario.regimes):
                if path[0] == "regimes" and path[1] != index:
                    continue
                tried += 1
                name = RESOLVED["regimes"][index]["name"]
                if run(scenario, regime.name, engine) != base[name]:
                    return
    pytest.fail(f"{key}: {tried} changed scenarios gave the same record")


@pytest.mark.parametrize("entry", sorted(IGNORES))
def test_an_ignored_key_exists(entry: str) -> None:
    assert any(key == entry or key.startswith(f"{entry}.") for key in KEYS)


ONLY_CHOICE = {"schema_version"}


@pytest.mark.parametrize("key", [key for key in KEYS if ignored(key) and key not in ONLY_CHOICE])
def test_an_ignored_key_is_ignored(
    key: str, engine: str, base: dict[str, tuple[object, ...]]
) -> None:
    path = next(path for path in leaves(RESOLVED) if key_of(path) == key)
    value: Any = RESOLVED
    for part in path:
        value = value[part]
    for other in others(key, value):
        scenario = resolve.load_resolved(changed(path, other))
        name = scenario.regimes[0].name
        assert run(scenario, name, engine) == base[name]
        return
