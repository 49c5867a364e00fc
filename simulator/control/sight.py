"""Which lines reach a detector at all: a share of them, each by a draw of its own."""

from scenarios.demand.streams import Stream
from scenarios.spec.defence import Armed
from simulator.control.world import World

NEW_ORIGIN, RATE_CHANGE, CANARY = range(3)
"""whose draw it is: occurrence 4·(number of the line) + this"""


def seen(world: World, entity: int, line: int, detector: int) -> bool:
    """Return whether the ``line``-th line of an entity reaches one of the detectors above."""
    asked = world.scenario.detection
    armed: tuple[Armed, ...] = (asked.new_origin, asked.rate_change, asked.canary)
    share = armed[detector].sensitivity
    return share == 1.0 or world.uniform(entity, Stream.LINE_SEEN, 4 * line + detector) < share
