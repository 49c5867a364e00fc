"""What a scenario may not say although each of its keys is fine: one rule a function.

``problems`` are refused; ``warnings`` are legal and worth a line, with the arithmetic.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from scenarios.errors import Problem
from scenarios.spec import bundles, grants, lifetimes, load, renewals
from scenarios.spec.fault_kinds import MassRestart
from scenarios.spec.grants import CANARIES
from scenarios.spec.regime import Binding, Issuance, KeyStorage, Regime, Renewal, Scope
from scenarios.spec.rules import SECONDS_PER_YEAR
from scenarios.spec.schema import HOURS, Policy, Scenario, Workload

MANY_EVENTS = 100_000
"""harmless events in a run from which on they deserve a warning"""
MANY_LINES = 20_000_000
"""lines counted for changed rates, likewise"""


def problems(scenario: Scenario) -> list[Problem]:
    """Return every contradiction of a scenario."""
    found = [
        *_workloads(scenario),
        *_tenants(scenario),
        *_channels(scenario),
        *_syncs(scenario),
        *_faults(scenario),
        *_drive(scenario),
    ]
    for index, regime in enumerate(scenario.regimes):
        found += _regime(regime, f"regimes[{index}]", scenario)
    found += lifetimes.problems(scenario)
    found += bundles.problems(scenario)
    found += _policies(scenario)
    found += _duplicates("regimes", (regime.name for regime in scenario.regimes))
    return found


def warnings(scenario: Scenario) -> list[str]:
    """Return one line for each thing that is legal and probably not meant."""
    found: list[str] = []
    for regime in scenario.regimes:
        found += load.warnings(regime, scenario)
        found += renewals.warnings(regime)
        found += _idle_key_storage(regime)
    found += _late_answers(scenario)
    found += lifetimes.warnings(scenario)
    found += bundles.warnings(scenario)
    found += grants.warnings(scenario)
    found += _many_benign_events(scenario)
    found += _many_counted_lines(scenario)
    found += _profile_without_peak(scenario)
    found += _delay_of_nobody(scenario)
    found += _idle_syncs(scenario)
    return found


def _duplicates(key: str, names: Iterable[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(key, f"{name!r} {count} times", "names must differ")


def _workloads(scenario: Scenario) -> Iterator[Problem]:
    yield from _duplicates("workloads", (workload.name for workload in scenario.workloads))
    for index, workload in enumerate(scenario.workloads):
        key = f"workloads[{index}].tasks"
        yield from _duplicates(key, (task.name for task in workload.tasks))
        if sum(task.rate_hz for task in workload.tasks) <= 0:
            yield Problem(
                f"{key}[*].rate_hz", "a sum of 0", "at least one task must have a rate > 0"
            )
        weights = workload.diurnal
        if len(weights) not in {0, HOURS}:
            yield Problem(
                f"workloads[{index}].diurnal",
                f"{len(weights)} weights",
                f"must be {HOURS}, one for each hour of day, or none",
            )
        elif weights and max(weights) <= 0:
            yield Problem(
                f"workloads[{index}].diurnal", "a sum of 0", "at least one weight must be > 0"
            )
        yield from _duplicates(f"workloads[{index}].granted", workload.granted or ())
        yield from grants.problems(workload, f"workloads[{index}]")
        for number, task in enumerate(workload.tasks):
            yield from _duplicates(f"{key}[{number}].permissions", task.permissions)
            for permission in task.permissions:
                if permission.startswith(CANARIES):
                    yield Problem(
                        f"{key}[{number}].permissions",
                        f"{permission!r}",
                        f"a task must not need a canary: nobody needs {CANARIES}…",
                    )
            for begin, end in task.active_hours:
                if begin == end:
                    yield Problem(
                        f"{key}[{number}].active_hours",
                        f"[{begin}, {end}]",
                        "an hour range must not be empty; all day is [0, 24]",
                    )


def _syncs(scenario: Scenario) -> Iterator[Problem]:
    if scenario.issuer.renew_at_sync and scenario.issuer.agent_sync_s == 0.0:
        yield Problem("issuer.renew_at_sync", "true", "needs an interval, issuer.agent_sync_s > 0")
    backoff = scenario.issuer.sync_backoff
    if backoff is not None and backoff.jitter == 1.0:
        yield Problem(
            "issuer.sync_backoff.jitter", "1", "must be < 1, or a sync may follow itself at once"
        )


def _faults(scenario: Scenario) -> Iterator[Problem]:
    for index, fault in enumerate(scenario.faults):
        key = f"faults[{index}]"
        if fault.kind == "datastore-slow" and scenario.issuer.datastore is None:
            yield Problem(f"{key}.kind", f"{fault.kind!r}", "needs a table [issuer.datastore]")
        if fault.start_s >= scenario.horizon_s:
            yield Problem(
                f"{key}.start_s",
                f"{fault.start_s:g}",
                f"must be < horizon_s = {scenario.horizon_s:g}",
            )
        if fault.every_s is not None and fault.every_s <= fault.length_s:
            ends = (
                "the issuer never comes back" if fault.kind == "issuer-outage" else "it never ends"
            )
            length = "over_s" if isinstance(fault, MassRestart) else "duration_s"
            yield Problem(
                f"{key}.every_s",
                f"{fault.every_s:g}",
                f"must be > {length} = {fault.length_s:g}, or {ends}",
            )


def _tenants(scenario: Scenario) -> Iterator[Problem]:
    tenants = scenario.tenants
    if not tenants:
        return
    yield from _duplicates("tenants", (tenant.name for tenant in tenants))
    if len(tenants) > scenario.agents:
        yield Problem("tenants", f"{len(tenants)}", f"must be ≤ the {scenario.agents} agents")
        return
    classes = [workload.name for workload in scenario.workloads]
    claims = Counter(name for tenant in tenants for name in tenant.workloads)
    for index, tenant in enumerate(tenants):
        for name in tenant.workloads:
            if name not in classes:
                allowed = f"must be one of {', '.join(classes)}"
                yield Problem(f"tenants[{index}].workloads", repr(name), allowed)
    for name in classes:
        if claims[name] != 1:
            yield Problem(
                "tenants[*].workloads",
                f"{name!r} {claims[name]} times",
                "each class must have one tenant",
            )


def _channels(scenario: Scenario) -> Iterator[Problem]:
    leak = scenario.threats.leak
    if leak.log_share + leak.file_share > 1:
        yield Problem(
            "threats.leak.file_share",
            f"{leak.file_share:g}",
            f"log_share + file_share = {leak.log_share + leak.file_share:g} must be ≤ 1; what is "
            "left of 1 leaks from memory",
        )


def _drive(scenario: Scenario) -> Iterator[Problem]:
    names = [regime.name for regime in scenario.regimes]
    if scenario.drive.regime is not None and scenario.drive.regime not in names:
        yield Problem(
            "drive.regime", repr(scenario.drive.regime), f"must be one of {', '.join(names)}"
        )


def _policies(scenario: Scenario) -> Iterator[Problem]:
    yield from _policy("policy", scenario.policy, scenario.workloads, scenario)
    for index, tenant in enumerate(scenario.tenants):
        if tenant.policy is not None:
            own = tuple(w for w in scenario.workloads if w.name in tenant.workloads)
            yield from _policy(f"tenants[{index}].policy", tenant.policy, own, scenario)


def _policy(
    key: str, policy: Policy, workloads: Sequence[Workload], scenario: Scenario
) -> Iterator[Problem]:
    if policy.alerts == 0 and policy != Policy():
        yield Problem(f"{key}.alerts", "0", f"must be ≥ 1, or the rest of [{key}] never applies")
    if policy.alerts == 0 or policy.ttl_factor == 1.0:
        return
    for regime in (regime for regime in scenario.regimes if regime.ttl_s < float("inf")):
        least_s = lifetimes.shortest_renewable_s(regime)
        for workload in workloads:
            life_s = lifetimes.ttl_of(workload, regime) * policy.ttl_factor
            ahead_s = workload.clock_skew.offset_s
            if 0.0 < ahead_s >= lifetimes.earliest_renewal_s(regime, life_s) or life_s <= least_s:
                yield Problem(
                    f"{key}.ttl_factor",
                    f"{policy.ttl_factor:g}",
                    f"leaves {workload.name}'s documents of {regime.name} {life_s:g} s, must leave "
                    f"> {max(least_s, ahead_s):g} s, or they are renewed late or without end",
                )


def _regime(regime: Regime, key: str, scenario: Scenario) -> Iterator[Problem]:
    renewal, ttl_s = regime.renewal, regime.ttl_s
    finite = ttl_s < float("inf")
    by_hand = regime.issuance is Issuance.MANUAL
    if renewal.rule is Renewal.NEVER and finite:
        yield Problem(f"{key}.renewal.rule", "'never'", f'needs ttl_s = "never", not {ttl_s:g}')
    if renewal.rule is not Renewal.NEVER and not finite:
        yield Problem(f"{key}.ttl_s", "'never'", "a renewal rule needs a finite lifetime")
    if regime.shared_by > 1 and not by_hand:
        yield Problem(f"{key}.shared_by", f"{regime.shared_by}", "an issued identity is not shared")
    elif regime.shared_by > 1 and renewal.rule is not Renewal.NEVER:
        yield Problem(
            f"{key}.shared_by",
            f"{regime.shared_by}",
            "a rotated secret must have one holder: rotation for a group at once is not modelled",
        )
    if regime.shared_by > scenario.agents:
        yield Problem(
            f"{key}.shared_by", f"{regime.shared_by}", f"must be ≤ the {scenario.agents} agents"
        )
    if regime.shared_on_node:
        yield from _shared_on_node(regime, f"{key}.shared_on_node")
    if regime.scope is Scope.ONE_TASK and not renewal.at_use:
        yield Problem(
            f"{key}.renewal.rule",
            repr(renewal.rule.keyword),
            'scope = "one-task" needs "at-use" or "per-request": '
            "a task's document is issued when it starts",
        )
    if finite:
        yield from renewals.problems(regime, key)


def _shared_on_node(regime: Regime, key: str) -> Iterator[Problem]:
    if regime.issuance is Issuance.MANUAL:
        yield Problem(key, "true", "needs an issuer: keys that are handed out know no node")
    elif regime.renewal.rule is Renewal.NEVER or regime.renewal.at_use:
        yield Problem(
            key,
            "true",
            f"needs a renewal by timer, not {regime.renewal.rule.keyword!r}: the node's agent "
            "renews what it keeps, whoever uses it",
        )


def _late_answers(scenario: Scenario) -> Iterator[str]:
    """Warn of a queue so long that what is served from its end comes too late."""
    issuer = scenario.issuer
    if issuer.deadline_s is None or issuer.queue_limit is None:
        return
    wait_s = issuer.queue_limit * issuer.service_time_s / issuer.servers
    if wait_s >= issuer.deadline_s:
        yield (
            f"issuer: a full queue of {issuer.queue_limit} takes {wait_s:g} s to sign, longer than "
            f"deadline_s = {issuer.deadline_s:g}: what is served from its end is thrown away"
        )


def _many_benign_events(scenario: Scenario) -> Iterator[str]:
    rate = scenario.benign.per_agent_year
    events = rate * scenario.agents * scenario.horizon_s / SECONDS_PER_YEAR
    if events > MANY_EVENTS:
        yield (
            f"benign: {rate:g} events per agent and year are {events:,.0f} for {scenario.agents} "
            f"agents in {scenario.horizon_s:g} s; each is simulated singly, so this takes minutes"
        )


def _delay_of_nobody(scenario: Scenario) -> Iterator[str]:
    delay_s = scenario.issuer.entry_reload_s + scenario.issuer.agent_sync_s
    restarting = scenario.start.ages == "cold" or any(
        workload.restarts_per_agent_day > 0 for workload in scenario.workloads
    )
    if (
        delay_s > 0
        and not restarting
        and not any(isinstance(fault, MassRestart) for fault in scenario.faults)
    ):
        yield (
            f"issuer: entry_reload_s + agent_sync_s = {delay_s:g} s delay the first credential of "
            "agents that restart or start cold, and none does"
        )


def _idle_syncs(scenario: Scenario) -> Iterator[str]:
    issuer = scenario.issuer
    inert = {
        "agent_sync_jitter": issuer.agent_sync_jitter > 0.0,
        "sync_backoff": issuer.sync_backoff is not None,
    }
    for key, given in inert.items():
        if given and not issuer.renew_at_sync:
            yield f"issuer: {key} changes nothing where renew_at_sync is not true"


def _many_counted_lines(scenario: Scenario) -> Iterator[str]:
    if not scenario.detection.rate_change.armed:
        return
    lines = (
        2.0
        * scenario.horizon_s
        * sum(
            workload.count * sum(task.rate_hz for task in workload.tasks)
            for workload in scenario.workloads
        )
    )
    if lines > MANY_LINES:
        yield (
            f"detection.rate_change: {lines:,.0f} lines of {scenario.agents} agents in "
            f"{scenario.horizon_s:g} s are counted one by one, so this takes minutes"
        )


def _profile_without_peak(scenario: Scenario) -> Iterator[str]:
    for workload in scenario.workloads:
        peak = max(workload.diurnal, default=1.0)
        if peak < 1.0:
            yield (
                f"{workload.name}: its diurnal weights reach {peak:g} at most, so its tasks never "
                f"start at their rate_hz, only at {peak:g} times that"
            )


def _idle_key_storage(regime: Regime) -> Iterator[str]:
    in_hardware = regime.key_storage is KeyStorage.HARDWARE
    if regime.binding is not Binding.KEY and regime.key_storage is not KeyStorage.MEMORY:
        yield (
            f"{regime.name}: key_storage = {regime.key_storage.keyword!r} changes nothing where "
            f"binding = {regime.binding.keyword!r}: the document is of use without its key"
        )
    if regime.presign_s > 0 and not (in_hardware and regime.binding is Binding.KEY):
        yield (
            f"{regime.name}: presign_s = {regime.presign_s:g} changes nothing: a thief who takes "
            "the key along needs no proofs made beforehand"
        )
