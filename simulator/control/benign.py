"""False alarms: harmless events that a detector takes for abuse (model.md §5).

Every event of the whole fleet is simulated, one by one: an identity's own lines raise no alert as
long as nothing unusual happens to it, so only the few around such an event are made, and the
detectors that judge them are the same objects that watch a real log. Clean lines, however many,
never have to exist.

Exact: which alerts a clean identity raises, held by a test against reading its every line. Assumed:
events strike independently of each other and of thieves; the detector judges each by the lines that
belong to it, so a false alarm never hides a true one of the same identity, and an alert that an
anomaly causes on a robbed identity counts as false.
"""

from collections.abc import Generator
from itertools import count
from math import inf
from typing import Final

import simpy

from scenarios.demand.streams import Stream
from scenarios.demand.switches import gap
from scenarios.detection.addresses import NewOrigin
from scenarios.detection.audit import AuditEvent
from scenarios.detection.canaries import TOUCH, Canary
from scenarios.detection.detector import Detector
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.permissions import NewPermission
from scenarios.detection.rates import RateChange
from scenarios.detection.serials import SupersededSerial
from scenarios.detection.suite import detectors
from scenarios.spec.rules import SECONDS_PER_YEAR
from simulator.control.bursts import Bursts
from simulator.control.feed import Feed, node_address
from simulator.control.owner import Access, Holders, arrival
from simulator.control.response import Response
from simulator.control.sight import (
    CANARY,
    NEW_ORIGIN,
    NEW_PERMISSION,
    SUPERSEDED_SERIAL,
    TWO_ORIGINS,
    seen,
    thinned,
)
from simulator.control.threats import Threats
from simulator.control.world import (
    ADDRESS_REUSE,
    BATCH_JOB,
    CANARY_SCAN,
    FAILOVER,
    LATE_RELOAD,
    NEW_EDGE,
    RESCHEDULE,
    SHARED_DOCUMENT,
    World,
    case_entity,
)
from simulator.population import CredentialView

Events = Generator[simpy.Event, object, None]

_ADDRESSES: Final = frozenset({TwoOrigins.name, NewOrigin.name})
_DECEIVES: Final = {
    RESCHEDULE: _ADDRESSES,
    FAILOVER: _ADDRESSES,
    ADDRESS_REUSE: _ADDRESSES,
    SHARED_DOCUMENT: _ADDRESSES,
    LATE_RELOAD: frozenset({SupersededSerial.name}),
    NEW_EDGE: frozenset({NewPermission.name}),
    CANARY_SCAN: frozenset({Canary.name, NewPermission.name}),
    BATCH_JOB: frozenset({RateChange.name}),
}
_UNDECLARED: Final = "deployment:not-yet-declared"


