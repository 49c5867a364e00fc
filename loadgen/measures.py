"""What is counted in one regime's measured run: the rows of ``counts`` and ``series``."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from math import ceil

import numpy as np
from hdrh.histogram import HdrHistogram

from loadgen.generator.protocol import LAG_OP, UNSENT, GeneratorResult
from loadgen.histogram import decode, empty
from loadgen.incidents import as_expected, belongs, incident
from loadgen.merge import arrivals_only
from loadgen.outcome import Outcome
from loadgen.personas.thief import ACCEPTED, NO_ANSWER
from scenarios.demand.schedule import AUTHORIZE, ISSUE
from scenarios.record.tables import OperationRow

TTL_TOLERANCE_S = 1.0
"""X.509 and JWT times are whole seconds (RFC 5280 §4.1.2.5, RFC 7519 §2)"""


def counts(outcome: Outcome) -> dict[str, float]:
    """Return the numbers of one regime by name; those of the window as the simulator names them."""
    return {
        "agents": len(outcome.plan.identities),
        "horizon_s": outcome.plan.seconds,
        **_arrival_counts(outcome),
        **_window_counts(outcome),
        **_theft_counts(outcome),
        "delivery_floor_s": outcome.plan.scenario.detection.delivery_s,
        **_percentiles("audit_delay", outcome.seen.delay),
        **_percentiles("lag", _lag(outcome.rows)),
        **_generator_counts(outcome.result),
    }


def _arrival_counts(outcome: Outcome) -> dict[str, float]:
    mine, warmup = arrivals_only(outcome.rows), arrivals_only(outcome.warmup)
    return {
        "arrivals": outcome.arrivals,
        "arrivals_prologue": len(outcome.plan.prologue.slots),
        "arrivals_warmup": sum(row.count for row in warmup),
        "arrivals_measured": sum(row.count for row in mine),
        "arrivals_unsent": sum(row.count for row in mine + warmup if row.code == UNSENT),
        "arrivals_missing": outcome.missing,
        "warmup_errors": sum(row.count for row in warmup if row.code not in ("ok", UNSENT)),
    }


def _window_counts(outcome: Outcome) -> dict[str, float]:
    """Return what plan and audit log say about the window, warm-up included.

    An access is attributed when the identity in its audit line belongs to one agent; an
    authentication failure is a refused use that no thief made.
    """
    plan, seen = outcome.plan, outcome.seen
    if not seen.events:
        return {}
    per_second = {k: n for k, n in seen.issued.items() if 0 <= k < plan.seconds}
    uses = [use for theft in outcome.thefts for use in theft.uses]
    refused = sum(use.code != ACCEPTED and use.code not in NO_ANSWER for use in uses)
    return {
        "audit_events": seen.events,
        "issued": sum(per_second.values()),
        "peak_issuances_per_s": max(per_second.values(), default=0),
        "switches": int(np.count_nonzero(plan.demand.op == AUTHORIZE)),
        "requests": int(np.count_nonzero(plan.demand.op == ISSUE)),
        "accesses": seen.uses.total(),
        "attributed_accesses": sum(
            n for name, n in seen.uses.items() if len(plan.holders.get(name, ())) == 1
        ),
        "auth_failures": max(0, seen.denied - refused),
        "ttl_sampled": len(outcome.granted_ttl_s),
        "ttl_granted_otherwise": sum(
            plan.ttl_s is not None and abs(ttl_s - plan.ttl_s) > TTL_TOLERANCE_S
            for ttl_s in outcome.granted_ttl_s
        ),
    }


def _theft_counts(outcome: Outcome) -> dict[str, float]:
    rows = [incident(outcome, theft) for theft in outcome.happened]
    robbed = {theft.identity for theft in outcome.happened}
    false_alarms = sum(
        not any(belongs(alert, theft) for theft in outcome.happened) for alert in outcome.alerts
    )
    done = outcome.revocations.values()
    return {
        "thefts": len(rows),
        "thefts_as_expected": sum(as_expected(row) for row in rows),
        "alerts": len(outcome.alerts),
        "false_alarms": false_alarms,
        "watched_identity_s": len(outcome.plan.holders) * outcome.plan.seconds,
        "revocations": sum(one.revoked_s is not None for one in done),
        "revocations_failed": sum(one.revoked_s is None for one in done),
        "replacements": sum(len(one.replaced_s) for one in done),
        "healthy_revoked": sum(one.identity not in robbed for one in done),
    }


def _generator_counts(result: GeneratorResult | None) -> dict[str, float]:
    if result is None:
        return {}
    return {
        "generator_cpu_s": result.cpu_s,
        "waited_for_connection": result.waited_for_connection,
        "connections_opened": result.connections_opened,
        "retried": result.retried,
    }


def _percentiles(name: str, histogram: HdrHistogram) -> dict[str, float]:
    if not histogram.get_total_count():
        return {}
    return {
        f"{name}_p50_s": histogram.get_value_at_percentile(50.0) / 1e6,
        f"{name}_p99_s": histogram.get_value_at_percentile(99.0) / 1e6,
        f"{name}_max_s": histogram.get_max_value() / 1e6,
    }


def _lag(rows: Iterable[OperationRow]) -> HdrHistogram:
    lag = empty()
    for row in rows:
        if row.op == LAG_OP and row.histogram:
            lag.add(decode(row.histogram))
    return lag


def series(outcome: Outcome) -> list[tuple[float, str, float]]:
    """Return (start of interval, name, value).

    ``issued``, as the simulator has it: credentials in each interval of the scenario, by the audit
    log. ``sent_per_s``, ``ok_per_s`` and ``errors_per_s`` come from the generator's line a second
    and are dated by it.
    """
    found: list[tuple[float, str, float]] = []
    for before, after in pairwise(outcome.progress):
        span_s = after.t_s - before.t_s
        if span_s <= 0.0 or after.t_s <= 0.0 or before.t_s >= outcome.plan.seconds:
            continue
        errors = sum(after.errors.values()) - sum(before.errors.values())
        found.append((before.t_s, "sent_per_s", (after.sent - before.sent) / span_s))
        found.append((before.t_s, "ok_per_s", (after.ok - before.ok) / span_s))
        found.append((before.t_s, "errors_per_s", errors / span_s))
    if outcome.seen.events:
        interval_s = outcome.plan.scenario.series_interval_s
        issued: Counter[int] = Counter()
        for second, n in outcome.seen.issued.items():
            issued[int(second // interval_s)] += n
        intervals = range(ceil(outcome.plan.seconds / interval_s))
        found += [(k * interval_s, "issued", float(issued[k])) for k in intervals]
    return found
