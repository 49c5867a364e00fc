"""Lays out the memory of one fleet from a scenario: the only place that allocates."""

from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.initial import SLOTS
from scenarios.demand.switches import switch_law, use_rate_hz
from scenarios.errors import UsageError
from scenarios.spec import rules
from scenarios.spec.regime import Regime, RegimeRow, Renewal, Scope, regime_row
from scenarios.spec.schema import Backoff, Scenario
from scenarios.spec.schema import Issuer as Settings
from simulator.authority import Grant, grants
from simulator.fleet.desk import build_desk, needs_desk
from simulator.fleet.issuer import DOUBTS, ISSUER, ORDERS
from simulator.fleet.layout import (
    AGENT_CLASS,
    BATCH,
    BATCHES,
    BLOCK,
    ENTRY,
    FLEET,
    ISSUE,
    LANE,
    LANES,
    LIFE,
    MAX_CANDIDATES,
    MAX_ISSUES,
    PARTS,
    RECORD,
    SHARD,
    SHARDS,
    SPAN,
    TRACE,
)
from simulator.fleet.memory import Memory, reserve
from simulator.fleet.wheel import BINS, BUCKETS, CHUNK, WHEEL
from simulator.layout import EVERYBODY, initial_ages, tenant_numbers
from simulator.limits import limits
from simulator.population import Command
from simulator.restarts import FIRST_WAIT_BINS

MANUAL = 0
QUEUE = 256
"""places of the issuer's queue at the start"""
BUCKETS_IN_AGE, ENTRIES_IN_BUCKET = 2000.0, 1024.0
"""buckets that a renewal age spans at most; entries of one, so that the ends of all and the whole
of one stay in a core's own cache"""


