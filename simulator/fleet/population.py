"""The fleet behind the port ``population.Population``: the same trace, event for event.

``advance`` only moves the clock; work is done when somebody looks. What touches the issuer is
executed in batches (``issuer.serve``, one thread), and agents take note of its answers in parallel
(``agents.settle``); private switches are counted when an agent is touched, or at the end.
"""

from functools import partial
from importlib import import_module
from math import ceil, inf
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from scenarios.demand.initial import SLOTS
from scenarios.errors import RunError
from scenarios.spec import rules
from scenarios.spec.regime import Issuance, Regime, regime_row
from scenarios.spec.schema import Scenario
from simulator.authority import Lifetimes
from simulator.fleet import agents, beginning, looks, replacing
from simulator.fleet.build import (
    build,
    provide_entries,
    provide_losses,
    provide_seconds,
    refuse_overflow,
    set_life,
)
from simulator.fleet.crew import Crew, available_threads
from simulator.fleet.desk import counted, order, provide_attempts, unfinished
from simulator.fleet.issuer import ORDERS, serve
from simulator.fleet.layout import (
    ANSWERED,
    ASKED,
    REVOKED,
    SERIAL_SHIFT,
    TASK_MASK,
    TRACE,
)
from simulator.fleet.memory import address
from simulator.fleet.numbering import Numbering
from simulator.fleet.watching import Watch
from simulator.forecast import switch_path
from simulator.layout import EVERYBODY, Layout, tenant_numbers
from simulator.population import Command, CommandKind, Counters, CredentialView, Loss

BATCH = 1 << 13
"""answers settled at a time"""
WORTHWHILE = 2048
"""answers from which a second thread pays"""
TRACE_ROWS = 1 << 20


def _kernels(name: str) -> ModuleType:
    """Return kernels that few runs need, imported, hence compiled, only now."""
    return import_module(f"simulator.fleet.{name}")


