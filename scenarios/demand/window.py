"""A smaller scenario that both worlds run unchanged.

Twenty seconds of a one-hour lifetime renew nothing, so a window overrides lifetimes as
``[drive.override]`` says; the wanted rate sets the number of agents, and time is never stretched.
It lives beside the demand because the number of agents follows from the demand of one agent.
"""

from math import inf

from scenarios.demand.switches import mean_rates_hz
from scenarios.errors import UsageError
from scenarios.spec.authority import ClockSkew
from scenarios.spec.regime import Regime, Renewal, Scope, regime_row
from scenarios.spec.resolve import scale
from scenarios.spec.schema import Drive, Scenario, Threats, Workload

SERIES_INTERVAL_S = 1.0
_GRID = 32


def window(scenario: Scenario, regime_name: str, rate_hz: float, seconds: float) -> Scenario:
    """Return the scenario that a measurement of ``seconds`` at ``rate_hz`` runs.

    One regime, its lifetime overridden; as many agents as offer ``rate_hz`` operations a second;
    no faults and no thefts by hazard (thieves of a measured run are personas). A target is
    provisioned with one lifetime, and has a CA and clocks of its own: the scenario's are left out,
    as are restarts.

    Raises:
        UsageError: for a regime that the scenario does not list, or a rate that its tasks cannot
            offer at that hour.
    """
    scenario = _undisturbed(scenario)
    regime = override(_regime(scenario, regime_name), scenario.drive)
    weights = [workload.count / scenario.agents for workload in scenario.workloads]
    start_hour = scenario.start.hour_of_day
    per_agent_hz = sum(
        weight * operations_hz(workload, regime, start_hour, seconds)
        for weight, workload in zip(weights, scenario.workloads, strict=True)
    )
    if per_agent_hz <= 0.0:
        raise UsageError(
            f"{scenario.name}: no task is active at hour {start_hour:g}, so nothing can be driven; "
            "set start.hour_of_day"
        )
    agents = max(len(scenario.workloads), regime.shared_by, round(rate_hz / per_agent_hz))
    return scale(scenario, agents).model_copy(
        update={
            "horizon_s": seconds,
            "regimes": (regime,),
            "faults": (),
            "threats": Threats(abuse=scenario.threats.abuse),
            "drive": Drive(rate_hz=rate_hz, seconds=seconds),
            "series_interval_s": SERIES_INTERVAL_S,
        }
    )


def _undisturbed(scenario: Scenario) -> Scenario:
    plain = {"ttl_s": None, "restarts_per_agent_day": 0.0, "clock_skew": ClockSkew()}
    workloads = tuple(workload.model_copy(update=plain) for workload in scenario.workloads)
    issuer = scenario.issuer.model_copy(update={"ca": None})
    update = {"workloads": workloads, "issuer": issuer, "federation": ()}
    return scenario.model_copy(update=update)


def override(regime: Regime, drive: Drive) -> Regime:
    """Return the regime with the window's lifetime, where it has one that ends.

    Agents of a measured run hold a document each.
    """
    regime = regime.model_copy(update={"shared_on_node": False})
    if drive.override.ttl_s is None or regime.ttl_s == inf:
        return regime
    return regime.model_copy(update={"ttl_s": drive.override.ttl_s})


def operations_hz(workload: Workload, regime: Regime, start_hour: float, span_s: float) -> float:
    """Return the mean rate of task starts and issuances of one agent.

    Renewal at use waits a mean 1/λ for the next use of the slot after the due age, so it issues
    at 1/(due age + 1/λ) (renewal theory: one issue per regeneration cycle).
    """
    rates_hz = mean_rates_hz(workload, start_hour, span_s)
    return sum(rates_hz) + issuances_hz(regime, rates_hz)


def issuances_hz(regime: Regime, rates_hz: tuple[float, ...]) -> float:
    """Return the mean rate of issuances of one agent whose tasks start at ``rates_hz``."""
    renewal = regime.renewal
    if renewal.rule is Renewal.NEVER:
        return 0.0
    age_s = mean_renewal_age_s(regime)
    if not renewal.at_use:
        return 1.0 / age_s
    slots = rates_hz if regime.scope is Scope.ONE_TASK else (sum(rates_hz),)
    return sum(1.0 / (age_s + 1.0 / rate_hz) for rate_hz in slots if rate_hz > 0.0)


def mean_renewal_age_s(regime: Regime) -> float:
    """Return the mean of ``rules.renewal_age`` over its two draws, by the midpoint rule."""
    row = regime_row(regime)
    grid = [(i + 0.5) / _GRID for i in range(_GRID)]
    ages = (row.renewal_age(phase, draw) for phase in grid for draw in grid)
    return sum(ages) / _GRID**2


def _regime(scenario: Scenario, name: str) -> Regime:
    for regime in scenario.regimes:
        if regime.name == name:
            return regime
    known = ", ".join(regime.name for regime in scenario.regimes)
    raise UsageError(f"regime: found {name!r}, must be one of {known}")
