"""False alarms: a sample of identities that nobody attacks, every line of theirs read.

Billions of clean lines cannot pass through a detector in Python, and need not: detectors are keyed
by identity, so a random sample of identities gives the rate, with its interval, from
``watched_identity_s`` and the alerts without an incident.
"""

from heapq import merge
from operator import attrgetter
from typing import Final

from scenarios.demand.streams import Stream
from scenarios.detection.audit import Alert
from scenarios.detection.suite import detectors
from scenarios.record.tables import AlertRow
from simulator.control.feed import Feed
from simulator.control.owner import Owner
from simulator.control.threats import Threats
from simulator.control.world import World

SAMPLE: Final = 10
"""identities drawn for each replication; those that are not covered or get robbed drop out"""
LINES: Final = 2_000
"""lines after which an identity of the sample is watched no longer"""
_ENTITY: Final = 1


class CleanSample:
    """Identities watched from the start of the run.

    Args:
        world: at t = 0.
        threats: who is watched, and in the end who was robbed.
    """

    def __init__(self, world: World, threats: Threats) -> None:
        self._world, self._threats = world, threats
        agents = world.layout.agents
        drawn = (world.uniform(_ENTITY, Stream.PROBE_TARGET, n) * agents for n in range(SAMPLE))
        owners = {world.layout.group(min(int(at), agents - 1)).start for at in drawn}
        self._owners = sorted(owner for owner in owners if threats.watched(owner))
        for owner in self._owners:
            world.documents(owner)

    def read(self) -> tuple[float, list[AlertRow]]:
        """Return the seconds of identities watched to the horizon, and the false alarms raised."""
        robbed = {case.owner for case in self._threats.cases}
        watched_s, alarms = 0.0, []
        for owner in self._owners:
            if owner not in robbed:
                seconds, rows = self._read(owner)
                watched_s += seconds
                alarms += rows
        return watched_s, alarms

    def _read(self, owner: int) -> tuple[float, list[AlertRow]]:
        world = self._world
        documents = world.documents(owner)
        documents.update(world.population)
        feed = Feed(world, owner)
        asked = world.watch(owner).asked
        fresh = detectors(world.scenario, world.regime, asked=asked)
        holders = [Owner(world, agent, documents) for agent in world.layout.group(owner)]
        lines = merge(
            *(holder.accesses(0.0, world.horizon_s) for holder in holders), key=attrgetter("t_s")
        )
        rows: list[AlertRow] = []
        for n, access in enumerate(lines):
            if n == LINES:
                return access.t_s, rows
            event = feed.line(access)
            alerts = [detector.update(event) for detector in fresh]
            rows += [self._false(alert) for alert in alerts if alert is not None]
        return world.horizon_s, rows

    def _false(self, alert: Alert) -> AlertRow:
        return AlertRow(
            point="",
            regime=self._world.regime.name,
            replication=0,
            t_s=alert.alert_s,
            event_s=alert.event.occurred_s,
            detector=alert.detector,
            identity=alert.identity,
            incident=None,
        )
