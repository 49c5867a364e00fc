"""The agents of a run as plain JSON data: how ``wire_plan`` tells a wire who asks for what."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from loadgen.targets.port import Identity


class Agents(msgspec.Struct, frozen=True):
    """Names and tasks of all agents; equal task catalogues are written once."""

    names: list[str]
    workloads: list[str]
    """name of the workload of each catalogue"""
    catalogues: list[list[tuple[str, list[str]]]]
    """(task, permissions) in order"""
    kinds: list[int]
    """agent → catalogue"""

    def tasks(self, agent: int) -> list[tuple[str, list[str]]]:
        """Return (task, permissions) of an agent, in the order of its task numbers."""
        return self.catalogues[self.kinds[agent]]


def agents(identities: Sequence[Identity]) -> Agents:
    """Return the table of a run's identities, whose ``agent`` counts from 0."""
    known: dict[tuple[object, ...], int] = {}
    workloads: list[str] = []
    catalogues: list[list[tuple[str, list[str]]]] = []
    kinds = []
    for identity in identities:
        key = (identity.workload, *identity.permissions.items())
        kind = known.setdefault(key, len(known))
        if kind == len(catalogues):
            workloads.append(identity.workload)
            catalogues.append([(task, list(opens)) for task, opens in identity.permissions.items()])
        kinds.append(kind)
    return Agents([identity.name for identity in identities], workloads, catalogues, kinds)


class Turn(NamedTuple):
    """What one use asks for."""

    task: str
    permission: str


class Turns:
    """Walks through the permissions of a task, one a use, so that all of them are asked for."""

    def __init__(self, table: Agents) -> None:
        self._table = table
        self._count = 0

    def next(self, agent: int, task: int) -> Turn:
        """Return the permission of the next use."""
        name, permissions = self._table.tasks(agent)[task]
        self._count += 1
        return Turn(name, permissions[self._count % len(permissions)])