def build(
    scenario: Scenario, regime: Regime, seed_key: np.uint64, batch: int, trace: int
) -> Memory:
    """Return the memory of a fleet that was not yet put into its initial state.

    Args:
        scenario: ``workloads``, ``start`` and ``issuer`` are used.
        regime: the credential regime of all agents.
        seed_key: from ``streams.seed_key``.
        batch: answers of the issuer that are settled at a time.
        trace: rows of trace that a lane can hold; 0 for no trace.
    """
    granted = grants(scenario, regime, seed_key)
    classes = agent_classes(scenario, regime, granted)
    last, workload = classes[-1], scenario.workloads[-1]
    records = int(last["first_record"] + workload.count * last["slots"])
    memory = Memory(
        fleet=np.zeros(1, FLEET),
        issuer=np.zeros(1, ISSUER),
        wheel=np.zeros(1, WHEEL),
        batches=np.zeros(BATCHES, BATCH),
        lanes=reserve(LANES, LANE),
        shards=_shards(classes, scenario.agents, records),
        records=reserve(records, RECORD),
    )
    row = regime_row(regime)
    ages_s = extreme_ages_s(row, granted)
    _fleet(memory, scenario, row, ages_s, seed_key, classes, batch, trace)
    ages = initial_ages(scenario, regime)
    memory.fleet["synchronised"], memory.fleet["cold"] = ages == "synchronised", ages == "cold"
    if ages == "cold":
        provide_losses(memory)
    _wheel(memory, ages_s, records)
    _issuer(memory, scenario, row, ages_s, records)
    if needs_desk(scenario) and row.issuance != MANUAL:
        nodes = int(last["first_node"]) - (-workload.count // workload.agents_per_node)
        build_desk(memory, scenario, nodes, records, row.rule != Renewal.AT_USE)
    _lanes(memory, batch, trace)
    return memory


def refuse_overflow(scenario: Scenario, regime: Regime, exact: bool) -> None:
    """Raise UsageError when an agent may have more switches or issues than a record can number."""
    rate_hz = max(sum(task.rate_hz for task in w.tasks) for w in scenario.workloads)
    shortest_s, _ = extreme_ages_s(regime_row(regime), grants(scenario, regime, np.uint64(0)))
    cycle_s = shortest_s + (1.0 / rate_hz if regime.renewal.at_use else 0.0)
    candidates, issues = rate_hz * scenario.horizon_s, scenario.horizon_s / cycle_s
    for number, limit, what in (
        (candidates * exact, MAX_CANDIDATES, "task switches"),
        (issues, MAX_ISSUES, "credentials"),
    ):
        if number > 0.9 * limit:
            raise UsageError(
                f"horizon_s: found {scenario.horizon_s:g}, an agent would have {number:.2g} "
                f"{what}; the fleet numbers {limit:.2g} at most"
            )


def agent_classes(scenario: Scenario, regime: Regime, granted: Sequence[Grant]) -> NDArray[np.void]:
    """Return a row of ``AGENT_CLASS`` for each workload class."""
    hour = scenario.start.hour_of_day
    one_task = regime.scope == Scope.ONE_TASK
    # keys handed out are not lost, and a node's document survives its pods
    restarting = regime.issuance != MANUAL and not regime.shared_on_node
    classes = np.zeros(len(scenario.workloads), AGENT_CLASS)
    agent = record = node = 0
    of_classes, _ = limits(
        scenario, sum(-(-w.count // w.agents_per_node) for w in scenario.workloads)
    )
    classes["tenant"] = tenant_numbers(scenario)
    for row, workload, grant, limit in zip(
        classes, scenario.workloads, granted, of_classes, strict=True
    ):
        row["limit_hz"], row["limit_burst"], row["limiter"], row["nodes_per_address"] = limit
        law = switch_law(workload, hour)
        tasks = len(workload.tasks)
        row["first_agent"], row["first_record"], row["first_node"] = agent, record, node
        row["agents_per_node"], row["agents"] = workload.agents_per_node, workload.count
        row["restart_hz"] = workload.restart_hz if restarting else 0.0
        row["on_node"] = regime.shared_on_node
        row["tasks"], row["slots"] = tasks, tasks if one_task else 1
        row["ttl_s"], row["shortened"] = grant.ttl_s, grant.truncates
        row["ca_since_s"], row["ca_term_s"], row["ca_life_s"] = grant.ca
        row["ca_lead_s"], row["refused"] = grant.lead_s, grant.refuses
        for name in ("refresh_s", "refresh_phase_s", "skew_share", "skewed_s", "backdate_s"):
            row[name] = getattr(grant, name)
        row["plain"], row["rate_hz"] = law.plain, law.total_rate_hz
        row["cumulative_hz"][:tasks] = law.cumulative_hz
        row["active_masks"][:tasks] = law.active_masks
        row["weighted"], row["weights"] = bool(law.diurnal), law.diurnal or 1.0
        for slot in range(row["slots"]):
            row["use_hz"][slot] = use_rate_hz(law, slot if one_task else None)
        agent += workload.count
        record += workload.count * int(row["slots"])
        node += -(-workload.count // workload.agents_per_node)
    return classes


def _shards(classes: NDArray[np.void], agents: int, records: int) -> NDArray[np.void]:
    shards = np.zeros(SHARDS, SHARD)
    firsts = -(-np.arange(SHARDS + 1, dtype=np.int64) * agents // SHARDS)  # agent·64 // N = shard
    of = np.searchsorted(classes["first_agent"], firsts, side="right") - 1
    offset = firsts - classes["first_agent"][of]
    first_records = classes["first_record"][of] + offset * classes["slots"][of]
    first_records[-1] = records
    shards["first_agent"], shards["end_agent"] = firsts[:-1], firsts[1:]
    shards["first_record"], shards["end_record"] = first_records[:-1], first_records[1:]
    return shards


def extreme_ages_s(
    row: RegimeRow, granted: Sequence[Grant], factor: float = 1.0
) -> tuple[float, float]:
    """Return bounds on the renewal age that any draw can give, for ``factor`` times the lives."""
    ages = [
        row.at(life_s, factor).renewal_age(*u) + late_s
        for grant in granted
        for late_s in grant.lateness_s
        for life_s in (grant.shortest_s(factor), factor * grant.ttl_s)
        for u in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0))
    ]
    return max(0.0, min(ages)), max(ages)


def _fleet(
    memory: Memory,
    scenario: Scenario,
    row: RegimeRow,
    ages_s: tuple[float, float],
    seed_key: np.uint64,
    classes: NDArray[np.void],
    batch: int,
    trace: int,
) -> None:
    fleet, records = memory.fleet, len(memory.records)
    for name in row._fields:
        if name in FLEET.fields:  # type: ignore[operator]
            fleet[name] = getattr(row, name)
    backoff = _backoff(scenario.issuer, row)
    for name in ("base_s", "factor", "cap_s", "jitter"):
        fleet[f"backoff_{name}"] = getattr(backoff, name)
    fleet["seed_key"] = seed_key
    fleet["start_hour"] = scenario.start.hour_of_day
    fleet["one_task"] = row.scope == Scope.ONE_TASK
    shortest_s, _ = ages_s
    if row.rule == Renewal.AT_USE:
        fleet["margin_s"] = shortest_s or 600.0
        fleet["scan_s"] = max(3600.0, 4.0 * shortest_s)
    fleet["agents"], fleet["record_count"] = scenario.agents, records
    fleet["class_count"], fleet["batch_capacity"] = len(classes), batch
    fleet["tracing"] = trace > 0
    memory.hold(fleet, "records", memory.records)
    memory.hold(fleet, "ended_s", reserve(records, np.float64))
    memory.hold(fleet, "hurried_s", reserve(records, np.float64))
    memory.hold(fleet, "refusals", reserve(records, np.uint32))
    fleet["entry_reload_s"] = scenario.issuer.entry_reload_s
    fleet["agent_sync_s"] = scenario.issuer.agent_sync_s
    fixed = scenario.issuer.renew_at_sync and not scenario.issuer.chained_syncs
    if fixed and row.issuance != MANUAL:
        fleet["renewal_sync_s"] = scenario.issuer.agent_sync_s
    memory.hold(fleet, "classes", classes)
    memory.hold(fleet, "shards", memory.shards)
    memory.hold(fleet, "lanes", memory.lanes)
    memory.hold(fleet, "batches", memory.batches)
    for b in range(BATCHES):
        memory.hold(memory.batches[b : b + 1], "entries", reserve(batch, ENTRY), f"batch{b}")
    memory.hold(fleet, "spare", reserve(1, ENTRY))
    memory.hold(fleet, "picks", reserve(PARTS * batch, np.uint32))
    memory.hold(fleet, "wheel", memory.wheel)
    memory.hold(fleet, "lives", np.array([(-inf, 1.0, EVERYBODY)], LIFE))
    fleet["life_count"] = 1
    memory.hold(fleet, "issuer", memory.issuer)


def _backoff(of: Settings, row: RegimeRow) -> Backoff:
    """Return when an agent looks again after a failure.

    Where its node backs off as a whole, before that may be: ``nodes`` knows when it really is.
    """
    if not of.renew_at_sync or of.sync_backoff is None or row.rule == Renewal.AT_USE:
        return of.backoff
    least, b = 0.5 * (1.0 - of.sync_backoff.jitter), of.sync_backoff
    return Backoff(base_s=least * b.base_s, factor=b.factor, cap_s=least * b.cap_s, jitter=0.0)


def _wheel(memory: Memory, ages_s: tuple[float, float], records: int) -> None:
    wheel = memory.wheel
    _, longest_s = ages_s
    buckets = min(BUCKETS_IN_AGE, 1.0 + records / ENTRIES_IN_BUCKET)
    wheel["buckets_per_s"] = buckets / longest_s if 0.0 < longest_s < inf else 1.0
    wheel["opened"] = -1
    memory.hold(wheel, "ends", reserve(BUCKETS, np.int64))
    memory.hold(wheel, "bins", reserve(BINS + 1, np.int64))
    for name in ("entries", "open", "scratch", "late"):
        memory.arrays[name] = reserve(0, ENTRY)
    for name in ("before", "free"):
        memory.arrays[name] = reserve(0, np.int64)
    _widen(memory, records + records // 8 + 4096)


def _widen(memory: Memory, capacity: int) -> None:
    """Make room for this many entries on the wheel."""
    wheel = memory.wheel
    had = int(wheel["chunks"][0])
    chunks = capacity // CHUNK + BUCKETS + 1
    lengths = {"entries": chunks * CHUNK, "before": chunks, "free": chunks}
    lengths |= dict.fromkeys(("open", "scratch", "late"), capacity)
    for name, length in lengths.items():
        old = memory.arrays[name]
        array = reserve(length, old.dtype)
        array[: len(old)] = old
        memory.hold(wheel, name, array)
    free, count = memory.arrays["free"], int(wheel["free_count"][0])
    added = np.arange(chunks - 1, had - 1, -1)  # the lowest on top, so that few pages are touched
    free[: count + len(added)] = np.concatenate([added, free[:count]])
    wheel["capacity"], wheel["chunks"] = capacity, chunks
    wheel["free_count"] = count + len(added)


def set_life(
    memory: Memory, row: RegimeRow, granted: Sequence[Grant], from_s: float, order: Command
) -> None:
    """Let whatever a tenant is issued from an instant on live ``order.value`` times its life."""
    added = np.array([(from_s, order.value, order.tenant)], LIFE)
    lives = np.append(memory.arrays["lives"], added)
    memory.hold(memory.fleet, "lives", lives)
    memory.fleet["life_count"] = len(lives)
    memory.issuer["issue_lookahead_s"] = min(
        extreme_ages_s(row, granted, factor)[0] for factor in _in_force(lives)
    )


def _in_force(lives: NDArray[np.void]) -> set[float]:
    """Return the factors of everybody and of each tenant that has had one of its own."""
    of: dict[int, float] = {}
    for _, factor, tenant in lives.tolist():
        if tenant == EVERYBODY:
            of.clear()
        of[tenant] = factor
    return set(of.values())


def provide_losses(memory: Memory) -> None:
    """Make room for what agents lose when they restart, unless there is some."""
    fleet = memory.fleet
    if not fleet["churn"][0]:
        fleet["churn"] = 1
        for name in ("lost_s", "again_s"):
            memory.hold(fleet, name, np.full(len(memory.records), -inf))


def provide_entries(memory: Memory, more: int = SLOTS) -> None:
    """Make sure that the wheel has room for void entries of ``more`` slots."""
    wheel, issuer = memory.wheel[0], memory.issuer[0]
    filed = int(wheel["waiting"] + wheel["open_count"] - wheel["open_next"] + wheel["late_count"])
    asked = int(memory.batches["count"].sum()) + ORDERS
    in_flight = int(issuer["requests"] - issuer["refusals"] - issuer["issued"])
    if "desk" in memory.arrays:
        in_flight -= int(memory.arrays["desk"]["timeouts"][0])
    if filed + asked + in_flight > int(wheel["capacity"]) - more:
        _widen(memory, int(wheel["capacity"]) + max(more, int(wheel["capacity"])))


def provide_seconds(memory: Memory, to_s: float) -> None:
    """Make sure that events up to ``to_s`` can be counted by second."""
    issuer = memory.issuer
    have, need = int(issuer["seconds"][0]), int(to_s) + 2
    if need > have:
        issuer["seconds"] = 2 * need
        for name in ("issued_in_second", "refused_in_second"):
            grown = reserve(2 * need, np.int32)
            grown[:have] = memory.arrays[name]
            memory.hold(issuer, name, grown)


def _issuer(
    memory: Memory, scenario: Scenario, row: RegimeRow, ages_s: tuple[float, float], records: int
) -> None:
    issuer = memory.issuer
    backoff = _backoff(scenario.issuer, row)
    issuer["servers"] = scenario.issuer.servers
    issuer["service_time_s"] = scenario.issuer.service_time_s
    issuer["signing_factor"] = 1.0
    issuer["by_hand"] = row.issuance == MANUAL
    issuer["issue_lookahead_s"], _ = ages_s
    issuer["refuse_lookahead_s"] = rules.backoff_delay(
        1, backoff.base_s, backoff.factor, backoff.cap_s, backoff.jitter, 0.0
    )
    ring = 1 << records.bit_length()
    issuer["queue_capacity"], issuer["queue_mask"] = ring, min(ring, QUEUE) - 1
    memory.hold(issuer, "serving", reserve(scenario.issuer.servers, ENTRY))
    memory.hold(issuer, "queue", reserve(ring, ENTRY))
    memory.hold(issuer, "doubts", reserve(DOUBTS, np.uint32))
    memory.hold(issuer, "orders", reserve(ORDERS, ENTRY))
    issuer["faults"] = len(scenario.faults)
    memory.hold(issuer, "cut_off_share", reserve(len(scenario.faults), np.float64))
    seconds = int(scenario.horizon_s) + 2
    issuer["seconds"] = seconds
    memory.hold(issuer, "issued_in_second", reserve(seconds, np.int32))
    memory.hold(issuer, "refused_in_second", reserve(seconds, np.int32))


def _lanes(memory: Memory, batch: int, trace: int) -> None:
    for i in range(len(memory.lanes)):
        lane = memory.lanes[i : i + 1]
        lane["trace_capacity"] = trace
        memory.hold(lane, "drawn", reserve(BLOCK, np.float64), f"drawn{i}")
        memory.hold(lane, "trace", reserve(trace, TRACE), f"trace{i}")
        memory.hold(lane, "first_waits", reserve(FIRST_WAIT_BINS, np.int64), f"first_waits{i}")
        memory.hold(lane, "log", reserve(2 * batch + SLOTS, ISSUE), f"log{i}")
        memory.hold(lane, "spans", reserve(4 * batch, SPAN), f"spans{i}")
