"""Which lines reach a detector at all: a share of them, each by a draw of its own."""

from collections.abc import Callable
from typing import Final

from scenarios.demand.streams import Stream
from scenarios.detection.addresses import NewOrigin
from scenarios.detection.canaries import Canary
from scenarios.detection.origins import TwoOrigins
from scenarios.detection.permissions import NewPermission
from scenarios.detection.rates import RateChange
from scenarios.detection.serials import SupersededSerial
from scenarios.detection.unknown import UnknownSerial
from scenarios.spec.defence import Armed
from simulator.control.watch import Watch
from simulator.control.world import World

NEW_ORIGIN, RATE_CHANGE, CANARY = range(3)
SUPERSEDED_SERIAL, TWO_ORIGINS, NEW_PERMISSION, UNKNOWN_SERIAL = range(4, 8)
"""whose draw it is: occurrence 4·(number of the line) + the place within four, of a stream each"""

PLACES: Final = {
    NewOrigin.name: NEW_ORIGIN,
    RateChange.name: RATE_CHANGE,
    Canary.name: CANARY,
    SupersededSerial.name: SUPERSEDED_SERIAL,
    TwoOrigins.name: TWO_ORIGINS,
    NewPermission.name: NEW_PERMISSION,
    UnknownSerial.name: UNKNOWN_SERIAL,
}
_KEYS: Final = {
    NEW_ORIGIN: "new_origin",
    RATE_CHANGE: "rate_change",
    CANARY: "canary",
    SUPERSEDED_SERIAL: "superseded_serial",
    TWO_ORIGINS: "two_origins",
    NEW_PERMISSION: "new_permission",
    UNKNOWN_SERIAL: "issue_log",
}

Seen = Callable[[int, int], bool]
"""whether the line of an entity (its number, the line's) reaches a detector"""


def asked_for(watch: Watch, detector: int) -> Armed:
    """Return what a tenant asked of one of the detectors above."""
    found: Armed = getattr(watch.asked, _KEYS[detector])
    return found


def share_seen(world: World, owner: int, detector: int) -> float:
    """Return the share of an identity's lines that reach one of the detectors above."""
    return asked_for(world.watch(owner), detector).sensitivity


def seen(world: World, owner: int, entity: int, line: int, detector: int) -> bool:
    """Return whether the ``line``-th line of an entity reaches one of the detectors above.

    Args:
        world: laws and draws.
        owner: of the identity that the line names; its tenant says which share is seen.
        entity: who left the line.
        line: its number among those of the entity.
        detector: one of the above.
    """
    share = share_seen(world, owner, detector)
    stream = Stream.LINE_SEEN if detector < SUPERSEDED_SERIAL else Stream.DOCUMENT_LINE_SEEN
    return share == 1.0 or world.uniform(entity, stream, 4 * line + detector % 4) < share


def thinned(world: World, owner: int, detector: int) -> Seen | None:
    """Return the same as a function of entity and line; None where every line is seen."""
    if share_seen(world, owner, detector) == 1.0:
        return None
    return lambda entity, line: seen(world, owner, entity, line, detector)
