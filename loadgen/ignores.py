"""Keys of a scenario that a measured run reads and does not use, each with its reason.

Held by ``tests/laws/test_every_key_matters_measured.py``: every other key changes what is sent,
who is robbed, or what is armed and reported.
"""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel

from scenarios.spec.schema import Scenario

_WORDS = "words for people"
_SERVICE = "the target is the issuer, with its own servers, times and faults"
_SIMULATED = "simulated only; thefts of a measured run are those of personas"
_DELIVERED = "a real log delivers what it delivers, when it does"

IGNORES: Final = {
    "schema_version": "one version exists",
    "name": _WORDS,
    "title": _WORDS,
    "question": _WORDS,
    "expected": _WORDS,
    "source": _WORDS,
    "horizon_s": "the length of a measured window is drive.seconds",
    "engine": "how the simulator counts",
    "series_interval_s": "a measured window is recorded second by second",
    "probes": "live credentials are sampled for their granted lifetime instead",
    "issuer": _SERVICE,
    "faults": _SERVICE,
    "threats": _SIMULATED,
    "detection.superseded_serial.sensitivity": _DELIVERED,
    "detection.superseded_serial.delay_s": _DELIVERED,
    "detection.two_origins.sensitivity": _DELIVERED,
    "detection.two_origins.delay_s": _DELIVERED,
    "detection.new_permission.sensitivity": _DELIVERED,
    "detection.new_permission.delay_s": _DELIVERED,
    "detection.issue_log.sensitivity": _DELIVERED,
    "detection.issue_log.delay_s": _DELIVERED,
    "detection.new_origin.sensitivity": _DELIVERED,
    "detection.new_origin.delay_s": _DELIVERED,
    "detection.rate_change.sensitivity": _DELIVERED,
    "detection.rate_change.delay_s": _DELIVERED,
    "detection.canary.sensitivity": _DELIVERED,
    "detection.canary.delay_s": _DELIVERED,
    "detection.bundle_change": "a target has one trust domain",
    "detection.coverage": "every identity of the target is watched",
    "detection.external_notice_mean_s": "nobody outside watches a measured run",
    "tenants": "a measured run has one owner of everything",
    "benign": "harmless events are simulated; a target has its own",
    "policy": "a measured run answers alerts one by one; a fleet on its guard is simulated",
    "response": "a measured run responds at once; triage by people is simulated",
    "regimes.title": _WORDS,
    "regimes.source": _WORDS,
    "regimes.issuance": "the target issues every credential, a static key too",
    "regimes.binding": "thieves take the key with the document",
    "regimes.key_storage": "thieves take the key with the document",
    "regimes.presign_s": "thieves take the key with the document",
    "regimes.shared_on_node": "agents of a measured run hold a document each",
    "regimes.leak_ratio": _SIMULATED,
    "regimes.revocation": "measured: alerts are answered with the target's own revocation",
    "regimes.effort": "hours of people are not measured",
    "regimes.offboarding": "nobody leaves a measured run",
    "regimes.session_overhang_s": "the target's own; each use is a request of its own",
    "regimes.attribution": "measured: what the target's audit lines say",
    "workloads.agents_per_node": "agents of a measured run share one address",
    "workloads.granted": "a target is provisioned with what tasks need",
    "workloads.ttl_s": "a target is provisioned with one lifetime, that of the regime",
    "workloads.leaves_per_agent_year": "nobody leaves a measured run",
    "workloads.restarts_per_agent_day": "agents of a measured run do not restart",
    "workloads.clock_skew": "agents of a measured run share one clock",
    "federation": "simulated only; a target has one trust domain",
    "workloads.tasks.duration_s": "a task of a measured run is one use, at its start",
    "workloads.tasks.sensitivity": "weighs permissions in the analysis",
}


_SAID_ELSEWHERE = {"schema_version", "horizon_s", "engine", "series_interval_s", "probes"}
"""a window has its own, as ``midas scenario window`` shows"""


def unused(scenario: Scenario) -> dict[str, str]:
    """Return the keys that this scenario gives a value and a measured run leaves out, with reasons.

    Words for people and what the window sets itself are not told.
    """
    return {
        key: reason
        for key, reason in IGNORES.items()
        if reason is not _WORDS and key not in _SAID_ELSEWHERE and _is_set(scenario, key.split("."))
    }


def _is_set(value: object, path: list[str]) -> bool:
    if not path:
        return True
    return any(
        path[0] in table.model_fields_set and _is_set(getattr(table, path[0]), path[1:])
        for table in _tables(value)
    )


def _tables(value: object) -> Iterator[BaseModel]:
    if isinstance(value, BaseModel):
        yield value
    elif isinstance(value, tuple):
        yield from (one for one in value if isinstance(one, BaseModel))
