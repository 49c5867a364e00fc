"""What people do about an alert: wait for an analyst, decide, revoke, replace (model.md §5)."""

from bisect import insort
from collections.abc import Callable, Generator, Iterable
from math import inf
from operator import attrgetter
from typing import Any

import simpy
from simpy.resources.resource import SortedQueue

from scenarios.demand.streams import Stream
from scenarios.detection.audit import Alert
from scenarios.record.tables import AlertRow
from scenarios.spec.regime import Revocation
from simulator.control.case import Case
from simulator.control.feed import Feed, identity_of
from simulator.control.world import World
from simulator.population import Command, CommandKind, CredentialView

NOTICE = "external-notice"
Answer = Callable[[Case], Generator[simpy.Event, object, None]]
_RANKS = 10
"""more than a detector's own rank can be"""


class _Waiting(SortedQueue):
    """SimPy's queue, which sorts itself anew at each arrival, for queues that may grow long."""

    def append(self, item: Any) -> None:  # noqa: ANN401  (SimPy's own)
        """Put a request behind those of its rank."""
        insort(self, item, key=attrgetter("key"))


class _Analysts(simpy.PriorityResource):
    """Analysts take up the lowest rank first and finish what they have begun."""

    PutQueue = _Waiting


class Response:
    """The alert queue, its analysts, and what they end.

    Args:
        world: clock, laws and population.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._analysts: dict[str, _Analysts] = {}
        self.waits: list[tuple[str, float]] = []
        """(detector, seconds) from each alert to the analyst who takes it up"""
        self._cases: dict[int, list[Case]] = {}
        self.alerts: list[tuple[Case, AlertRow]] = []
        self._reported: set[tuple[int, str]] = set()
        self.false_alarms: list[AlertRow] = []
        self.replacements = 0
        self.healthy_replacements = 0

    def follow(self, case: Case) -> None:
        """Take note of a theft, so that ending a credential ends it for every thief of it."""
        self._cases.setdefault(case.owner, []).append(case)

    def alarm(
        self,
        case: Case,
        detector: str,
        event_s: float,
        alert_s: float,
        feed: Feed | None,
        answer: Answer | None = None,
    ) -> Generator[simpy.Event, object, None]:
        """Handle one alert from its arrival; only the first one of a case makes people move.

        Args:
            case: the theft behind it.
            detector: who raised it.
            event_s: when what raised it happened.
            alert_s: when it arrives.
            feed: log of the identity, to be forgotten once its credential is replaced.
            answer: what is done once it is decided, instead of revoking a document.
        """
        world = self._world
        if alert_s >= world.horizon_s:
            return
        yield world.clock.at(alert_s)
        point = ("", world.regime.name, 0)
        identity = identity_of(world, case.owner)
        self.alerts.append((case, AlertRow(*point, alert_s, event_s, detector, identity, None)))
        world.guard(case.owner).alert()
        if case.alert_s is not None:
            return
        case.alert_s, case.detector = alert_s, detector
        if not world.rules(case.owner).automatic:
            yield from self._triage(case.entity, detector, case.owner)
        case.decided_s = world.now_s
        if answer is not None:
            yield from answer(case)
            if feed is not None:
                feed.forget()
            return
        rule = world.regime.revocation
        if rule.method is Revocation.NONE:
            return
        if world.uniform(case.entity, Stream.REVOCATION, 0) >= rule.probability:
            return
        yield world.clock.at(world.now_s + rule.delay_s)
        self._revoke(case)
        if feed is not None:
            feed.forget()

    def false_alarm(
        self, entity: int, owner: int, document: CredentialView, alert: Alert
    ) -> Generator[simpy.Event, object, None]:
        """Handle an alert that nobody's theft is behind.

        An analyst finds that out after an ordinary triage and does nothing more. Automatic response
        does to the document what it would do to a stolen one. Until then the detector does not
        report the identity again.
        """
        world = self._world
        key = (owner, alert.detector)
        if alert.alert_s >= world.horizon_s:
            return
        yield world.clock.at(alert.alert_s)
        if key in self._reported:
            return
        self._reported.add(key)
        world.guard(owner).alert()
        event_s = alert.event.occurred_s
        self.false_alarms.append(
            AlertRow(
                "", world.regime.name, 0, world.now_s, event_s, alert.detector, alert.identity, None
            )
        )
        if world.rules(owner).automatic:
            yield from self._replace_healthy(entity, owner, document)
        else:
            yield from self._triage(entity, alert.detector, owner)
        self._reported.discard(key)

    def _triage(
        self, entity: int, detector: str, owner: int
    ) -> Generator[simpy.Event, object, None]:
        """Wait for an analyst of the owner's tenant, or of everybody, and for his decision.

        He takes up the most urgent alert and finishes what he has begun.
        """
        world, rules, since_s = self._world, self._world.rules(owner), self._world.now_s
        if rules.analysts_of not in self._analysts:
            self._analysts[rules.analysts_of] = _Analysts(world.clock, rules.analysts)
        analysts = self._analysts[rules.analysts_of]
        with analysts.request(priority=urgency(world, detector, owner)) as turn:
            yield turn
            self.waits.append((detector, world.now_s - since_s))
            length_s = world.exponential(rules.triage_mean_s, entity, Stream.TRIAGE)
            yield world.clock.at(world.now_s + length_s)

    def _replace_healthy(
        self, entity: int, owner: int, document: CredentialView
    ) -> Generator[simpy.Event, object, None]:
        """Revoke a document for nothing; an identity that a thief is in is not counted healthy."""
        world = self._world
        rule = world.regime.revocation
        if rule.method is Revocation.NONE:
            return
        if world.uniform(entity, Stream.REVOCATION, 0) >= rule.probability:
            return
        yield world.clock.at(world.now_s + rule.delay_s)
        now_s = world.now_s
        robbed = any(case.has_access(world, now_s) for case in self._cases.get(owner, []))
        replaced = self._refuse(owner, world.population.read(owner), (document,))
        self.replacements += replaced
        if not robbed:
            self.healthy_replacements += replaced

    def _revoke(self, case: Case) -> None:
        """Have the verifiers refuse what was stolen, and give the owner something new.

        A deny list names the documents that the thief is known to hold; the owner is disturbed
        only if it still holds one of them. Deletion ends whatever the identity holds.
        """
        world = self._world
        held = world.population.read(case.owner)
        self.replacements += self._refuse(case.owner, held, _stolen(case, held, world.now_s))

    def _refuse(
        self,
        owner: int,
        held: tuple[CredentialView, ...],
        suspect: tuple[CredentialView, ...],
    ) -> int:
        """End suspect documents, under deletion all of the identity's; return agents replaced."""
        world = self._world
        victims = self._cases.get(owner, [])
        ended = {(view.slot, view.serial) for view in suspect}
        if world.regime.revocation.method is Revocation.DELETE:
            copies = [victim.document for victim in victims if victim.document is not None]
            ended = {(view.slot, view.serial) for view in (*held, *copies)}
        for victim in victims:
            self._end(victim, held, ended)
        if not any((view.slot, view.serial) in ended for view in held):
            return 0
        group = world.layout.group(owner)
        # a node's document is replaced once, for all who use it
        for agent in group[:1] if world.regime.shared_on_node else group:
            world.population.command(Command(CommandKind.REPLACE, agent))
            world.replaced(agent)
        return len(group)

    def _end(
        self, case: Case, held: tuple[CredentialView, ...], ended: set[tuple[int, int]]
    ) -> None:
        now_s = self._world.now_s
        mine = {(view.slot, view.serial) for view in _stolen(case, held, now_s)} & ended
        if not mine:
            return
        if not case.inside(now_s) and case.copy_access_ends_s(self._world) <= now_s:
            return
        for key in mine:
            case.denied.setdefault(key, now_s)
        if case.revoked_s is None:
            case.revoked_s = now_s


