"""The thefts of one measured run: who is robbed by whom, and the threads that do it."""

import difflib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from loadgen.personas import PERSONAS, Persona
from loadgen.personas.stage import FIRST_TRY, Mark, Stage
from loadgen.personas.thief import EXPIRED, UNDETECTED, Theft, Thief
from loadgen.targets.port import Stolen
from scenarios.detection.serials import SupersededSerial
from scenarios.errors import UsageError

MAX_COUNT = 50
"""thefts of one persona in one run: each has a thread"""
NOBODY = "none"
TRIES = 5_000
STOP_S = 3.0
"""for a thief in the middle of a request"""
CANDIDATES = 200
"""possible victims looked at before the best of them is taken"""


@dataclass(frozen=True, slots=True)
class Attack:
    """So many thefts of one persona."""

    persona: str
    count: int = 1
    asked: bool = True
    """False for one that runs because nothing else was asked for"""


def parse_attacks(texts: Sequence[str]) -> tuple[Attack, ...]:
    """Read ``NAME`` or ``NAME:COUNT``; nothing asked for means each persona once, ``none`` nobody.

    Raises:
        UsageError: one line that names every fault.
    """
    if not texts:
        return tuple(Attack(name, asked=False) for name in PERSONAS)
    if list(texts) == [NOBODY]:
        return ()
    faults: list[str] = []
    attacks: list[Attack] = []
    for text in texts:
        name, _, count = text.partition(":")
        if name not in PERSONAS:
            near = difflib.get_close_matches(name, PERSONAS, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            faults.append(f"found {name!r}, allowed {', '.join(PERSONAS)} or {NOBODY} alone{hint}")
        elif count and not (count.isdecimal() and 1 <= int(count) <= MAX_COUNT):
            faults.append(f"{name}: found {count!r} thefts, allowed 1 … {MAX_COUNT}")
        else:
            attacks.append(Attack(name, int(count or 1)))
    if faults:
        raise UsageError(f"--attack: {'; '.join(faults)}")
    return tuple(attacks)


def cast(stage: Stage, attacks: Sequence[Attack]) -> tuple[list[Theft], list[str]]:
    """Choose a victim for each theft; return them, and why some cannot happen in this window."""
    thefts: list[Theft] = []
    notes: list[str] = []
    number = 0
    for attack in attacks:
        chosen = 0
        for _ in range(attack.count):
            mark = choose(stage, PERSONAS[attack.persona], number)
            if mark is not None:
                identity = stage.plan.identities[mark.agent].name
                stage.robbed.add(identity)
                thefts.append(Theft(number, attack.persona, identity, mark))
                chosen += 1
            number += 1
        if chosen < attack.count and (attack.asked or PERSONAS[attack.persona].suits(stage)):
            notes.append(
                f"{stage.plan.regime.name}: {attack.count - chosen} of {attack.count} "
                f"{attack.persona} found no victim in this window"
            )
    return thefts, notes


def choose(stage: Stage, persona: Persona, number: int) -> Mark | None:
    """Return a victim for theft ``number``, None when the window offers none.

    Agents that do anything are looked at in keyed random order. Those are preferred whose end
    the window still shows, and whose owner does not need the document again before he renews
    it, so that the automatic response locks nobody out; where there are only others, one of
    them is taken and the lock-out is counted.
    """
    if not persona.suits(stage):
        return None
    agents = stage.plan.active
    best: tuple[int, Mark] | None = None
    candidates = 0
    for k in range(min(TRIES, 20 * len(agents))):
        agent = agents[int(stage.draw(number, FIRST_TRY + k) * len(agents))]
        if stage.plan.identities[agent].name in stage.robbed:
            continue
        mark = persona.mark(stage, number, agent)
        if mark is None:
            continue
        candidates += 1
        flaws = (mark.expected == UNDETECTED) + 2 * _locks_out(stage, mark)
        if best is None or flaws < best[0]:
            best = flaws, mark
        if best[0] == 0 or candidates == CANDIDATES:
            break
    return None if best is None else best[1]


def _locks_out(stage: Stage, mark: Mark) -> bool:
    """Return whether somebody uses the document after the thief did and before its renewal."""
    if mark.expected in (UNDETECTED, EXPIRED):
        return False
    if mark.expected == SupersededSerial.name:
        return False  # its owner has replaced what is revoked
    name = stage.plan.identities[mark.agent].name
    for holder in stage.plan.holders[name]:
        renewed_s = [t for t in stage.issues_s(holder, mark.task) if t > mark.use_s]
        until_s = min(renewed_s, default=stage.plan.seconds)
        if any(mark.use_s <= t <= until_s for t in stage.uses_s(holder, mark.task)):
            return True
    return False


class Thefts:
    """Runs every theft in a thread of its own.

    Args:
        thefts: from ``cast``; their truth is complete after ``join``.
        stage: where they happen.
        steal: copies what (agent, task) holds.
        use: presents a stolen credential.
        now_s: the run clock.
        stop: set to end all of them early.
    """

    def __init__(
        self,
        thefts: Sequence[Theft],
        stage: Stage,
        *,
        steal: Callable[[int, int], tuple[float, Stolen] | None],
        use: Callable[[Stolen, str, str], str],
        now_s: Callable[[], float],
        stop: threading.Event,
    ) -> None:
        self.faults: list[str] = []
        self._stop = stop
        self._threads = [
            threading.Thread(
                target=self._act,
                args=(Thief(theft, stage, steal=steal, use=use, now_s=now_s, wait=stop.wait),),
                name=f"theft-{theft.number}",
                daemon=True,
            )
            for theft in thefts
        ]

    def start(self) -> None:
        """Begin; each thief waits for his own time."""
        for thread in self._threads:
            thread.start()

    def _act(self, thief: Thief) -> None:
        persona = PERSONAS[thief.theft.persona]
        try:
            persona.act(thief)
        except Exception as error:  # noqa: BLE001  (a thread's end must be told, whatever it was)
            if not self._stop.is_set():
                self.faults.append(f"{persona.name}: {type(error).__name__}: {error}")

    def join(self, timeout_s: float) -> None:
        """Wait for all; those still busy after ``timeout_s`` are told to stop, and waited for."""
        self._join(timeout_s)
        self._stop.set()
        self._join(STOP_S)

    def _join(self, timeout_s: float) -> None:
        deadline_s = monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - monotonic()))
