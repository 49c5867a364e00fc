"""The metrics of model.md §7 that are means over replications, and what they are made of.

A metric is a plain function of one replication's counts. A count that a record does not hold makes
the metric *not estimable*, with that count's name as the reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from analysis import answering
from scenarios.spec.rules import SECONDS_PER_DAY, SECONDS_PER_HOUR, SECONDS_PER_YEAR

Counts = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """One output: its name ends with its unit, as ``--json`` shows it."""

    name: str
    unit: str
    of: Callable[[Counts], float]
    """raises KeyError for a count that is missing, ZeroDivisionError where nothing happened"""
    title: str
    """in words, for tables"""
    better: int = 0
    """-1 when less is better, +1 when more is, 0 when it only describes"""
    exposure: Callable[[Counts], float] | None = None
    """of events that may happen not even once: what they are counted per"""


def _agent_days(c: Counts) -> float:
    return c["agents"] * c["horizon_s"] / SECONDS_PER_DAY


def _per_second(name: str) -> Callable[[Counts], float]:
    return lambda c: c[name] / c["horizon_s"]


def _agent_years(c: Counts) -> float:
    return c["agents"] * c["horizon_s"] / SECONDS_PER_YEAR


def _per_agent_day(name: str) -> Callable[[Counts], float]:
    return lambda c: c[name] / _agent_days(c)


METRICS: tuple[Metric, ...] = (
    Metric(
        "issuances_per_s",
        "1/s",
        _per_second("issued"),
        "Credentials issued per second, mean",
    ),
    Metric(
        "peak_issuances_per_s",
        "1/s",
        lambda c: c["peak_issuances_per_s"],
        "Credentials issued in the busiest second",
        -1,
    ),
    Metric(
        "time_to_first_credential_s",
        "s",
        lambda c: c["first_credential_wait_s"] / c["first_credentials"],
        "Wait for the first credential",
        -1,
    ),
    Metric(
        "time_to_first_credential_p99_s",
        "s",
        lambda c: c["first_credential_p99_s"],
        "Wait for the first credential, 99th percentile",
        -1,
    ),
    Metric(
        "auth_failures_per_agent_day",
        "1/(agent d)",
        _per_agent_day("auth_failures"),
        "Failed authentications per agent and day",
        -1,
        _agent_days,
    ),
    Metric(
        "waits_per_agent_day",
        "1/(agent d)",
        _per_agent_day("waits"),
        "Task starts that waited for the issuer, per agent and day",
        -1,
        _agent_days,
    ),
    Metric(
        "expired_s_per_agent_day",
        "s/(agent d)",
        _per_agent_day("expired_agent_s"),
        "Seconds with an expired credential, per agent and day",
        -1,
    ),
    Metric(
        "queue_wait_mean_s",
        "s",
        lambda c: c["queue_wait_s"] / (c["requests"] - c["refusals"]),
        "Wait in the issuer's queue, mean",
        -1,
    ),
    Metric(
        "refusals_per_s",
        "1/s",
        _per_second("refusals"),
        "Requests that the issuer refused, per second",
        -1,
        lambda c: c["horizon_s"],
    ),
    Metric(
        "attempts_per_issue",
        "attempts",
        lambda c: c["requests"] / c["issued"],
        "Requests made for each credential issued",
        -1,
    ),
    Metric(
        "wasted_work_share",
        "1",
        lambda c: c["wasted"] / (c["wasted"] + c["issued"]),
        "Share of the issuer's work whose answer nobody waited for",
        -1,
    ),
    Metric(
        "turn_wait_mean_s",
        "s",
        lambda c: c["limited_wait_s"] / (c["requests"] - c["refusals"]),
        "Wait for one's turn at a rate limit or quota, mean",
        -1,
    ),
    Metric(
        "switches_per_s",
        "1/s",
        _per_second("switches"),
        "Task switches per second",
    ),
    Metric(
        "healthy_replacements_per_agent_day",
        "1/(agent d)",
        _per_agent_day("healthy_replacements"),
        "Healthy credentials replaced for a false alarm, per agent and day",
        -1,
        _agent_days,
    ),
    Metric(
        "lateral_reach",
        "agents",
        lambda c: c["lateral_agents_of_copies"] / c["lateral_copies"],
        "Other agents that a stolen copy led to within the run, mean",
        -1,
    ),
    Metric(
        "foothold_lateral_reach",
        "agents",
        lambda c: c["lateral_agents_of_footholds"] / c["lateral_footholds"],
        "Other agents that a foothold led to within the run, mean",
        -1,
    ),
    Metric(
        "tight_share",
        "1",
        lambda c: c["tight_s"] / c["horizon_s"],
        "Time for which alerts had tightened the policy",
    ),
    Metric(
        "step_ups_per_agent_day",
        "1/(agent d)",
        lambda c: c["step_ups"] / _agent_days(c),
        "Step-ups of healthy agents, per agent and day",
        -1,
    ),
    Metric(
        "step_up_failures_per_agent_day",
        "1/(agent d)",
        lambda c: c["step_up_failures"] / _agent_days(c),
        "Step-ups that healthy agents failed, per agent and day",
        -1,
    ),
    Metric(
        "triage_wait_s",
        "s",
        lambda c: c["triage_wait_s"] / c["triaged"],
        "Alert until an analyst takes it up, mean",
        -1,
    ),
    Metric(
        "overtaken_share",
        "1",
        lambda c: c["overtaken_agents"] / (c["agents"] * c["issuer_replacements"]),
        "Agents that still held a document of the old issuer key when it was distrusted",
        -1,
    ),
    Metric(
        "new_key_refusals_per_agent_day",
        "1/(agent d)",
        _per_agent_day("refused_new_key"),
        "Healthy starts refused by who had not fetched a new issuer key yet, per agent and day",
        -1,
    ),
    Metric(
        "poison_refusals_per_agent_day",
        "1/(agent d)",
        _per_agent_day("refused_by_poison"),
        "Healthy starts refused for a bundle without the domain's own keys, per agent and day",
        -1,
    ),
    Metric(
        "poisoned_share",
        "1",
        _per_second("poisoned_s"),
        "Keys of attackers in a foreign bundle that was believed, on average",
        -1,
    ),
    Metric(
        "toil_h_per_agent_year",
        "h/(agent yr)",
        lambda c: c["toil_s"] / SECONDS_PER_HOUR / _agent_years(c),
        "People's hours for rotations, mishaps and incidents, per agent and year",
        -1,
    ),
    Metric(
        "handing_out_h_per_agent",
        "h/agent",
        lambda c: c["handing_out_s"] / SECONDS_PER_HOUR / c["agents"],
        "People's hours to hand out an agent's first credential, once",
        -1,
    ),
    Metric(
        "never_rotated_share",
        "1",
        lambda c: c["never_rotated"] / c["secrets"],
        "Credentials that are never rotated",
        -1,
    ),
    Metric(
        "orphans_per_agent",
        "1/agent",
        lambda c: c["orphans"] / c["agents"],
        "Credentials of workloads gone within a year that still work, per agent",
        -1,
    ),
    Metric(
        "rotations_by_hand_per_agent_year",
        "1/(agent yr)",
        lambda c: c["rotations_by_hand"] / _agent_years(c),
        "Rotations by hand, per agent and year",
        -1,
    ),
    Metric(
        "mishaps_per_agent_year",
        "1/(agent yr)",
        lambda c: c["mishaps"] / _agent_years(c),
        "Rotations forgotten until expiry, or that broke something, per agent and year",
        -1,
    ),
    Metric(
        "broken_s_per_agent_day",
        "s/(agent d)",
        _per_agent_day("broken_agent_s"),
        "Seconds for which a rotation had broken something, per agent and day",
        -1,
    ),
    Metric(
        "attribution_share",
        "1",
        lambda c: c["attributed_accesses"] / c["accesses"],
        "Accesses whose log line names the acting workload",
        1,
    ),
    Metric(
        answering.SHARE,
        "1",
        lambda c: c["wrong_guess_share"],
        "Accesses that a guess would ascribe to a wrong workload or task",
        -1,
    ),
    Metric(
        answering.TIME,
        "s",
        answering.time_to_answer_s,
        "Time to answer who touched what between two instants",
        -1,
    ),
)
