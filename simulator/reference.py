"""The executable specification of a population: a SimPy process per agent, nothing clever.

Read it beside the semantics in ``population.py``. Every law comes from ``scenarios.spec.rules``,
every random number is a keyed draw, so the compiled fleet can be held against it bit for bit.
"""

from collections.abc import Callable, Generator, Iterable
from math import inf

import numpy as np
import simpy
from numpy.typing import NDArray

from scenarios.demand.initial import SLOTS, by_own_clock, initial_slot, walked_slot
from scenarios.demand.streams import Stream, entity_key, uniform
from scenarios.demand.switches import switches
from scenarios.spec import rules
from scenarios.spec.regime import Issuance, Regime, Scope, regime_row
from scenarios.spec.schema import Scenario
from simulator.authority import Lifetimes
from simulator.clock import Clock
from simulator.issuer import Client, Issuer
from simulator.layout import EVERYBODY, Layout, initial_ages, tenant_numbers
from simulator.nodes import Nodes
from simulator.population import (
    Command,
    CommandKind,
    Counters,
    CredentialView,
    EventKind,
    Loss,
)
from simulator.restarts import entry_delay, node_delay, restart_times
from simulator.slot import ACCEPTED, BACKING_OFF, IDLE, Slot
from simulator.tally import Tally

INITIAL = Stream.INITIAL_AGE, Stream.INITIAL_LIFE, Stream.INITIAL_TASK


