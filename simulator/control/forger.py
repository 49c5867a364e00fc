"""A thief who signs documents of one trust domain himself: whom he is, what gives him away.

Who holds a signing key that verifiers believe forges a document for any identity of its domain at
each use. Signature, names and validity are right, so nothing in the document gives him away: he
dates it like the one that the agent holds. What can: the issuer's own log (*unknown serial*),
unless he copies the agent's serial, too; then *two origins*, when the agent uses its own; and a
permission that the identity's task does not need. What he uses elsewhere leaves no line with us.
"""

from collections.abc import Generator, Iterator
from math import inf, nextafter
from typing import Final, NamedTuple

import simpy

from scenarios.demand.streams import Stream
from scenarios.detection.audit import Alert
from scenarios.detection.canaries import TOUCH
from scenarios.spec.lifetimes import trust_domain
from scenarios.spec.rules import expiry
from simulator.control.case import Case, asked_for, first_use_s, hidden, permissions_of
from simulator.control.feed import Feed, soonest
from simulator.control.owner import Access
from simulator.control.response import Answer, Response, notice
from simulator.control.threats import Threats
from simulator.control.verifiers import judge, verifiers
from simulator.control.world import World
from simulator.population import CredentialView

Events = Generator[simpy.Event, object, None]

_FORGED: Final = -3
"""serial of a forged document; no serial of an issued one is negative"""


class Forgery(NamedTuple):
    """The n-th document that a thief forges, and what he uses it for, once."""

    t_s: float
    owner: int
    task: int
    permission: str
    n: int
    """number of its draws"""


