"""What may break while a scenario runs: one class a kind, told apart by ``kind`` in TOML.

A new kind is a class here, a member of ``Fault`` and a function in ``simulator/control/faults.py``.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from scenarios.spec.regime import PositiveSeconds, Seconds, Strict


class Striking(Strict):
    """A fault that strikes at an instant, once or periodically."""

    start_s: Seconds
    every_s: PositiveSeconds | None = None
    """repeat the fault with this period"""

    @property
    def length_s(self) -> float:
        """How long it lasts; 0 where it is over at once."""
        return 0.0


class Lasting(Striking):
    """A fault that lasts for a while."""

    duration_s: PositiveSeconds

    @property
    def length_s(self) -> float:
        """How long it lasts."""
        return self.duration_s


class IssuerOutage(Lasting):
    """The issuer refuses every request; what it had accepted is still served."""

    kind: Literal["issuer-outage"]


class Partition(Lasting):
    """A share of the nodes cannot reach the issuer: their requests fail at once.

    The same nodes whenever the fault repeats; answers to what was accepted before still arrive.
    """

    kind: Literal["partition"]
    share: Annotated[float, Field(gt=0, le=1)]
    """probability of each node to be cut off"""


class MassRestart(Striking):
    """A share of the nodes restart, each with all of its agents at an instant of a window.

    The same nodes whenever the fault repeats.
    """

    kind: Literal["mass-restart"]
    share: Annotated[float, Field(gt=0, le=1)]
    """probability of each node to restart"""
    over_s: PositiveSeconds = 60.0
    """length of the window in which they do, at uniform instants"""

    @property
    def length_s(self) -> float:
        """How long it takes until the last node has restarted."""
        return self.over_s


class DatastoreSlow(Lasting):
    """Work that the issuer's datastore takes up while this lasts takes ``factor`` times as long."""

    kind: Literal["datastore-slow"]
    factor: Annotated[float, Field(gt=1, le=1e6)]


class SigningSlow(Lasting):
    """Signatures that begin while this lasts take ``factor`` times as long."""

    kind: Literal["signing-slow"]
    factor: Annotated[float, Field(gt=1, le=1e6)]


Fault = Annotated[
    IssuerOutage | Partition | MassRestart | DatastoreSlow | SigningSlow,
    Field(discriminator="kind"),
]
KINDS: Mapping[str, type[Striking]] = MappingProxyType(
    {
        "issuer-outage": IssuerOutage,
        "partition": Partition,
        "mass-restart": MassRestart,
        "datastore-slow": DatastoreSlow,
        "signing-slow": SigningSlow,
    }
)
"""the members of ``Fault`` by ``kind``"""
