"""Detectors that need nothing of the owner's documents: new origin, canary, rate change.

What they will say follows from the thief's plan and the owner's task switches, both functions of
keys, and from how long the thief goes on. So the simulation wakes once, at the use that alerts, and
looks whether what it believed about the thief's end still holds: a revocation may have come
between. Each speaks for itself, at most once a theft; the first alert of a theft moves people.
"""

from collections.abc import Callable, Generator, Iterator
from math import inf, nextafter
from typing import Final

import simpy

from scenarios.detection.audit import Alert, AuditEvent
from scenarios.detection.canaries import RESOURCE
from scenarios.detection.detector import Detector
from scenarios.detection.rates import RateChange
from scenarios.spec.defence import Armed
from simulator.control.case import Case, Use, granted, hidden
from simulator.control.feed import Feed
from simulator.control.rates import Lines
from simulator.control.response import Response
from simulator.control.sight import CANARY, NEW_ORIGIN, RATE_CHANGE, seen
from simulator.control.world import World
from simulator.population import CredentialView

Events = Generator[simpy.Event, object, None]

_NOTHING: Final = CredentialView(-1, 0, -1, -inf, -inf)


class Signals:
    """Those detectors, over one world's thieves.

    Args:
        world: clock, laws and detectors.
        response: what happens to their alerts.
    """

    def __init__(self, world: World, response: Response) -> None:
        self._world, self._response = world, response
        self.lines = Lines(world)

    def follow(self, case: Case, feed: Feed) -> None:
        """Let every armed one look at a theft from now on."""
        world = self._world
        watch = world.watch(case.owner)
        asked = watch.asked
        touches = world.scenario.threats.abuse.canary_share > 0.0
        if (canary := watch.canary) is not None and touches:
            touched = self._line_by_line(asked.canary, CANARY, _touches)
            world.clock.process(self._watch(case, feed, canary, touched))
        if (new_origin := watch.new_origin) is not None:
            elsewhere = self._line_by_line(asked.new_origin, NEW_ORIGIN, self._elsewhere)
            world.clock.process(self._watch(case, feed, new_origin, elsewhere))
        if watch.rate_change is not None:
            world.clock.process(self._watch_rate(case, feed, watch.rate_change))

    def _watch(
        self,
        case: Case,
        feed: Feed,
        detector: Detector,
        next_of: Callable[[Case, float], Use | None],
    ) -> Events:
        """Wake at the uses that a detector of single lines may speak at, until it speaks."""
        world = self._world
        after_s = -inf
        while True:
            use = next_of(case, after_s)
            if use is None:
                if not case.inside(world.now_s) or case.eviction_s >= world.horizon_s:
                    return
                yield world.clock.at(nextafter(case.eviction_s, inf))
                continue
            if use.t_s > world.now_s:
                yield world.clock.at(use.t_s)
                if case.alert_s is not None:
                    return
                continue
            after_s = use.t_s
            alert = detector.update(self._line(case, feed, use))
            if alert is not None:
                yield from self._tell(case, feed, alert)
                return

    def _watch_rate(self, case: Case, feed: Feed, rate_change: RateChange) -> Events:
        """Wake where the sum of the owner's and the thief's lines reaches the threshold."""
        world = self._world
        while True:
            used = [use for use in made(world, case) if self._seen(case, use, RATE_CHANGE)]
            crossing = self.lines.crossing(case.owner, [use.t_s for use in used])
            leaves_s = case.eviction_s if case.inside(world.now_s) else inf
            at_s, level = crossing or (inf, 0.0)
            if at_s > leaves_s:  # what he does after that is not known yet
                at_s = nextafter(leaves_s, inf)
            if at_s >= world.horizon_s:
                return
            if at_s > world.now_s:
                yield world.clock.at(at_s)
                if case.alert_s is not None:
                    return
                continue
            at_hand = next(use for use in reversed(used) if use.t_s <= at_s)
            line = self._line(case, feed, at_hand._replace(t_s=at_s))
            yield from self._tell(case, feed, rate_change.alert(line, level))
            return

    def _tell(self, case: Case, feed: Feed, alert: Alert) -> Events:
        alert_s = max(alert.alert_s, self._world.now_s)
        yield from self._response.alarm(case, alert.detector, alert.event.occurred_s, alert_s, feed)

    def look(self, owner: int, entity: int, n: int, line: AuditEvent) -> Iterator[Alert]:
        """Yield what those of single lines say of the ``n``-th line of one who forges documents.

        He is another identity each time, so that his rate is nobody's.
        """
        world, watch = self._world, self._world.watch(owner)
        apart: tuple[tuple[Detector | None, int], ...] = (
            (watch.canary, CANARY),
            (watch.new_origin, NEW_ORIGIN),
        )
        for detector, place in apart:
            if detector is not None and seen(world, owner, entity, n, place):
                alert = detector.update(line)
                if alert is not None:
                    yield alert

    # -- what they see -------------------------------------------------------------------------

    def _line_by_line(
        self, armed: Armed, place: int, gives_away: Callable[[Case, Use], bool]
    ) -> Callable[[Case, float], Use | None]:
        def next_of(case: Case, after_s: float) -> Use | None:
            uses = (use for use in made(self._world, case) if use.t_s > after_s)
            found = (u for u in uses if gives_away(case, u) and self._seen(case, u, place))
            return next(found, None) if armed.sensitivity > 0.0 else None

        return next_of

    def _elsewhere(self, case: Case, use: Use) -> bool:
        return not case.inside(use.t_s) and not hidden(self._world, case)

    def _seen(self, case: Case, use: Use, place: int) -> bool:
        return seen(self._world, case.owner, case.entity, use.n, place)

    def _line(self, case: Case, feed: Feed, use: Use) -> AuditEvent:
        world = self._world
        document = case.document
        valid = use.t_s < case.copy_access_ends_s(world)
        if case.inside(use.t_s):
            held = [v for v in world.population.read(case.owner) if v.slot == case.slot]
            document = held[0] if held else None
            valid = document is not None and use.t_s < document.expires_s
        accepted = valid and granted(world, case, use)
        return feed.thief_line(case, use, document or _NOTHING, "ok" if accepted else "denied")


def made(world: World, case: Case) -> Iterator[Use]:
    """Yield the uses that a thief makes within the run, as far as is known now.

    One who lives in the workload goes on whatever he is answered; a copy is used until it is
    refused for the first time. What he will hold after an eviction to come is not known.
    """
    resident = case.inside(world.now_s)
    for use in case.uses(world):
        inside = case.inside(use.t_s)
        if use.t_s >= world.horizon_s or (resident and not inside):
            return
        yield use
        if not inside and use.t_s >= case.copy_access_ends_s(world):
            return


def _touches(_: Case, use: Use) -> bool:
    return use.permission.startswith(RESOURCE)
