"""Which detectors a scenario arms under a regime: the same choice in both worlds."""

from scenarios.detection.detector import Detector
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.permissions import NewPermission
from scenarios.detection.serials import SupersededSerial
from scenarios.detection.unknown import UnknownSerial
from scenarios.spec.regime import Issuance, Regime, Scope
from scenarios.spec.schema import Scenario


def detectors(scenario: Scenario, regime: Regime) -> list[Detector]:
    """Return fresh detectors for one run, those left out that the regime makes blind.

    Superseded serial needs renewal, and lines that tell apart the documents of different tasks
    where an agent holds several; two origins needs a secret that is not shared; unknown serial
    needs an issuer, whose log of issues it reads.
    """
    armed: list[Detector] = []
    told_apart = regime.scope is Scope.ALL_TASKS or regime.attribution == "task"
    if scenario.detection.superseded_serial and regime.ttl_s < float("inf") and told_apart:
        armed.append(SupersededSerial())
    if scenario.detection.two_origins and regime.shared_by == 1:
        armed.append(TwoOrigins())
    if scenario.detection.issue_log and regime.issuance is Issuance.ISSUER:
        armed.append(UnknownSerial())
    if scenario.detection.new_permission:
        armed.append(NewPermission(baseline(scenario)))
    return armed


def baseline(scenario: Scenario) -> dict[tuple[str, str], frozenset[str]]:
    """Return the permissions that each (workload, task) needs; task "" is the workload's union."""
    needed: dict[tuple[str, str], frozenset[str]] = {}
    for workload in scenario.workloads:
        for task in workload.tasks:
            needed[workload.name, task.name] = frozenset(task.permissions)
        needed[workload.name, ""] = frozenset(p for t in workload.tasks for p in t.permissions)
    return needed
