"""Which detectors a scenario arms under a regime: the same choice in both worlds."""

from scenarios.detection.addresses import NewOrigin
from scenarios.detection.canaries import Canary
from scenarios.detection.detector import Detector
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.permissions import NewPermission
from scenarios.detection.rates import Expected, RateChange
from scenarios.detection.serials import SupersededSerial
from scenarios.detection.unknown import UnknownSerial
from scenarios.spec.defence import Armed, Detection
from scenarios.spec.defence import RateChange as Asked
from scenarios.spec.regime import Issuance, Regime, Scope
from scenarios.spec.rules import is_active
from scenarios.spec.schema import Scenario, Workload


def detectors(
    scenario: Scenario,
    regime: Regime,
    *,
    measured: bool = False,
    asked: Detection | None = None,
) -> list[Detector]:
    """Return fresh detectors for one run, those left out that the regime makes blind.

    Superseded serial needs renewal, and lines that tell apart the documents of different tasks
    where an agent holds several; two origins needs a secret that is not shared; unknown serial
    needs an issuer, whose log of issues it reads.

    Args:
        scenario: arms them.
        regime: of the identities.
        measured: for a real log, which delivers what it delivers when it does: no delay and no
            share of lines is added, one task leaves one line, at its start, and the target
            issues whatever is held.
        asked: which ones, of a tenant with rules of its own; the scenario's when absent.
    """

    def late_s(detector: Armed) -> float:
        return 0.0 if measured else detector.delay_s

    armed: list[Detector] = []
    asked = asked or scenario.detection
    told_apart = regime.scope is Scope.ALL_TASKS or regime.names_task
    if asked.superseded_serial.armed and regime.ttl_s < float("inf") and told_apart:
        armed.append(SupersededSerial(late_s(asked.superseded_serial)))
    if asked.two_origins.armed and regime.shared_by == 1:
        armed.append(TwoOrigins(late_s(asked.two_origins)))
    if asked.issue_log.armed and (measured or regime.issuance is Issuance.ISSUER):
        armed.append(UnknownSerial(late_s(asked.issue_log)))
    if asked.canary.armed:
        armed.append(Canary(late_s(asked.canary)))
    if asked.new_permission.armed:
        armed.append(NewPermission(baseline(scenario), late_s(asked.new_permission)))
    if asked.new_origin.armed:
        armed.append(NewOrigin(late_s(asked.new_origin)))
    if asked.rate_change.armed:
        armed.append(rate_change(scenario, regime, measured=measured, asked=asked.rate_change))
    return armed


def baseline(scenario: Scenario) -> dict[tuple[str, str], frozenset[str]]:
    """Return the permissions that each (workload, task) needs; task "" is the workload's union."""
    needed: dict[tuple[str, str], frozenset[str]] = {}
    for workload in scenario.workloads:
        for task in workload.tasks:
            needed[workload.name, task.name] = frozenset(task.permissions)
        needed[workload.name, ""] = frozenset(workload.needed)
    return needed


def rate_change(
    scenario: Scenario,
    regime: Regime | None = None,
    *,
    measured: bool = False,
    asked: Asked | None = None,
) -> RateChange:
    """Return the detector of changed rates for those that a scenario's tasks declare.

    A simulated task leaves a line at its start and one at its end, of which a share is seen.

    Args:
        scenario: declares rates.
        regime: says how many agents share an identity, one when absent.
        measured: see ``detectors``.
        asked: k, h and the share seen, of a tenant; the scenario's when absent.
    """
    asked = asked or scenario.detection.rate_change
    factor = 1.0 if measured else 2.0 * asked.sensitivity
    start_hour = scenario.start.hour_of_day
    return RateChange(
        {
            w.name: Expected(_by_hour(w, factor * _sharing(w, regime)), start_hour)
            for w in scenario.workloads
        },
        asked.reference,
        asked.threshold,
        0.0 if measured else asked.delay_s,
    )


def _sharing(workload: Workload, regime: Regime | None) -> int:
    if regime is None:
        return 1
    return workload.agents_per_node if regime.shared_on_node else regime.shared_by


def _by_hour(workload: Workload, factor: float) -> tuple[float, ...]:
    """Return the rate of lines in each hour of the day."""
    return tuple(
        factor
        * (workload.diurnal[hour] if workload.diurnal else 1.0)
        * sum(
            task.rate_hz
            for task in workload.tasks
            if any(is_active(hour, begin, end) for begin, end in task.active_hours)
        )
        for hour in range(24)
    )