class Benign:
    """All harmless events of one world, and the false alarms that come of them.

    Args:
        world: clock, laws and population.
        threats: says whose log is read.
        response: what happens to the alerts.

    Attributes:
        events: how many happened to identities whose log is read.
    """

    def __init__(self, world: World, threats: Threats, response: Response) -> None:
        self._world, self._threats, self._response = world, threats, response
        self._armed: dict[str, dict[str, Detector]] = {}
        self.events = 0
        self._bursts = Bursts(world, threats, response)
        if world.counts_lines:
            for owner in filter(threats.watched, world.layout.owners()):
                if RateChange.name in self._detectors(owner):
                    self._bursts.by_chance(owner)
        benign = world.scenario.benign
        for kind, per_agent_year in (
            (RESCHEDULE, benign.reschedules_per_agent_year),
            (FAILOVER, benign.failovers_per_agent_year),
            (LATE_RELOAD, benign.late_reloads_per_agent_year),
            (NEW_EDGE, benign.new_edges_per_agent_year),
            (ADDRESS_REUSE, benign.address_reuses_per_agent_year),
            (SHARED_DOCUMENT, benign.shared_documents_per_agent_year),
            (CANARY_SCAN, benign.canary_scans_per_agent_year),
            (BATCH_JOB, benign.batch_jobs_per_agent_year),
        ):
            if any(self._deceived(kind, c.first) for c in world.layout.classes):
                rate_hz = per_agent_year * world.layout.agents / SECONDS_PER_YEAR
                world.clock.process(self._hazard(kind, rate_hz))

    def _detectors(self, owner: int) -> dict[str, Detector]:
        """Return those that read an owner's log, by name; apart from those that read of thieves."""
        tenant = self._world.rules(owner).tenant
        if tenant not in self._armed:
            asked = self._world.watch(owner).asked
            fresh = detectors(self._world.scenario, self._world.regime, asked=asked)
            self._armed[tenant] = {detector.name: detector for detector in fresh}
        return self._armed[tenant]

    def _deceived(self, kind: int, owner: int) -> bool:
        return bool(_DECEIVES[kind] & self._detectors(owner).keys())

    @property
    def watched_identity_s(self) -> float:
        """Seconds of identities whose log a detector reads, to the horizon."""
        owners = self._world.layout.owners()
        return sum(map(self._threats.watched, owners)) * self._world.horizon_s

    def _hazard(self, kind: int, rate_hz: float) -> Events:
        world = self._world
        agents = world.layout.agents
        t_s = 0.0
        for n in count():
            t_s += gap(world.uniform(kind, Stream.BENIGN_TIME, n), rate_hz)
            if t_s >= world.horizon_s:
                return
            place = int(world.uniform(kind, Stream.BENIGN_AGENT, n) * agents)
            owner = world.layout.group(min(place, agents - 1)).start
            if self._threats.watched(owner) and self._deceived(kind, owner):
                yield world.clock.at(t_s)
                self.events += 1
                world.clock.process(self._event(kind, case_entity(kind, n), owner))

    def _event(self, kind: int, entity: int, owner: int) -> Events:
        world, benign = self._world, self._world.scenario.benign
        elsewhere = f"elsewhere-{entity:x}"
        if kind == NEW_EDGE:
            self._new_edge(entity, owner)
        elif kind == CANARY_SCAN:
            self._scan(entity, owner)
        elif kind == LATE_RELOAD:
            yield from self._late_reload(entity, owner)
        elif kind == BATCH_JOB:
            yield from self._bursts.batch_job(entity, owner)
        elif kind == SHARED_DOCUMENT:
            yield from self._shared_document(entity, owner)
        elif kind == RESCHEDULE:
            yield from self._moved(entity, owner, inf, elsewhere)
        else:
            mean_s = benign.failover_mean_s
            if kind == ADDRESS_REUSE:
                mean_s, elsewhere = benign.address_reuse_mean_s, self._address_of_another(entity)
            length_s = world.exponential(mean_s, entity, Stream.BENIGN_LENGTH)
            yield from self._moved(entity, owner, world.now_s + length_s, elsewhere)

    # -- the kinds -------------------------------------------------------------------------------

    def _new_edge(self, entity: int, owner: int) -> None:
        """Use a permission that nobody has declared yet, with one of the documents held."""
        document = self._any_held(entity, owner)
        if document is not None:
            access = Access(self._world.now_s, self._task_of(owner, document), document)
            guard = self._world.guard(owner)
            guard.refused_edges += guard.narrows(self._world.now_s)
            feed = Feed(self._world, owner)
            line = feed.line(access, permission=_UNDECLARED)
            if seen(self._world, owner, entity, 0, NEW_PERMISSION):
                self._judge(NewPermission.name, entity, owner, document, (line,))

    def _scan(self, entity: int, owner: int) -> None:
        """Touch a canary with one of the documents held; it is undeclared, too."""
        document = self._any_held(entity, owner)
        if document is not None:
            access = Access(self._world.now_s, self._task_of(owner, document), document)
            line = Feed(self._world, owner).line(access, permission=TOUCH)
            for name, place in ((Canary.name, CANARY), (NewPermission.name, NEW_PERMISSION)):
                if seen(self._world, owner, entity, 0, place):
                    self._judge(name, entity, owner, document, (line,))

    def _late_reload(self, entity: int, owner: int) -> Events:
        """Use what is held now once more, after a while, if it is still accepted then.

        An expired document is reloaded without being presented. The alert needs a use of a
        successor before, by the part of the agent that did reload.
        """
        world = self._world
        document = self._any_held(entity, owner)
        if document is None:
            return
        documents, since_s = world.documents(owner), world.now_s
        mean_s = world.scenario.benign.late_reload_mean_s
        again_s = since_s + world.exponential(mean_s, entity, Stream.BENIGN_LENGTH)
        if again_s >= min(world.horizon_s, document.expires_s):
            return
        if not seen(world, owner, entity, 0, SUPERSEDED_SERIAL):
            return
        sees = thinned(world, owner, SUPERSEDED_SERIAL)
        yield world.clock.at(again_s)
        documents.update(world.population)
        if documents.valid_until_s(document) <= again_s:
            return
        followed = [
            access
            for access in Holders(world, owner, documents).first_accesses(since_s, again_s, sees)
            if access.document.slot == document.slot
            and access.document.issued_s > document.issued_s
        ]
        if followed:
            feed = Feed(world, owner)
            late = Access(again_s, followed[-1].task, document)
            lines = (feed.line(followed[-1]), feed.line(late))
            self._judge(SupersededSerial.name, entity, owner, document, lines)

    def _moved(self, entity: int, agent: int, back_s: float, elsewhere: str) -> Events:
        """Be seen behind another address until ``back_s``, and then behind one's own again."""
        world = self._world
        away_s = world.now_s
        world.documents(agent)
        armed = self._detectors(agent)
        if NewOrigin.name in armed:
            world.clock.process(self._unknown_address(entity, agent, back_s, elsewhere))
        if TwoOrigins.name not in armed:
            return
        yield from self._address_change(entity, agent, (-inf, away_s, back_s), ("", elsewhere))
        if back_s < world.horizon_s:
            yield world.clock.at(max(back_s, world.now_s))
            yield from self._address_change(entity, agent, (away_s, back_s, inf), (elsewhere, ""))

    def _address_change(
        self,
        entity: int,
        agent: int,
        times_s: tuple[float, float, float],
        addresses: tuple[str, str],
    ) -> Events:
        """Alert at the first use, from the new address, of a document first seen from the old one.

        Args:
            entity: of the event.
            agent: who moves.
            times_s: when the old address became its address; now; when the new one ends.
            addresses: the old and the new one; empty for the node's.
        """
        world = self._world
        since_s, now_s, until_s = times_s
        documents = world.documents(agent)
        owner, sees = Holders(world, agent, documents), thinned(world, agent, TWO_ORIGINS)
        used: dict[int, Access] = {}
        for view in world.population.read(agent):
            access = self._first_use(owner, view, now_s)
            if access is not None and access.t_s >= since_s:
                used[view.slot] = access
        until_s = min(until_s, world.horizon_s)
        while used:
            uses = [(at, slot) for slot in used if (at := owner.first(slot, now_s, until_s, sees))]
            if not uses:
                return
            (now_s, task), slot = min(uses)
            yield world.clock.at(now_s)
            documents.update(world.population)
            before = used.pop(slot)
            document = documents.at(slot, now_s)
            if document is not None and document.serial == before.document.serial:
                feed = Feed(world, agent)
                lines = (
                    feed.line(before, origin=addresses[0]),
                    feed.line(Access(now_s, task, document), origin=addresses[1]),
                )
                self._judge(TwoOrigins.name, entity, agent, document, lines)
                return

    def _unknown_address(self, entity: int, agent: int, until_s: float, elsewhere: str) -> Events:
        """Alert at the first use from an address that is not declared, if its line is seen."""
        world, documents = self._world, self._world.documents(agent)
        until_s = min(until_s, world.horizon_s)
        uses = Holders(world, agent, documents).moments(world.now_s, until_s)
        for number, (at_s, task) in enumerate(uses):
            if not seen(world, agent, entity, number, NEW_ORIGIN):
                continue
            yield world.clock.at(at_s)
            documents.update(world.population)
            slot = task if world.layout.of(agent).slots > 1 else 0
            document = documents.at(slot, at_s)
            if document is not None:
                line = Feed(world, agent).line(Access(at_s, task, document), origin=elsewhere)
                self._judge(NewOrigin.name, entity, agent, document, (line,))
                return

    def _shared_document(self, entity: int, agent: int) -> Events:
        """Let another pod of the node use one of the documents once, from an address of its own.

        Two origins sees it then, if the agent has used the document before, or else at the agent's
        next use of it.
        """
        world, documents = self._world, self._world.documents(agent)
        document = self._any_held(entity, agent)
        if document is None:
            return
        feed, owner = Feed(world, agent), Holders(world, agent, documents)
        shared = Access(world.now_s, self._task_of(agent, document), document)
        line = feed.line(shared, origin=f"pod-{entity:x}")
        if seen(world, agent, entity, 0, NEW_ORIGIN):
            self._judge(NewOrigin.name, entity, agent, document, (line,))
        if not seen(world, agent, entity, 0, TWO_ORIGINS):
            return
        sees = thinned(world, agent, TWO_ORIGINS)
        before = self._first_use(owner, document, world.now_s)
        if before is not None:
            self._judge(TwoOrigins.name, entity, agent, document, (feed.line(before), line))
            return
        after = owner.first(document.slot, world.now_s, world.horizon_s, sees)
        if after is not None:
            yield world.clock.at(after[0])
            documents.update(world.population)
            held = documents.at(document.slot, after[0])
            if held is not None and held.serial == document.serial:
                lines = (line, feed.line(Access(*after, held)))
                self._judge(TwoOrigins.name, entity, agent, document, lines)

    def _address_of_another(self, entity: int) -> str:
        """Return the address of a uniformly chosen agent's node, perhaps one's own."""
        agents = self._world.layout.agents
        place = int(self._world.uniform(entity, Stream.BENIGN_SLOT, 1) * agents)
        return node_address(self._world, min(place, agents - 1))

    # -- what is common --------------------------------------------------------------------------

    def _first_use(self, owner: Holders, view: CredentialView, to_s: float) -> Access | None:
        """Return the first use of a document that *two origins* sees before ``to_s``.

        As far as the log of the run goes.
        """
        sees = thinned(self._world, view.agent, TWO_ORIGINS)
        if self._world.regime.renewal.at_use and view.issued_s >= 0.0:
            fetched = arrival(view)
            if sees is None or sees(fetched.agent, fetched.line):
                return fetched
        at = owner.first(view.slot, max(0.0, view.issued_s), to_s, sees)
        return None if at is None else Access(*at, view)

    def _any_held(self, entity: int, owner: int) -> CredentialView | None:
        """Return one of the documents that are valid now, each as likely."""
        now_s = self._world.now_s
        valid = [
            v
            for v in self._world.population.read(owner)
            if v.accepted_from_s <= now_s < v.expires_s
        ]
        place = int(self._world.uniform(entity, Stream.BENIGN_SLOT, 0) * len(valid))
        return valid[min(place, len(valid) - 1)] if valid else None

    def _task_of(self, owner: int, document: CredentialView) -> int:
        return self._threats.task_of(owner, document.slot)

    def _judge(
        self,
        name: str,
        entity: int,
        owner: int,
        document: CredentialView,
        lines: tuple[AuditEvent, ...],
    ) -> None:
        """Show the lines to a detector, if armed; what it says of the last goes to the response."""
        detector = self._detectors(owner).get(name)
        if detector is None:
            return
        if isinstance(detector, NewOrigin):
            group = self._world.layout.group(owner)
            addresses = (node_address(self._world, agent) for agent in group)
            detector.know(lines[-1].identity, addresses)
        alert = [detector.update(line) for line in lines][-1]
        detector.forget(lines[-1].identity)
        if alert is not None:
            self._world.clock.process(self._response.false_alarm(entity, owner, document, alert))
