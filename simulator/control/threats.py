"""Who steals what, when: leaks, footholds and what a thief then does (model.md §4).

A natural leak comes from one candidate process over all agents at the hazard of a static key. A
candidate counts if its agent stands for a secret and the regime's ``leak_ratio`` accepts it, so
regimes share their candidates: a regime with half the ratio suffers a subset of the thefts. What an
agent holds for its tasks lies in one place and leaks as one secret; the thief takes the document of
the task at hand.
"""

from collections.abc import Generator
from itertools import count
from math import inf, nextafter
from typing import Final

import simpy

from scenarios.demand.streams import Stream
from scenarios.demand.switches import gap
from scenarios.detection.audit import Alert, Outcome
from scenarios.spec.regime import Issuance
from scenarios.spec.rules import SECONDS_PER_YEAR, expiry
from simulator.control.case import AGENT_KEY as BY_AGENT_KEY
from simulator.control.case import (
    Case,
    Use,
    first_use_s,
    granted,
    left_after_eviction_s,
    usable_elsewhere,
)
from simulator.control.clusters import Clusters
from simulator.control.feed import Feed, serial_text
from simulator.control.lateral import Lateral
from simulator.control.response import Response, notice
from simulator.control.signals import Signals
from simulator.control.world import (
    AGENT_KEY,
    FOOTHOLD,
    INJECTED_AGENT_KEY,
    INJECTED_FOOTHOLD,
    INJECTED_LEAK,
    LEAK,
    World,
    case_entity,
)
from simulator.population import CredentialView

Events = Generator[simpy.Event, object, None]

_SIGNED: Final = -2
"""serial of a document that a stolen agent key had signed last"""