class ReferencePopulation:
    """A population as ``population.Population`` describes it, in plain SimPy.

    Args:
        scenario: the resolved scenario; ``workloads``, ``start`` and ``issuer`` are used.
        regime: the credential regime of all agents.
        seed_key: from ``streams.seed_key``.
        trace: keep a trace of every event.
    """

    def __init__(
        self, scenario: Scenario, regime: Regime, seed_key: np.uint64, trace: bool = False
    ) -> None:
        self._scenario, self._regime, self._seed_key = scenario, regime, seed_key
        self._row = regime_row(regime)
        self._at_use = regime.renewal.at_use
        self._layout = Layout(scenario, regime)
        self._lifetimes = Lifetimes(scenario, regime, seed_key, self._layout)
        self._clock = Clock()
        self._tenants = tenant_numbers(scenario)
        self._life_factors = [1.0] * len(self._tenants)
        self._tally = Tally(trace)
        client = Client(self._clock, self._call, self._log, self._issue, self._fail)
        self._issuer = Issuer(scenario, self._layout, seed_key, self._tally, client)
        by_timer = not self._at_use and self._row.issuance != Issuance.MANUAL
        self._batched = by_timer and scenario.issuer.batch_limit is not None
        self._nodes = None
        if by_timer and scenario.issuer.chained_syncs:
            self._nodes = Nodes(
                scenario, self._layout, seed_key, self._clock, self._issuer.reaches, self._try
            )
        self._watched: dict[int, list[CredentialView]] = {}
        self._lost: dict[int, list[Loss]] = {}
        agents = range(self._layout.agents)
        self._late_s = [self._lifetimes.late_s(agent) for agent in agents]
        self._task = [-1 for _ in agents]
        self._slots: list[list[Slot]] = []
        for agent in agents:
            holder = self._layout.holder(agent)
            own = holder == agent
            self._slots.append(self._initial_slots(agent) if own else self._slots[holder])
        for agent in agents:
            self._clock.process(self._work(agent))
            if self._layout.holder(agent) != agent:
                continue
            if not self._regime.shared_on_node:
                rate_hz = self._layout.of(agent).workload.restart_hz
                instants = restart_times(self._seed_key, agent, rate_hz)
                self._clock.process(self._restarts(agent, instants))
            for slot in self._slots[agent]:
                if slot.serial < 0 and not self._at_use:
                    self._call(self._ask, slot.again_s, EventKind.REQUEST, slot)
                self._await_due(slot)

    # -- agents ---------------------------------------------------------------------------------

    def _initial_slots(self, agent: int) -> list[Slot]:
        ages = initial_ages(self._scenario, self._regime)
        slots = []
        for index in range(self._layout.of(agent).slots):
            slot = Slot(agent, index, 0, 0.0, inf, inf)
            if ages == "cold":
                slot.serial, slot.issued_s, slot.expires_s = -1, inf, -inf
                slot.lost_s, slot.again_s = 0.0, self._entry_delay(slot)
            elif ages == "synchronised":
                self._date(slot)
            else:
                slot.issued_s, due_s, slot.expires_s = self._stationary(slot)
                slot.due_s = self._at_sync(slot, due_s)
                if slot.issued_s == inf:
                    slot.serial = -1
            if slot.serial >= 0:
                slot.accepted_from_s = self._lifetimes.accepted_from_s(agent, slot.issued_s)
            slots.append(slot)
        return slots

    def _stationary(self, slot: Slot) -> tuple[float, float, float]:
        """Return issue, due and expiry of what a slot holds at t = 0 in the stationary state."""
        agent, index, grant = slot.agent, slot.index, self._lifetimes.grant(slot.agent)
        rule = self._row.at(grant.ttl_s).rule_numbers
        late_s = self._late_s[agent]
        use_hz = self._layout.of(agent).use_hz(index)
        if grant.truncates:
            walk = self._key(agent, Stream.INITIAL_WALK)
            return walked_slot(*rule, use_hz, late_s, *grant.ca, walk, index, 0.0)
        age, life, task = (self._key(agent, stream) for stream in INITIAL)
        issued_s, due_s, _ = initial_slot(*rule, use_hz, age, life, task, index)
        issued_s, due_s = by_own_clock(issued_s, due_s, late_s)
        return issued_s, due_s, rules.expiry(issued_s, grant.ttl_s)

    def _work(self, agent: int) -> Generator[simpy.Event, object, None]:
        """Switch tasks for ever."""
        for switch in switches(self._seed_key, agent, self._layout.of(agent).law):
            yield self._at(switch.t_s, EventKind.SWITCH, agent, 0)
            self._switch(agent, switch.task)

    def _switch(self, agent: int, task: int) -> None:
        slot = self._slots[agent][task if self._row.scope == Scope.ONE_TASK else 0]
        self._task[agent] = task
        if self._at_use and self.now_s >= slot.asks_from_s(self._late_s[agent]):
            self._ask(slot)
        if self._row.per_request or slot.serial < 0 or self.now_s >= slot.expires_s:
            if self._at_use and slot.request == ACCEPTED:
                self._tally.waits += 1
            else:
                self._tally.auth_failures += 1
        elif self.now_s < slot.accepted_from_s:
            self._tally.auth_failures += 1
        self._log(EventKind.SWITCH, agent, task, slot.serial)

    # -- restarts -------------------------------------------------------------------------------

    def _restarts(
        self, agent: int, instants: Iterable[float]
    ) -> Generator[simpy.Event, object, None]:
        """Restart at each of the instants."""
        for t_s in instants:
            yield self._at(t_s, EventKind.RESTART, agent, 0)
            self._restart(agent)

    def _restart(self, agent: int) -> None:
        """Lose what an agent holds and ask for it anew."""
        if self._row.issuance == Issuance.MANUAL or self._layout.holder(agent) != agent:
            return
        for slot in self._slots[agent]:
            if slot.serial < 0 or slot.lost:
                continue
            slot.lost_s, slot.again_s = self.now_s, -inf
            slot.expires_s = min(slot.expires_s, self.now_s)
            for user in self._layout.users(agent):
                if user in self._watched:
                    self._lost[user].append(Loss(slot.index, slot.serial, self.now_s))
            self._log(EventKind.RESTART, agent, slot.index, slot.serial)
            if slot.request == IDLE:
                self._forget(slot)
                slot.again_s = slot.due_s = self.now_s + self._entry_delay(slot)
                self._await_due(slot)

    def _entry_delay(self, slot: Slot) -> float:
        key, issuer = self._key(slot.agent, Stream.RESTART), self._scenario.issuer
        return entry_delay(
            key, slot.serial + 1, slot.index, issuer.entry_reload_s, issuer.agent_sync_s
        )

    def _mass_restart(self, command: Command) -> None:
        """Restart a share of the nodes, each at its instant of the window."""
        for node in range(self._layout.nodes):
            key = self._key(node, Stream.MASS_RESTART)
            delay_s = node_delay(key, command.fault, command.value, command.over_s)
            for agent in self._layout.on_node(node) if delay_s < inf else ():
                self._clock.process(self._restarts(agent, [self.now_s + delay_s]))

    # -- credentials ----------------------------------------------------------------------------

    def _date(self, slot: Slot) -> None:
        """Write into a slot when what it was just issued is due and expires."""
        u_phase = self._draw(slot, Stream.POLL_PHASE, slot.serial)
        u_draw = self._draw(slot, Stream.RENEWAL, slot.serial)
        factor = self._life_factors[self._layout.index(slot.agent)]
        life_s = self._lifetimes.grant(slot.agent).life_s(slot.issued_s, factor)
        age_s = self._row.at(life_s, factor).renewal_age(u_phase, u_draw)
        due_s = slot.issued_s + max(0.0, age_s + self._late_s[slot.agent])
        slot.due_s = self._at_sync(slot, due_s)
        slot.expires_s = rules.expiry(slot.issued_s, life_s)

    def _at_sync(self, slot: Slot, due_s: float) -> float:
        """Return when what is due is asked for: at once, or at the node's next sync.

        Where syncs are chained that is not known yet: what is due waits for it (``Nodes``).
        """
        issuer = self._scenario.issuer
        if not issuer.renew_at_sync or self._at_use or self._row.issuance == Issuance.MANUAL:
            return due_s
        if self._nodes is not None:
            return due_s
        node, interval_s = self._layout.node_number(slot.agent), issuer.agent_sync_s
        phase_s = uniform(self._seed_key, node, Stream.SYNC_PHASE, 0) * interval_s
        return rules.next_sync(due_s, phase_s, interval_s)

    def _await_due(self, slot: Slot, in_batch: bool = False) -> None:
        """Ask for the successor when the present credential is due, if it still is the present.

        At the node's next sync where those are chained; not what was lost, nor the rest of a batch.
        """
        if self._at_use or slot.due_s == inf:
            return
        serial, due_s = slot.serial, slot.due_s

        def due(slot: Slot) -> None:
            if slot.serial != serial or slot.due_s != due_s:
                return
            if self._nodes is None or in_batch or slot.lost:
                self._ask(slot)
            elif slot.request == IDLE:
                self._nodes.wait(slot)

        self._call(due, due_s, EventKind.REQUEST, slot)

    def _replace(self, agent: int) -> None:
        """End the validity of what an agent holds and ask for its successors."""
        for slot in self._slots[agent]:
            if slot.serial >= 0:
                slot.expires_s, slot.again_s = min(slot.expires_s, self.now_s), -inf
                self._ask(slot)

    def _classes_of(self, tenant: int) -> list[int]:
        """Return the numbers of a tenant's classes, or of all."""
        return [n for n, of in enumerate(self._tenants) if tenant in (EVERYBODY, of)]

    def _renew_all(self, window_s: float, tenant: int) -> None:
        """Make what is held due within a window, unless it is due before or being renewed."""
        if self._row.issuance == Issuance.MANUAL:
            return
        concerned = set(self._classes_of(tenant))
        for slot in (slot for slots in self._slots for slot in slots):
            if self._layout.index(slot.agent) not in concerned:
                continue
            if slot.serial < 0 or slot.lost or slot.request != IDLE:
                continue
            due_s = self.now_s + self._draw(slot, Stream.RENEW_ALL, slot.serial) * window_s
            if self._row.rule == rules.SERVER_DIRECTED:
                u_check = self._draw(slot, Stream.RENEWAL_CHECK, slot.serial)
                due_s = max(due_s, self.now_s + u_check * self._row.poll_s)
            due_s = self._at_sync(slot, due_s)
            if due_s < slot.due_s:
                slot.due_s = due_s
                self._await_due(slot)

    def _ask(self, slot: Slot) -> None:
        """Make a request, unless one is in flight."""
        if slot.request == IDLE and not self._waits_for_next_batch(slot):
            self._forget(slot)
            slot.failures = slot.timeouts = 0
            slot.stop_idling(self.now_s)
            self._attempt(slot)

    def _try_again(self, slot: Slot) -> None:
        """Make a further attempt at a request that failed."""
        if not self._waits_for_next_batch(slot):
            self._attempt(slot)

    def _try(self, slot: Slot) -> None:
        """Make the attempt that waited for a sync."""
        if slot.request == IDLE:
            self._ask(slot)
        else:
            self._try_again(slot)

    def _forget(self, slot: Slot) -> None:
        if self._nodes is not None:
            self._nodes.forget(slot)

    def _waits_for_next_batch(self, slot: Slot) -> bool:
        """Return whether the node's batch of this instant is full; then plan the attempt."""
        if not self._batched or not self._issuer.batch_is_full(slot.agent):
            return False
        later_s = self.now_s + self._scenario.issuer.batch_gap_s
        if slot.request == BACKING_OFF:
            self._call(self._try_again, later_s, EventKind.REQUEST, slot)
            return True
        if slot.again_s > -inf:  # it does not idle meanwhile
            slot.again_s = later_s
        self._forget(slot)
        slot.due_s = later_s
        self._await_due(slot, in_batch=True)
        return True

    def _attempt(self, slot: Slot) -> None:
        self._log(EventKind.REQUEST, slot.agent, slot.index, slot.serial)
        if self._row.issuance == Issuance.MANUAL:
            self._issue(slot)
        else:
            self._issuer.attempt(slot)

    def _fail(self, slot: Slot, kind: EventKind) -> None:
        """Back off after a refusal or a time-out."""
        slot.request = BACKING_OFF
        slot.failures += 1
        self._log(kind, slot.agent, slot.index, slot.serial)
        if self._nodes is not None and self._scenario.issuer.sync_backoff is not None:
            self._nodes.fail(slot)
            return
        backoff = self._scenario.issuer.backoff
        k = slot.occurrence(slot.serial + 1) + (slot.failures << 40)
        u = uniform(self._seed_key, slot.agent, Stream.BACKOFF, k)
        delay_s = rules.backoff_delay(
            slot.failures, backoff.base_s, backoff.factor, backoff.cap_s, backoff.jitter, u
        )
        self._call(self._try_again, self.now_s + delay_s, EventKind.REQUEST, slot)

    def _issue(self, slot: Slot) -> None:
        self._tally.expired_s += self._expired_for(slot) * len(self._layout.users(slot.agent))
        if slot.lost:
            self._tally.replaced_lost(self.now_s - slot.lost_s)
            slot.lost_s = -inf
        slot.serial += 1
        slot.request = IDLE
        slot.issued_s = self.now_s
        self._date(slot)
        slot.accepted_from_s = self._lifetimes.accepted_from_s(slot.agent, slot.issued_s)
        self._await_due(slot)
        for agent in self._layout.users(slot.agent):
            if agent in self._watched:
                self._watched[agent].append(slot.view())
        self._log(EventKind.ISSUED, slot.agent, slot.index, slot.serial)

    def _expired_for(self, slot: Slot) -> float:
        """Return how long a slot has held no valid credential, since t = 0 at most."""
        if self._at_use:
            return 0.0
        return max(0.0, self.now_s - max(0.0, slot.expires_s))

    # -- clock, draws and trace -----------------------------------------------------------------

    def _at(self, t_s: float, kind: EventKind, agent: int, slot: int) -> simpy.Event:
        return self._clock.at(t_s, (kind * self._layout.agents + agent) * SLOTS + slot)

    def _call(
        self, action: Callable[[Slot], None], t_s: float, kind: EventKind, slot: Slot
    ) -> None:
        event = self._at(t_s, kind, slot.agent, slot.index)
        event.callbacks.append(lambda _: action(slot))

    def _key(self, agent: int, stream: Stream) -> np.uint64:
        return np.uint64(entity_key(self._seed_key, np.uint64(agent), np.uint64(stream)))

    def _draw(self, slot: Slot, stream: Stream, serial: int) -> float:
        return uniform(self._seed_key, slot.agent, stream, slot.occurrence(serial))

    def _log(self, kind: EventKind, agent: int, slot: int, serial: int) -> None:
        self._tally.record(self.now_s, kind, agent, slot, serial)

    # -- the port -------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """The current time."""
        return float(self._clock.now)

    def advance(self, to_s: float) -> None:
        """Execute every event strictly before ``to_s``; ValueError when that is in the past."""
        self._clock.advance(to_s)

    def read(self, agent: int) -> tuple[CredentialView, ...]:
        """Return what ``agent`` holds now."""
        slots = self._slots[agent]
        return tuple(slot.view() for slot in slots if slot.serial >= 0 and not slot.lost)

    def command(self, command: Command) -> None:
        """Execute an order at the current time."""
        match command.kind:
            case CommandKind.REPLACE:
                self._replace(command.agent)
            case CommandKind.WATCH:
                self._watched.setdefault(command.agent, [])
                self._lost.setdefault(command.agent, [])
            case CommandKind.UNWATCH:
                self._watched.pop(command.agent, None)
            case CommandKind.SET_TTL:
                for index in self._classes_of(command.tenant):
                    self._life_factors[index] = command.value
            case CommandKind.RENEW_ALL:
                self._renew_all(command.value, command.tenant)
            case CommandKind.MASS_RESTART:
                self._mass_restart(command)
            case _:
                self._issuer.command(command)

    def issued(self, agent: int) -> tuple[CredentialView, ...]:
        """Return what was issued to a watched agent since it was last asked."""
        log_, self._watched[agent] = self._watched[agent], []
        return tuple(log_)

    def lost(self, agent: int) -> tuple[Loss, ...]:
        """Return what a watched agent lost in restarts since this was last asked."""
        log_, self._lost[agent] = self._lost[agent], []
        return tuple(log_)

    def first_waits(self) -> NDArray[np.int64]:
        """Return the first credentials by how long they were waited for."""
        return self._tally.first_waits.copy()

    def current_task(self, agent: int) -> int:
        """Return the task that ``agent`` switched to last, -1 before its first."""
        return self._task[agent]

    def counters(self) -> Counters:
        """Return the totals up to now."""
        open_s = sum(self._expired_for(slot) for slots in self._slots for slot in slots)
        return self._tally.counters(open_s)

    def issuances_per_second(self) -> NDArray[np.int32]:
        """Return the credentials issued in each whole second since t = 0."""
        return self._tally.per_second(EventKind.ISSUED, self.now_s)

    def refusals_per_second(self) -> NDArray[np.int32]:
        """Return the attempts refused in each whole second since t = 0."""
        return self._tally.per_second(EventKind.REFUSED, self.now_s)

    def expired_now(self) -> int:
        """Return how many slots hold no valid credential at this instant; 0 under AT_USE."""
        return sum(
            not self._at_use and slot.expires_s <= self.now_s
            for slots in self._slots
            for slot in slots
        )

    def backlog(self) -> int:
        """Return how many accepted requests are unfinished."""
        return self._issuer.unfinished

    def in_flight(self) -> int:
        """Return how many slots have a request under way, back-off included."""
        return sum(
            slot.request != IDLE
            for agent, slots in enumerate(self._slots)
            for slot in slots
            if slot.agent == agent
        )

    def trace(self) -> NDArray[np.void]:
        """Return the trace up to now; ValueError when none was asked for."""
        return self._tally.trace()
