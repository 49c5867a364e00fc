"""What one identity was issued while somebody was interested in it."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from math import inf
from operator import attrgetter

from simulator.population import Command, CommandKind, CredentialView, Population


@dataclass(slots=True)
class _Tenure:
    """The documents of one slot in order of issue."""

    views: list[CredentialView] = field(default_factory=list)
    ended_s: dict[int, float] = field(default_factory=dict)
    """serial → when a replacement ended it"""
    lost_s: dict[int, float] = field(default_factory=dict)
    """serial → when its owner lost it in a restart"""


class Documents:
    """A timeline of one agent's documents, from a first look on; watches the agent.

    Args:
        population: at the instant of the first look.
        owner: the agent; of a shared secret the one that stands for its group.
    """

    def __init__(self, population: Population, owner: int) -> None:
        self.owner = owner
        self._tenures: dict[int, _Tenure] = {}
        population.command(Command(CommandKind.WATCH, owner))
        for view in population.read(owner):
            self._add(view)

    def update(self, population: Population) -> None:
        """Take up what was issued until now."""
        for view in population.issued(self.owner):
            self._add(view)
        for loss in population.lost(self.owner):
            self._tenures[loss.slot].lost_s[loss.serial] = loss.t_s

    def end(self, population: Population, now_s: float) -> None:
        """Note that a replacement ended every document issued before now."""
        self.update(population)
        for tenure in self._tenures.values():
            for view in tenure.views:
                if view.issued_s < now_s < view.expires_s:
                    tenure.ended_s.setdefault(view.serial, now_s)

    def slots(self) -> list[int]:
        """Return the slots that have held a document, in order."""
        return sorted(self._tenures)

    def of(self, slot: int) -> list[CredentialView]:
        """Return a slot's documents in order of issue."""
        return self._tenures[slot].views if slot in self._tenures else []

    def at(self, slot: int, t_s: float) -> CredentialView | None:
        """Return the document that a slot held at ``t_s`` if it was accepted and not lost then."""
        views = self.of(slot)
        place = bisect_right(views, t_s, key=attrgetter("issued_s")) - 1
        if place < 0:
            return None
        view = views[place]
        return view if view.accepted_from_s <= t_s < self._used_until_s(view) else None

    def tenures(self, from_s: float, to_s: float) -> Iterator[tuple[CredentialView, float, float]]:
        """Yield each document with the part of [from_s, to_s) in which its owner would use it."""
        for tenure in self._tenures.values():
            for view, successor in zip_longest(tenure.views, tenure.views[1:]):
                until_s = min(self._used_until_s(view), successor.issued_s if successor else inf)
                begin_s = max(from_s, view.issued_s, view.accepted_from_s)
                end_s = min(to_s, until_s)
                if begin_s < end_s:
                    yield view, begin_s, end_s

    def valid_until_s(self, view: CredentialView) -> float:
        """Return when a document's validity ends: its expiry or its replacement."""
        return min(
            view.expires_s, self._tenures[view.slot].ended_s.get(view.serial, view.expires_s)
        )

    def _used_until_s(self, view: CredentialView) -> float:
        """Return until when the owner itself may use a document: while valid and not lost."""
        lost_s = self._tenures[view.slot].lost_s.get(view.serial, inf)
        return min(self.valid_until_s(view), lost_s)

    def _add(self, view: CredentialView) -> None:
        self._tenures.setdefault(view.slot, _Tenure()).views.append(view)