class Threats:
    """All thieves of one world.

    Args:
        world: clock, laws and population.
        response: what happens to their alerts.

    Attributes:
        cases: every theft of something usable, in order of discovery.
        robbed_in_vain: agents of whom nothing leaked: an empty slot or an expired document.
    """

    def __init__(self, world: World, response: Response) -> None:
        self._world, self._response = world, response
        self._feeds: dict[int, Feed] = {}
        self._lateral = Lateral(world, self)
        self.clusters = Clusters(world)
        self.signals = Signals(world, response)
        self.cases: list[Case] = []
        self.robbed_in_vain: list[int] = []
        threats = world.scenario.threats
        agents = world.layout.agents
        leaks_hz = world.hazards.leak_per_secret_year * agents / SECONDS_PER_YEAR
        footholds_hz = world.hazards.foothold_per_agent_year * agents / SECONDS_PER_YEAR
        world.clock.process(self._hazard(LEAK, leaks_hz))
        world.clock.process(self._hazard(FOOTHOLD, footholds_hz))
        for n in range(threats.injected_thefts):
            world.clock.process(self._injected(INJECTED_LEAK, n))
        for n in range(threats.injected_footholds):
            world.clock.process(self._injected(INJECTED_FOOTHOLD, n))
        if world.regime.issuance is not Issuance.ISSUER:
            return  # no agent signs for keys that are handed out
        node_agent = threats.node_agent
        keys_hz = node_agent.rate_per_node_year * world.layout.nodes / SECONDS_PER_YEAR
        if keys_hz > 0.0:
            world.clock.process(self._agent_keys(keys_hz))
        for n in range(threats.injected_agent_keys):
            world.clock.process(self._injected_agent_key(n))

    # -- when and whom ---------------------------------------------------------------------------

    def _hazard(self, kind: int, rate_hz: float) -> Events:
        world = self._world
        t_s = 0.0
        for n in count():
            t_s += gap(world.uniform(kind, Stream.THEFT_TIME, n), rate_hz)
            if t_s >= world.horizon_s:
                return
            agent = self.target(kind, n)
            if kind == LEAK and not self.begins_leak(n, agent):
                continue
            if kind == FOOTHOLD and not self.is_footholds(kind, n, agent):
                continue
            yield world.clock.at(t_s)
            event = case_entity(kind, n)
            if kind == FOOTHOLD:
                self._steal(event, agent, foothold=True, injected=False)
                continue
            for entity, robbed in self.clusters.taken_at_once(kind, n, agent):
                self._steal(entity, robbed, foothold=False, injected=False, event=event)

    def _injected(self, kind: int, n: int) -> Events:
        world = self._world
        yield world.clock.at(world.uniform(kind, Stream.THEFT_TIME, n) * world.horizon_s)
        foothold = kind == INJECTED_FOOTHOLD
        self._steal(case_entity(kind, n), self.target(kind, n), foothold=foothold, injected=True)

    def _agent_keys(self, rate_hz: float) -> Events:
        world = self._world
        t_s = 0.0
        for n in count():
            t_s += gap(world.uniform(AGENT_KEY, Stream.THEFT_TIME, n), rate_hz)
            if t_s >= world.horizon_s:
                return
            yield world.clock.at(t_s)
            self.take_agent_key(AGENT_KEY, n, world.now_s, injected=False)

    def _injected_agent_key(self, n: int) -> Events:
        world = self._world
        kind = INJECTED_AGENT_KEY
        yield world.clock.at(world.uniform(kind, Stream.THEFT_TIME, n) * world.horizon_s)
        self.take_agent_key(kind, n, world.now_s, injected=True)

    def take_agent_key(self, kind: int, n: int, stolen_s: float, *, injected: bool) -> None:
        """Begin the life of a thief with the key of a uniformly chosen node's agent.

        He acts as one of the node's workloads, each as likely: one identity stands for the node.
        """
        world = self._world
        nodes = world.layout.nodes
        node = min(int(world.uniform(kind, Stream.THEFT_TARGET, n) * nodes), nodes - 1)
        members = world.layout.on_node(node)
        place = int(world.uniform(kind, Stream.NODE_MEMBER, n) * len(members))
        agent = members[min(place, len(members) - 1)]
        entity = case_entity(kind, n)
        document = self.taken(world.layout.group(agent).start)
        slot = document.slot if document is not None else 0
        slots = world.layout.of(agent).slots
        # the ban is memoryless: of a theft before t = 0 the rest has the law of the whole
        ban_s = world.exponential(
            world.scenario.threats.node_agent.ban_mean_s, entity, Stream.EVICTION
        )
        self.begin(
            Case(
                entity=entity,
                persona=BY_AGENT_KEY,
                injected=injected,
                agent=agent,
                owner=world.layout.group(agent).start,
                slot=slot,
                task=self.task_of(agent, slot),
                document=document,
                credential=serial_text(slots, document) if document else "",
                stolen_s=stolen_s,
                eviction_s=world.now_s + ban_s,
                first_use_s=first_use_s(world, entity, stolen_s),
                usable=True,
            )
        )

    def target(self, kind: int, n: int) -> int:
        """Return the agent that candidate ``n`` of a kind of theft hits, uniform over all."""
        agents = self._world.layout.agents
        return min(int(self._world.uniform(kind, Stream.THEFT_TARGET, n) * agents), agents - 1)

    def begins_leak(self, n: int, agent: int) -> bool:
        """Return whether a candidate begins a leak: the rarer, the more secrets it then takes."""
        if self._world.layout.group(agent).start != agent:
            return False
        return self.carries_leak(LEAK, n, agent, 1.0 / self.clusters.per_event(agent))

    def carries_leak(self, kind: int, n: int, agent: int, weight: float = 1.0) -> bool:
        """Return whether a leak candidate is a leak: one carrier a secret, thinned by ratio.

        Args:
            kind: of the candidate.
            n: its number.
            agent: whom it would hit.
            weight: probability with which it is still of interest.
        """
        world = self._world
        if world.layout.group(agent).start != agent:
            return False
        share = world.rules(agent).leak_per_secret_year / world.hazards.leak_per_secret_year
        accepted = weight * share * world.regime.leak_ratio
        return world.uniform(kind, Stream.THEFT_ACCEPT, n) < accepted

    def is_footholds(self, kind: int, n: int, agent: int) -> bool:
        """Return whether a candidate is a foothold: thinned to the hazard of the agent's tenant."""
        world = self._world
        share = world.rules(agent).foothold_per_agent_year / world.hazards.foothold_per_agent_year
        return world.uniform(kind, Stream.TENANT_ACCEPT, n) < share

    # -- the theft -------------------------------------------------------------------------------

    def _steal(
        self, entity: int, agent: int, *, foothold: bool, injected: bool, event: int | None = None
    ) -> None:
        """Begin a theft; ``event`` is what several of one leak have in common: its way out."""
        world = self._world
        owner = world.layout.group(agent).start
        document = self.taken(owner)
        usable = document is not None and document.expires_s > world.now_s
        if not usable and not foothold:
            self.robbed_in_vain.append(agent)
            return
        mean_s = world.scenario.threats.foothold.eviction_mean_s
        slot = document.slot if document is not None else 0
        self.begin(
            Case(
                entity=entity,
                persona="foothold" if foothold else "leak",
                injected=injected,
                agent=agent,
                owner=owner,
                slot=slot,
                task=self.task_of(agent, slot),
                document=document if usable else None,
                credential=serial_text(world.layout.of(owner).slots, document) if document else "",
                stolen_s=world.now_s,
                eviction_s=world.now_s + world.exponential(mean_s, entity, Stream.EVICTION)
                if foothold
                else -inf,
                first_use_s=first_use_s(world, entity, world.now_s),
                usable=foothold or usable_elsewhere(world, entity if event is None else event),
            )
        )

    def taken(self, owner: int) -> CredentialView | None:
        """Return the document of the task at hand, or else the newest one."""
        population = self._world.population
        held = population.read(owner)
        task = population.current_task(owner)
        at_hand = [view for view in held if view.slot == task and len(held) > 1]
        return max(at_hand or held, key=lambda view: view.issued_s, default=None)

    def task_of(self, agent: int, slot: int) -> int:
        """Return the task for whose work a document was taken."""
        if self._world.layout.of(agent).slots > 1:
            return slot
        return max(0, self._world.population.current_task(agent))

    def begin(self, case: Case) -> None:
        """Let a theft take its course from now on."""
        world = self._world
        self.cases.append(case)
        self._response.follow(case)
        world.clock.process(notice(world, self._response, case))
        if case.foothold:
            world.documents(case.owner)
            world.clock.process(self._evict(case))
        if self.watched(case.owner):
            feed = self.feed(case.owner)
            self.signals.follow(case, feed)
            if world.watch(case.owner).detectors:
                world.clock.process(self._abuse(case, feed))
        if world.scenario.threats.lateral.max_depth > case.depth:
            world.clock.process(self._lateral.step(case))

    def watched(self, owner: int) -> bool:
        """Return whether an identity's log reaches an armed detector."""
        world = self._world
        covered = world.uniform(owner, Stream.COVERAGE, 0) < world.rules(owner).coverage
        return covered and world.watch(owner).armed

    def feed(self, owner: int) -> Feed:
        """Return the log of an identity under attack, the same for all of its thieves."""
        return self._feeds.setdefault(owner, Feed(self._world, owner))

    def _evict(self, case: Case) -> Events:
        """Leave the evicted thief with a copy of the last document, or one that he had signed."""
        world = self._world
        if case.eviction_s >= world.horizon_s:
            return
        yield world.clock.at(case.eviction_s)
        held = [view for view in world.population.read(case.owner) if view.slot == case.slot]
        case.document = held[0] if held and held[0].expires_s > world.now_s else None
        if case.signs:
            # the last that it signs; no serial of the owner's is negative
            expires_s = expiry(world.now_s, world.lifetimes.grant(case.owner).life_s(world.now_s))
            case.document = CredentialView(case.owner, case.slot, _SIGNED, world.now_s, expires_s)
        left_s = left_after_eviction_s(world, case)
        case.usable, case.proofs_until_s = left_s > 0.0, world.now_s + left_s

    # -- abuse, as far as a detector may see it --------------------------------------------------

    def _abuse(self, case: Case, feed: Feed) -> Events:
        """Wake at the uses that can raise an alert, and at the owner's answers to them."""
        world = self._world
        if case.document is not None:
            feed.open(case.document)
        uses = case.uses(world)
        use, last_seen_s, told_s = next(uses), -inf, inf
        while use.t_s < world.horizon_s:
            if use.t_s >= world.now_s and feed.decisive(case, use):
                yield world.clock.at(use.t_s)
                if case.alert_s is not None or self._gave_up(case, last_seen_s):
                    return
                told_s = self._told(case, feed.owner_until(use.t_s), feed, told_s)
                if self._too_late(feed, told_s):
                    return
                told_s = self._told(case, self._present(case, use, feed), feed, told_s)
                if self._too_late(feed, told_s):
                    return
                following = next(uses)
                if not case.inside(use.t_s):
                    told_s = yield from self._owner_answers(case, feed, following.t_s, told_s)
                    if self._too_late(feed, told_s):
                        return
                use, last_seen_s = following, use.t_s
            else:
                use, last_seen_s = next(uses), use.t_s

    def _owner_answers(
        self, case: Case, feed: Feed, to_s: float, told_s: float
    ) -> Generator[simpy.Event, object, float]:
        """Wake at the owner's next uses of the slot; return when the soonest alert arrives."""
        world = self._world
        to_s = min(to_s, world.horizon_s)
        while next_s := feed.next_owner_uses(case, to_s):
            for at_s in next_s:
                yield world.clock.at(at_s)
                if case.alert_s is not None:
                    return world.now_s
                alert = feed.owner_until(nextafter(at_s, inf))
                told_s = self._told(case, alert, feed, told_s)
                if self._too_late(feed, told_s):
                    return told_s
            if not world.every_access:
                break
        return told_s

    def _gave_up(self, case: Case, last_use_s: float) -> bool:
        """Return whether the thief was refused at his last use, or before, and stopped."""
        if case.inside(last_use_s) or last_use_s == -inf:
            return False
        return not case.copy_opens(self._world, last_use_s)

    def _present(self, case: Case, use: Use, feed: Feed) -> Alert | None:
        """Present a credential to a verifier; return the alert that the audit line raises."""
        world = self._world
        document = case.document
        if case.inside(use.t_s):
            held = [v for v in world.population.read(case.owner) if v.slot == case.slot]
            document = held[0] if held else None
        if document is None:
            return None
        accepted = case.copy_opens(world, use.t_s)
        if case.inside(use.t_s):
            accepted = document.accepted_from_s <= use.t_s < document.expires_s
            accepted = accepted and not world.refuses(case.owner, use.t_s)
        outcome: Outcome = "ok" if accepted and granted(world, case, use) else "denied"
        return feed.thief(case, use, document, outcome)

    def _told(self, case: Case, alert: Alert | None, feed: Feed, told_s: float) -> float:
        """Send an alert on its way if it is the soonest; return when that one arrives."""
        if alert is None or alert.alert_s >= told_s:
            return told_s
        # of an identity robbed twice, one thief's line may be read only when the other acts
        alert_s = max(alert.alert_s, self._world.now_s)
        self._world.clock.process(
            self._response.alarm(case, alert.detector, alert.event.occurred_s, alert_s, feed)
        )
        return alert_s

    def _too_late(self, feed: Feed, told_s: float) -> bool:
        """Return whether no line from now on can lead to an alert before the soonest one."""
        return feed.soonest_s(self._world.now_s) >= told_s
