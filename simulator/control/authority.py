"""The issuer's signing key in a thief's hands, and the way back: a new key, the old one distrusted.

Who holds the key forges a document for any identity at each use. Signature, names and validity are
right, so nothing in the document gives him away: he dates it like the one that the agent holds.
What can: the issuer's own log (*unknown serial*), unless he copies the agent's serial, too; then
*two origins*, when the agent uses its own; and a permission that the identity's task does not need.

Response, in SPIRE's order (prepare, activate, taint, revoke): ``prepare_s`` after the decision the
new key signs, and with ``reissue_s`` everybody is made to renew; ``overlap_s`` later the verifiers
refuse whatever the old one signed, his documents, everybody's copies and what agents still hold of
it. Those agents ask for a new one then. A foreign issuer's key (``trust_domain``) forges for the
agents of its domain only, and our verifiers refuse it from their next fetch of its bundle on.

Exact: everything but the following. An agent that still holds one document of the old key has all
of its documents replaced. Left out: compromises that are open at t = 0.
"""

from collections.abc import Generator, Iterator
from itertools import count
from math import ceil, inf, nextafter
from typing import Final, NamedTuple

import simpy

from scenarios.demand.streams import Stream
from scenarios.demand.switches import gap
from scenarios.detection.audit import Alert
from scenarios.detection.canaries import TOUCH
from scenarios.spec.lifetimes import robbed_domain, trust_domain
from scenarios.spec.regime import Issuance
from scenarios.spec.rules import SECONDS_PER_YEAR, expiry
from simulator.control.case import ISSUER_KEY as BY_ISSUER_KEY
from simulator.control.case import Case, asked_for, first_use_s, hidden, permissions_of
from simulator.control.feed import Feed, soonest
from simulator.control.owner import Access
from simulator.control.response import Response, notice
from simulator.control.threats import Threats
from simulator.control.world import INJECTED_ISSUER_KEY, ISSUER_KEY, World, case_entity
from simulator.population import Command, CommandKind, CredentialView

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