def urgency(world: World, detector: str, owner: int) -> int:
    """Return the rank of an alert in the queue; lower ones first."""
    priority = world.scenario.response.priority
    rank = int(getattr(priority, detector.replace("-", "_")))
    if not priority.by_sensitivity:
        return rank
    tasks = world.layout.of(owner).workload.tasks
    return rank - _RANKS * max(task.sensitivity for task in tasks)


def waiting(waits: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return counts by name: alerts taken up and their waits, of all and of each detector."""
    found: dict[str, float] = {}
    for detector, wait_s in waits:
        for name in ("", f"_{detector.replace('-', '_')}"):
            found[f"triaged{name}"] = found.get(f"triaged{name}", 0.0) + 1.0
            found[f"triage_wait{name}_s"] = found.get(f"triage_wait{name}_s", 0.0) + wait_s
    return found


def _stolen(
    case: Case, held: tuple[CredentialView, ...], now_s: float
) -> tuple[CredentialView, ...]:
    """Return what the thief has in his hands now."""
    if case.inside(now_s):
        return held
    return () if case.document is None else (case.document,)


def notice(
    world: World, response: Response, case: Case, answer: Answer | None = None
) -> Generator[simpy.Event, object, None]:
    """Let somebody outside notice the theft after an exponential time, whatever is logged.

    That law forgets: of a theft before t = 0 that nobody has noticed the rest is like the whole.
    """
    mean_s = world.rules(case.owner).external_notice_mean_s
    if mean_s == inf:
        return
    at_s = world.now_s + world.exponential(mean_s, case.entity, Stream.NOTICE)
    if at_s >= world.horizon_s or at_s == inf:
        return
    yield from response.alarm(case, NOTICE, at_s, at_s, None, answer)
