"""Who touched what between two instants, and what a log cannot say about it."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf

import msgspec

from loadgen.accesses import Access
from scenarios.errors import UsageError

ORIGINS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a log: lines in [from_s, to_s), of one permission and workload if named."""

    from_s: float = -inf
    to_s: float = inf
    permission: str | None = None
    workload: str | None = None

    def __post_init__(self) -> None:
        if not self.from_s < self.to_s:
            raise UsageError(f"from: found {self.from_s:.3f}, must be before to ({self.to_s:.3f})")

    def asks_for(self, access: Access) -> bool:
        """Return whether an access is meant."""
        return (
            self.from_s <= access.wall_s < self.to_s
            and self.permission in (None, access.permission)
            and self.workload in (None, access.workload)
        )


class Actor(msgspec.Struct, frozen=True):
    """One answer to *who*: what lines of one name have in common."""

    identity: str
    workload: str
    task: str
    on_behalf_of: str
    shared_secret: bool
    """it is the name of a secret: who of its holders acted, the log does not say"""
    lines: int
    denied: int
    """of them, refused or failed"""
    what: dict[str, int]
    """permission, or (operation), → lines"""
    origins: list[str]
    """source addresses, the most frequent first, eight at most"""
    origin_count: int
    first_s: float
    last_s: float


class Answer(msgspec.Struct, frozen=True):
    """Who touched what, and how much of that the log says."""

    lines_read: int
    lines: int
    """that were asked for"""
    named: dict[str, float | None]
    """share of them that names the ``workload``, the ``task``, ``on_behalf_of`` whom; None of no
    lines"""
    unattributed: dict[str, int]
    """why a line names no acting workload → lines"""
    who: list[Actor]
    """the most active first"""
    took_s: float
    """to read the log and to answer"""

    @property
    def unattributed_share(self) -> float | None:
        """Share of lines whose acting workload cannot be told, None of no lines."""
        return sum(self.unattributed.values()) / self.lines if self.lines else None


@dataclass(slots=True)
class _Tally:
    """Lines of one name."""

    lines: int = 0
    denied: int = 0
    what: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    first_s: float = inf
    last_s: float = -inf

    def add(self, access: Access) -> None:
        self.lines += 1
        self.denied += access.outcome != "ok"
        self.what[access.what] += 1
        if access.origin:
            self.origins[access.origin] += 1
        self.first_s = min(self.first_s, access.wall_s)
        self.last_s = max(self.last_s, access.wall_s)


_Name = tuple[str, str, str, str, bool]


def answer(log: Iterable[Access], question: Question) -> Answer:
    """Return who did what a question asks for.

    A line names the acting workload if its identity is a SPIFFE ID or the line has a workload, and
    is not the name of a shared secret (``key://…``), behind which any of its holders may stand.

    Raises whatever reading the log raises.
    """
    began_s, read = time.perf_counter(), 0
    tallies: dict[_Name, _Tally] = {}
    for access in log:
        read += 1
        if question.asks_for(access):
            secret = access.names_secret
            name = (access.identity, access.workload, access.task, access.on_behalf_of, secret)
            tally = tallies.get(name)
            if tally is None:
                tally = tallies[name] = _Tally()
            tally.add(access)
    who = sorted(
        (_actor(name, tally) for name, tally in tallies.items()),
        key=lambda actor: (-actor.lines, actor.identity, actor.task),
    )
    lines = sum(actor.lines for actor in who)
    return Answer(
        lines_read=read,
        lines=lines,
        named=_named(who, lines),
        unattributed=_unattributed(who),
        who=who,
        took_s=time.perf_counter() - began_s,
    )


def _actor(name: _Name, tally: _Tally) -> Actor:
    identity, workload, task, on_behalf_of, secret = name
    return Actor(
        identity=identity,
        workload=workload,
        task=task,
        on_behalf_of=on_behalf_of,
        shared_secret=secret,
        lines=tally.lines,
        denied=tally.denied,
        what=dict(tally.what.most_common()),
        origins=[origin for origin, _ in tally.origins.most_common(ORIGINS_SHOWN)],
        origin_count=len(tally.origins),
        first_s=tally.first_s,
        last_s=tally.last_s,
    )


def _named(who: list[Actor], lines: int) -> dict[str, float | None]:
    counts = {
        "workload": sum(a.lines for a in who if a.identity and not a.shared_secret),
        "task": sum(a.lines for a in who if a.task),
        "on_behalf_of": sum(a.lines for a in who if a.on_behalf_of),
    }
    return {name: count / lines if lines else None for name, count in counts.items()}


def _unattributed(who: list[Actor]) -> dict[str, int]:
    reasons = {
        "the line names a secret that several may hold": sum(
            a.lines for a in who if a.shared_secret
        ),
        "the line names nobody": sum(a.lines for a in who if not a.identity),
    }
    return {why: lines for why, lines in reasons.items() if lines}


def window(begin: str | None, end: str | None) -> tuple[float, float]:
    """Return the seconds of two instants, each without end where it is not given.

    Raises:
        UsageError: one is no instant.
    """
    return (
        -inf if begin is None else instant(begin, "from"),
        inf if end is None else instant(end, "to"),
    )


def instant(text: str, name: str) -> float:
    """Return the seconds of an instant: a number, or an RFC 3339 text (UTC without an offset).

    Raises:
        UsageError: it is neither.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{name}: found {text!r}, must be as 2026-01-31T12:00:00Z, or seconds"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