class Authority:
    """The issuer's key of one world: its thieves, its replacement and what that costs.

    Args:
        world: clock, laws and population.
        threats: whose cases a distrusted key ends, too.
        response: analysts, and what they decide.

    Attributes:
        replacements: keys that were distrusted.
        overtaken: agents that still held a document of the old key then, summed over them.
    """

    def __init__(self, world: World, threats: Threats, response: Response) -> None:
        self._world, self._threats, self._response = world, threats, response
        self._active_since_s = -inf
        self._preparing = False
        self.replacements = self.overtaken = 0
        law = world.scenario.threats
        if world.regime.issuance is not Issuance.ISSUER or not self.at_stake:
            return  # nobody's key signs what is handed out
        robbed = robbed_domain(world.scenario)
        self._members = [
            agent
            for c in world.layout.classes
            if trust_domain(world.scenario, c.workload) == robbed
            for agent in range(c.first, c.first + c.count)
        ]
        if not self._members:
            return
        if law.issuer.rate_per_year > 0.0:
            world.clock.process(self._hazard(law.issuer.rate_per_year / SECONDS_PER_YEAR))
        for n in range(law.injected_issuer_compromises):
            at_s = world.uniform(INJECTED_ISSUER_KEY, Stream.THEFT_TIME, n) * world.horizon_s
            world.clock.process(self._stolen(INJECTED_ISSUER_KEY, n, at_s))

    @property
    def at_stake(self) -> bool:
        """Whether the scenario has the key of an issuer stolen at all."""
        law = self._world.scenario.threats
        return law.issuer.rate_per_year > 0.0 or law.injected_issuer_compromises > 0

    def counts(self) -> dict[str, float]:
        """Return replacements of the issuer's key, and agents that each found unprepared."""
        return {
            "issuer_replacements": float(self.replacements),
            "overtaken_agents": float(self.overtaken),
        }

    # -- the theft -------------------------------------------------------------------------------

    def _hazard(self, rate_hz: float) -> Events:
        world, t_s = self._world, 0.0
        for n in count():
            t_s += gap(world.uniform(ISSUER_KEY, Stream.THEFT_TIME, n), rate_hz)
            if t_s >= world.horizon_s:
                return
            yield from self._stolen(ISSUER_KEY, n, t_s)

    def _stolen(self, kind: int, n: int, at_s: float) -> Events:
        """Begin the life of a thief; the identity that he forges first stands for him."""
        world, entity = self._world, case_entity(kind, n)
        yield world.clock.at(at_s)
        owner, task = self._identity(entity, 0)
        case = Case(
            entity=entity,
            persona=BY_ISSUER_KEY,
            injected=kind == INJECTED_ISSUER_KEY,
            agent=owner,
            owner=owner,
            slot=0,
            task=task,
            document=None,
            credential="",
            stolen_s=at_s,
            eviction_s=inf,
            first_use_s=first_use_s(world, entity, at_s),
            usable=True,
        )
        self._threats.cases.append(case)
        world.clock.process(notice(world, self._response, case, self._replace))
        if world.watches:
            world.clock.process(self._abuse(case))

    def _identity(self, entity: int, n: int) -> tuple[int, int]:
        """Return the agent and task that the n-th forged document is for, uniform over both."""
        agents = len(self._members)
        u = self._world.uniform(entity, Stream.FORGED_IDENTITY, n)
        owner = self._world.layout.group(self._members[min(int(u * agents), agents - 1)]).start
        tasks = len(self._world.layout.of(owner).workload.tasks)
        v = self._world.uniform(entity, Stream.FORGED_TASK, n)
        return owner, min(int(v * tasks), tasks - 1)

    def _forgeries(self, case: Case) -> Iterator[Forgery]:
        """Yield what the thief forges and uses, without end."""
        for n, use in enumerate(case.uses(self._world)):
            owner, task = self._identity(case.entity, n)
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
            if not self._threats.watched(forged.owner):
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
                case, alert.detector, alert.event.occurred_s, alert_s, feed, self._replace
            )
        )
        return alert_s

    # -- response --------------------------------------------------------------------------------

    def _replace(self, case: Case) -> Events:
        """Bring a new key into force and distrust the old one, unless that is under way already."""
        world, plan = self._world, self._world.scenario.response.new_issuer
        if self._preparing or case.stolen_s < self._active_since_s:
            return
        self._preparing = True
        yield world.clock.at(world.now_s + plan.prepare_s)
        self._preparing, self._active_since_s = False, world.now_s
        active_s = world.now_s
        if plan.reissue_s is not None:
            world.population.command(Command(CommandKind.RENEW_ALL, value=plan.reissue_s))
        yield world.clock.at(self._known_from_s(active_s + plan.overlap_s))
        self._distrust(active_s)

    def _known_from_s(self, revoked_s: float) -> float:
        """Return when our verifiers learn that a key is revoked: of a foreign one, at a fetch."""
        grant = self._world.lifetimes.grant(self._members[0])
        if grant.refresh_s <= 0.0:
            return revoked_s
        fetches = ceil((revoked_s - grant.refresh_phase_s) / grant.refresh_s)
        return grant.refresh_phase_s + fetches * grant.refresh_s

    def _distrust(self, active_s: float) -> None:
        """Have the verifiers refuse everything that was signed before ``active_s``."""
        world = self._world
        now_s = world.now_s
        self.replacements += 1
        members = set(self._members)
        for case in self._threats.cases:
            if case.owner in members:
                self._end(case, active_s, now_s)
        for agent in self._members:
            group = world.layout.group(agent)
            held = world.population.read(agent) if group.start == agent else ()
            if any(view.issued_s < active_s and now_s < view.expires_s for view in held):
                self.overtaken += len(group)
                world.population.command(Command(CommandKind.REPLACE, agent))
                world.replaced(agent)

    def _end(self, case: Case, active_s: float, now_s: float) -> None:
        """End what a thief holds of the old key."""
        world = self._world
        if case.forges:
            if case.stolen_s < active_s and case.revoked_s is None:
                case.revoked_s = case.eviction_s = now_s
            return
        document = case.document
        if document is None or case.inside(now_s) or document.issued_s >= active_s:
            return
        if case.copy_access_ends_s(world) > now_s:
            case.denied.setdefault((document.slot, document.serial), now_s)
            if case.revoked_s is None:
                case.revoked_s = now_s