class Forger:
    """All thieves who sign for one trust domain in the same way.

    Args:
        world: clock, laws and population.
        threats: who keeps every case.
        response: analysts, and what they decide.
        domain: the trust domain.
        answer: what is done about one of them once that is decided.

    Attributes:
        members: the domain's agents.
        verifiers: those who judge them, ours first.
    """

    def __init__(
        self, world: World, threats: Threats, response: Response, domain: str, answer: Answer
    ) -> None:
        self._world, self._threats, self._response = world, threats, response
        self._domain, self._answer = domain, answer
        self.members = [
            agent
            for c in world.layout.classes
            if trust_domain(world.scenario, c.workload) == domain
            for agent in range(c.first, c.first + c.count)
        ]
        self.verifiers = verifiers(world, domain)

    def begin(self, entity: int, persona: str, *, injected: bool) -> Case:
        """Begin the life of a thief now; the identity that he forges first stands for him."""
        world = self._world
        owner, task = self._identity(entity, 0)
        case = Case(
            entity=entity,
            persona=persona,
            injected=injected,
            agent=owner,
            owner=owner,
            slot=0,
            task=task,
            document=None,
            credential="",
            stolen_s=world.now_s,
            eviction_s=inf,
            first_use_s=first_use_s(world, entity, world.now_s),
            usable=True,
            domain=self._domain,
        )
        self._threats.cases.append(case)
        world.clock.process(notice(world, self._response, case, self._answer))
        if world.watches:
            world.clock.process(self._abuse(case))
        return case

    def _identity(self, entity: int, n: int) -> tuple[int, int]:
        """Return the agent and task that the n-th forged document is for, uniform over both."""
        agents = len(self.members)
        u = self._world.uniform(entity, Stream.FORGED_IDENTITY, n)
        owner = self._world.layout.group(self.members[min(int(u * agents), agents - 1)]).start
        tasks = len(self._world.layout.of(owner).workload.tasks)
        v = self._world.uniform(entity, Stream.FORGED_TASK, n)
        return owner, min(int(v * tasks), tasks - 1)

    def _forgeries(self, case: Case) -> Iterator[Forgery]:
        """Yield what the thief forges and uses, without end; nobody's where we do not judge it."""
        for n, use in enumerate(case.uses(self._world)):
            owner, task = self._identity(case.entity, n)
            if judge(self._world, case.entity, n, self.verifiers):
                yield Forgery(use.t_s, -1, task, use.permission, use.n)
                continue
            u = self._world.uniform(case.entity, Stream.USE_PERMISSION, n)
            permission, _ = asked_for(self._world, u, *permissions_of(self._world, owner, task))
            touched = use.permission == TOUCH
            yield Forgery(use.t_s, owner, task, TOUCH if touched else permission, use.n)

    # -- detection -------------------------------------------------------------------------------

    def _abuse(self, case: Case) -> Events:
        """Wake at each use of an identity whose log is read, until one raises an alert."""
        world = self._world
        told_s = inf
        for forged in self._forgeries(case):
            if forged.t_s >= min(world.horizon_s, told_s):
                return
            if forged.owner < 0 or not self._threats.watched(forged.owner):
                continue
            yield world.clock.at(forged.t_s)
            if case.alert_s is not None or not case.inside(forged.t_s):
                return
            feed = self._threats.feed(forged.owner)
            told_s = self._told(case, self._present(case, forged, feed), feed, told_s)
            if feed.soonest_s(forged.t_s) >= told_s:
                return

    def _present(self, case: Case, forged: Forgery, feed: Feed) -> Alert | None:
        """Use a forged document; return the soonest alert of this, or of the owner's use before."""
        world = self._world
        like, document = self._forge(forged)
        feed.open(like)
        alert = feed.owner_until(forged.t_s)
        if alert is not None and feed.soonest_s(forged.t_s) >= alert.alert_s:
            return alert
        if document.serial >= 0:
            world.clock.process(self._owner_answers(case, document, feed))
        feed.issued(Access(like.issued_s, forged.task, like))
        access = Access(forged.t_s, forged.task, document)
        origin = "" if hidden(world, case) else f"thief-{case.entity:x}"
        line = feed.line(access, origin, forged.permission)
        looked = self._threats.signals.look(forged.owner, case.entity, forged.n, line)
        return soonest((alert, feed.read(line, case.entity, forged.n, forged=True), *looked))

    def _forge(self, forged: Forgery) -> tuple[CredentialView, CredentialView]:
        """Return the document that the agent holds for the task, and the one that is forged of it.

        Where the agent holds none that is valid there is no serial to copy, and no date.
        """
        world = self._world
        slot = forged.task if world.layout.of(forged.owner).slots > 1 else 0
        held = [v for v in world.population.read(forged.owner) if v.slot == slot]
        now_s = world.now_s
        if held and held[0].expires_s > now_s:
            copied = world.scenario.threats.issuer.forgery == "copied-serial"
            return held[0], held[0] if copied else held[0]._replace(serial=_FORGED)
        life_s = world.lifetimes.grant(forged.owner).life_s(now_s)
        made = CredentialView(forged.owner, slot, _FORGED, now_s, expiry(now_s, life_s))
        return (held[0] if held else made._replace(serial=_FORGED - 1)), made

    def _owner_answers(self, case: Case, copied: CredentialView, feed: Feed) -> Events:
        """Wake at the owner's next use of the document whose serial was copied."""
        world = self._world
        until_s = min(world.horizon_s, copied.expires_s)
        for at_s in feed.next_uses(copied.slot, until_s):
            yield world.clock.at(at_s)
            if case.alert_s is None and case.inside(at_s):
                self._told(case, feed.owner_until(nextafter(at_s, inf)), feed, inf)

    def _told(self, case: Case, alert: Alert | None, feed: Feed, told_s: float) -> float:
        """Send an alert on its way if it is the soonest; return when that one arrives."""
        if alert is None or alert.alert_s >= told_s:
            return told_s
        alert_s = max(alert.alert_s, self._world.now_s)
        self._world.clock.process(
            self._response.alarm(
                case, alert.detector, alert.event.occurred_s, alert_s, feed, self._answer
            )
        )
        return alert_s