class FleetPopulation:
    """A population as ``population.Population`` describes it, compiled.

    Args:
        scenario: the resolved scenario; ``workloads``, ``start`` and ``issuer`` are used.
        regime: the credential regime of all agents.
        seed_key: from ``streams.seed_key``.
        trace: keep a trace of every event.
        threads: threads to use; all available ones when None. They change no result.
        batch: answers of the issuer settled at a time. It changes no result.

    Raises:
        UsageError: more switches or issues of one agent than a record can number.

    Attributes:
        now_s: the current time.
        switch_path: how private switches are counted, ``exact`` or ``poisson``
            (``forecast.switch_path``); with a trace always ``exact``.
    """

    def __init__(
        self,
        scenario: Scenario,
        regime: Regime,
        seed_key: np.uint64,
        trace: bool = False,
        threads: int | None = None,
        batch: int = BATCH,
    ) -> None:
        self._regime, self._layout = regime, Layout(scenario, regime)
        self._tenants = tenant_numbers(scenario)
        self._lifetimes = Lifetimes(scenario, regime, seed_key, self._layout)
        self._start = Crew(threads or available_threads()).start
        self._capacity = max(batch, SLOTS)
        self._memory = build(scenario, regime, seed_key, self._capacity, TRACE_ROWS if trace else 0)
        self.switch_path = "exact" if trace else switch_path(scenario, regime)
        refuse_overflow(scenario, regime, self.switch_path == "exact")
        self._bulk = _kernels("poisson") if self.switch_path == "poisson" else None
        self._memory.fleet["aggregated"] = self._bulk is not None
        self._place = address(self._memory.fleet)
        self._stages = _kernels("stages") if "desk" in self._memory.arrays else None
        self._records, self._event_s = self._memory.records, self._memory.records["event_s"]
        self._numbering = Numbering(self._memory.arrays["classes"], self._layout)
        self._agents = scenario.agents
        self.now_s = 0.0
        self._done_s = self._caught_up_s = 0.0
        self._expired_at_s = -1.0
        """when the expired were counted last, with no command since"""
        self._rows: list[NDArray[np.void]] | None = [] if trace else None
        self._watch = Watch(self._memory, self._numbering, self._layout, self._view)
        self._restarting = False
        self._lag_s = self._longest_lag(scenario, trace)
        self._begin()

    def _longest_lag(self, scenario: Scenario, trace: bool) -> float:
        """Return how far work may lie behind the clock."""
        if not trace:
            return scenario.horizon_s
        rate_hz = sum(w.count * sum(t.rate_hz for t in w.tasks) for w in scenario.workloads)
        return TRACE_ROWS / 8 / max(rate_hz, 1e-9)

    def _begin(self) -> None:
        batch = self._memory.batches[0]
        block = self._capacity // self._numbering.most_slots
        for first in range(0, self._agents, block):
            end = min(self._agents, first + block)
            self._start(partial(self._begin_part, first, end))()
            of = self._numbering.records_of
            batch["count"] = of(end - 1).stop - of(first).start
            batch["stage"] = ASKED
            self._serve(0, 0.0)
        if "nodes" in self._memory.arrays:
            _kernels("nodes").begin_syncs(self._place)
        if (self._memory.arrays["classes"]["restart_hz"] > 0.0).any():
            self._provide_restarts()
            provide_entries(self._memory, self._agents)
            _kernels("herd").begin_restarts(self._place)

    def _begin_part(self, first: int, end: int, part: int) -> None:
        beginning.begin(self._place, part, first, end)

    # -- work -----------------------------------------------------------------------------------

    def _work_to(self, to_s: float) -> None:
        """Execute everything that touches the issuer strictly before ``to_s``."""
        if self._done_s >= to_s:
            return
        provide_seconds(self._memory, to_s)
        if self._restarting or self._memory.issuer["issue_lookahead_s"] <= 0.0:
            self._take_turns(to_s)
        else:
            self._work_in_batches(to_s)
        self._done_s = to_s
        if self._rows is not None:
            self._catch_up()
            self._collect_rows(self._rows)

    def _take_turns(self, to_s: float) -> None:
        turns = self._stages or _kernels("turns")
        done = 0
        while not done:
            if self._restarting:
                provide_entries(self._memory, (SLOTS + 1) * self._capacity)
            if self._stages is not None:
                provide_attempts(self._memory)
            done = turns.take_turns(self._place, to_s)
            self._collect()

    def _work_in_batches(self, to_s: float) -> None:
        """Let agents take note of one batch of answers while the issuer works on the next."""
        batches = self._memory.batches
        b, done = 0, 0
        while not done or batches["stage"][b] == ANSWERED:
            if batches["stage"][b] != ANSWERED:
                done = self._serve(b, to_s)
                continue
            worthwhile = batches["count"][b] >= WORTHWHILE
            join = self._start(partial(self._settle, b), worthwhile)
            if not done and worthwhile:
                done = self._serve(1 - b, to_s)
            join()
            batches["stage"][b] = ASKED
            b = 1 - b
            self._collect()

    def _serve(self, b: int, to_s: float) -> int:
        """Let the issuer work to an instant, or as far as it may; return whether it got there."""
        if self._stages is None:
            return serve(self._place, b, to_s)
        provide_attempts(self._memory)
        return int(self._stages.serve(self._place, b, to_s))

    def _settle(self, b: int, part: int) -> None:
        agents.settle(self._place, b, part, 1)

    def _catch_up(self) -> None:
        """Count every private switch before now."""
        self._work_to(self.now_s)
        if self._caught_up_s < self._done_s:
            self._caught_up_s = self._done_s
            self._start(lambda part: looks.catch_up(self._place, part, self._done_s))()
            if (bulk := self._bulk) is not None:
                self._start(lambda part: bulk.count_switches(self._place, part, self._done_s))()

    def _collect(self) -> None:
        """Take up what the parts noted for Python or for the bulk count."""
        if self._bulk is not None:
            self._bulk.count_spans(self._place)
        self._watch.collect()

    def _collect_rows(self, rows: list[NDArray[np.void]]) -> None:
        for i, lane in enumerate(self._memory.lanes):
            count = int(lane["trace_rows"])
            if count > TRACE_ROWS:
                raise RunError(f"trace: {count} rows at a time, room for {TRACE_ROWS}")
            rows.append(self._memory.arrays[f"trace{i}"][:count].copy())
            lane["trace_rows"] = 0

    # -- state ----------------------------------------------------------------------------------

    def _expiry(self, agent: int, issued_s: float) -> float:
        """Return when what an agent was issued at an instant ends by itself."""
        lives, factor = self._memory.arrays["lives"], 1.0
        if len(lives) > 1:  # the first is in force from before the start, for everybody
            tenant = self._tenants[self._layout.index(agent)]
            concerns = (lives["tenant"] == EVERYBODY) | (lives["tenant"] == tenant)
            factor = float(lives["factor"][concerns & (lives["from_s"] <= issued_s)][-1])
        grant = self._lifetimes.grant(agent)
        return rules.expiry(issued_s, grant.life_s(issued_s, factor))

    def _view(self, agent: int, slot: int, serial: int, issued_s: float) -> CredentialView:
        """Return what an agent was issued at an instant, as long as nobody ends it."""
        ends_s = self._expiry(agent, issued_s)
        accepted_s = self._lifetimes.accepted_from_s(agent, issued_s)
        return CredentialView(agent, slot, serial, issued_s, ends_s, accepted_s)

    def _settled(self, agent: int) -> slice:
        """Do the work that an agent's state depends on; return its records."""
        where = self._numbering.records_of(agent)
        behind = self._done_s < self.now_s
        if behind and (self._restarting or min(self._event_s[where].tolist()) < self.now_s):
            self._work_to(self.now_s)
        return where

    # -- the port -------------------------------------------------------------------------------

    def advance(self, to_s: float) -> None:
        """Execute every event before ``to_s``; ValueError when that is in the past."""
        if to_s < self.now_s:
            raise ValueError(f"cannot advance to {to_s} s from {self.now_s} s")
        while to_s - self._done_s > self._lag_s:
            self.now_s = self._done_s + self._lag_s
            self._work_to(self.now_s)
        self.now_s = to_s

    def read(self, agent: int) -> tuple[CredentialView, ...]:
        """Return what ``agent`` holds now."""
        agent = self._layout.holder(agent)
        where = self._settled(agent)
        views = []
        for slot, (_, issued_s, _, _, tag) in enumerate(self._records[where].tolist()):
            serial = (tag >> SERIAL_SHIFT) - 1
            if serial >= 0 and not self._is_lost(where.start + slot):
                view = self._view(agent, slot, serial, issued_s)
                if tag & REVOKED:
                    ended_s = float(self._memory.arrays["ended_s"][where.start + slot])
                    view = view._replace(expires_s=ended_s)
                views.append(view)
        return tuple(views)

    def command(self, command: Command) -> None:
        """Execute an order at the current time."""
        self._expired_at_s = -1.0
        agent = command.agent
        match command.kind:
            case CommandKind.REPLACE:
                self._replace(self._layout.holder(agent))
            case CommandKind.SET_TTL:
                self._work_to(self.now_s)
                row = regime_row(self._regime)
                set_life(self._memory, row, self._lifetimes.grants, self.now_s, command)
            case CommandKind.RENEW_ALL:
                if self._regime.issuance != Issuance.MANUAL:
                    self._work_to(self.now_s)
                    provide_entries(self._memory, len(self._records))
                    _kernels("hurry").hurry(self._place, self.now_s, command.value, command.tenant)
            case CommandKind.MASS_RESTART:
                self._restart_nodes(command)
            case CommandKind.WATCH:
                self._settled(self._layout.holder(agent))
                self._watch.begin(agent)
            case CommandKind.UNWATCH:
                self._watch.end(agent)
            case _:
                self._work_to(self.now_s)
                if "nodes" in self._memory.arrays:
                    _kernels("nodes").sync_all(self._place, self.now_s)
                order(self._memory, command)

    def _restart_nodes(self, command: Command) -> None:
        if self._regime.issuance == Issuance.MANUAL:
            return
        self._work_to(self.now_s)
        self._provide_restarts()
        provide_entries(self._memory, self._agents)
        place, fault, share = self._place, command.fault, command.value
        _kernels("herd").restart_nodes(place, self.now_s, fault, share, command.over_s)

    def _provide_restarts(self) -> None:
        """From now on agents restart, so issuer and agents take turns."""
        self._restarting = True
        provide_losses(self._memory)

    def _is_lost(self, record: int) -> bool:
        return self._restarting and bool(self._memory.arrays["lost_s"][record] > -inf)

    def _replace(self, agent: int) -> None:
        """Replace what an agent holds; the issuer need not have come so far, unless by hand."""
        issuer = self._memory.issuer[0]
        at_once = issuer["by_hand"] or self._stages or self._restarting
        if at_once or issuer["order_count"] > ORDERS - SLOTS:
            self._work_to(self.now_s)
        self._settled(agent)
        provide_seconds(self._memory, self.now_s)
        provide_entries(self._memory)
        if self._stages is None:
            replacing.replace(self._place, agent, self.now_s, self._done_s < self.now_s)
        else:
            provide_attempts(self._memory)
            self._stages.replace(self._place, agent, self.now_s)
        self._collect()

    def issued(self, agent: int) -> tuple[CredentialView, ...]:
        """Return what was issued to a watched agent since it was last asked."""
        self._settled(self._layout.holder(agent))
        return self._watch.take_issued(agent)

    def lost(self, agent: int) -> tuple[Loss, ...]:
        """Return what a watched agent lost in restarts since this was last asked."""
        if not self._restarting:
            return ()
        self._settled(self._layout.holder(agent))
        return self._watch.take_lost(agent)

    def first_waits(self) -> NDArray[np.int64]:
        """Return the first credentials by how long they were waited for."""
        self._work_to(self.now_s)
        return self._first_waits()

    def _first_waits(self) -> NDArray[np.int64]:
        """Return the sum of what the lanes counted."""
        by_lane = [self._memory.arrays[f"first_waits{i}"] for i in range(len(self._memory.lanes))]
        total: NDArray[np.int64] = np.array(by_lane).sum(axis=0)
        return total

    def current_task(self, agent: int) -> int:
        """Return the task that ``agent`` switched to last, -1 before its first."""
        self._settled(self._layout.holder(agent))
        where = self._numbering.records_of(agent)
        if self._bulk is not None:
            return int(self._bulk.current_task(self._place, agent, self.now_s))
        looks.catch_up_one(self._place, agent, self.now_s)
        return (int(self._records["tag"][where.start]) & TASK_MASK) - 1

    def counters(self) -> Counters:
        """Return the totals up to now."""
        self._catch_up()
        lanes, shards = self._memory.lanes, self._memory.shards
        issuer = self._memory.issuer[0]
        requests, refusals, issued = (int(issuer[n]) for n in ("requests", "refusals", "issued"))
        return Counters(
            events_executed=requests + refusals + issued,
            switches=int(lanes["switches"].sum()),
            requests=requests,
            refusals=refusals,
            issued=issued,
            auth_failures=int(lanes["auth_failures"].sum() + lanes["open_failures"].sum()),
            waits=int(lanes["waits"].sum()),
            expired_agent_s=sum(shards["expired_s"].tolist())
            + sum(shards["open_expired_s"].tolist()),
            queue_waits=int(issuer["queue_waits"]),
            queue_wait_s=float(issuer["queue_wait_s"]),
            lost=int(lanes["lost"].sum()),
            first_credentials=int(self._first_waits().sum()),
            first_credential_wait_s=float(lanes["first_wait_s"].sum()),
            **counted(self._memory),
        )

    def issuances_per_second(self) -> NDArray[np.int32]:
        """Return the credentials issued in each whole second since t = 0."""
        return self._per_second("issued_in_second")

    def refusals_per_second(self) -> NDArray[np.int32]:
        """Return the attempts refused in each whole second since t = 0."""
        return self._per_second("refused_in_second")

    def _per_second(self, name: str) -> NDArray[np.int32]:
        self._work_to(self.now_s)
        # not copied: of a year that is a quarter of a gigabyte, nearly all of it never touched
        counted = self._memory.arrays[name][: ceil(self.now_s)].view()
        counted.flags.writeable = False
        return counted

    def expired_now(self) -> int:
        """Return how many slots hold no valid credential at this instant; 0 under AT_USE."""
        if self._regime.renewal.at_use:
            return 0
        if self._expired_at_s != self.now_s:
            self._expired_at_s = self.now_s
            self._work_to(self.now_s)
            self._start(lambda part: looks.count_expired(self._place, part, self.now_s))()
        return int(self._memory.lanes["expired_slots"].sum())

    def backlog(self) -> int:
        """Return how many accepted requests are unfinished."""
        self._work_to(self.now_s)
        return unfinished(self._memory)

    def in_flight(self) -> int:
        """Return how many slots have a request under way, back-off included."""
        self._work_to(self.now_s)
        self._start(lambda part: looks.count_in_flight(self._place, part, self.now_s))()
        return int(self._memory.lanes["in_flight_slots"].sum())

    def trace(self) -> NDArray[np.void]:
        """Return the trace up to now; ValueError when none was asked for."""
        if self._rows is None:
            raise ValueError("this population was built without a trace")
        self._work_to(self.now_s)
        self._collect_rows(self._rows)
        return np.sort(np.concatenate(self._rows), order=TRACE.names)
