"""The detectors that read one tenant's log, or everybody's."""

from typing import TypeVar

from scenarios.detection.addresses import NewOrigin
from scenarios.detection.canaries import Canary
from scenarios.detection.detector import Detector
from scenarios.detection.rates import RateChange
from scenarios.detection.suite import detectors
from scenarios.spec.defence import Detection
from scenarios.spec.regime import Regime
from scenarios.spec.schema import Scenario

D = TypeVar("D", bound=Detector)


class Watch:
    """Detectors that are armed together.

    Args:
        scenario: whose tasks declare what is needed and how often.
        regime: of the identities.
        asked: which detectors, and what reaches them how late.

    Attributes:
        detectors: those whose word hangs on what the owner does with its documents.
        new_origin: told by ``signals.py`` what it needs, like the two after it; None if not armed.
        rate_change: by ``rates.py``, too.
        canary: likewise.
    """

    def __init__(self, scenario: Scenario, regime: Regime, asked: Detection) -> None:
        self.asked = asked
        armed = {one.name: one for one in detectors(scenario, regime, asked=asked)}
        self.new_origin = _only(NewOrigin, armed)
        self.rate_change = _only(RateChange, armed)
        self.canary = _only(Canary, armed)
        self.detectors: list[Detector] = list(armed.values())

    @property
    def armed(self) -> bool:
        """Whether any detector is."""
        return bool(self.every)

    @property
    def every(self) -> list[Detector]:
        """All of them."""
        apart = (self.new_origin, self.rate_change, self.canary)
        return [*self.detectors, *(one for one in apart if one is not None)]


def _only(kind: type[D], armed: dict[str, Detector]) -> D | None:
    """Take the detector of a kind out of the armed ones."""
    for name, detector in armed.items():
        if isinstance(detector, kind):
            del armed[name]
            return detector
    return None
