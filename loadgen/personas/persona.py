"""What a thief is: a choice of victim made from the plan, and a behaviour that keeps its own truth.

Everything before the first use (when to steal, how long to wait, how often to use) is *assumed*,
chosen here and drawn by key; what happens after it is measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from loadgen.plan import Plan, foreign_permission
from loadgen.targets.port import Stolen
from scenarios.demand.schedule import ISSUE
from scenarios.demand.streams import Stream, uniform
from scenarios.detection.serials import SupersededSerial
from scenarios.errors import TargetError

UNDETECTED, EXPIRED = "undetected", "expired"
ACCEPTED, DENIED = "ok", "denied"
"""answers to a use: accepted; the credential is good but not for this permission. Anything else
that is no transport failure means that the credential is refused."""
NO_ANSWER = frozenset(
    {"timeout", "refused", "connect-timeout", "closed", "half", "protocol", "tls"}
)
PEEK_S = 0.1
"""how often a thief who waits for a renewal looks"""
TRIES = 5_000
FIRST_TRY = 16
"""draws of a theft below this number are its times and addresses, the others choose the victim"""
CANDIDATES = 200
"""possible victims looked at before the best of them is taken"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A victim and the times of the plan; ``expected`` is a detector's name or an end."""

    agent: int
    task: int
    steal_s: float
    use_s: float
    expected: str


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a stolen credential, on the run clock."""

    sent_s: float
    answered_s: float
    origin: str
    permission: str
    code: str


@dataclass(slots=True)
class Theft:
    """The ground truth of one theft, written by the thief alone."""

    number: int
    persona: str
    identity: str
    mark: Mark
    stolen: Stolen | None = None
    stolen_s: float | None = None
    uses: list[Use] = field(default_factory=list)
    end: str = "open"
    """``refused``, ``expired`` or ``open``, as the thief knows it"""


@dataclass(frozen=True)
class Stage:
    """What personas choose from: the plan, the detectors that can see, the addresses."""

    plan: Plan
    detectors: frozenset[str]
    owner_origin: str
    robbed: set[str] = field(default_factory=set)
    """identities that have their thief already; nobody is robbed twice"""

    @property
    def pace_s(self) -> float:
        """Return the time between a thief's uses: forty of them fit into the window."""
        return min(0.5, self.plan.seconds / 40.0)

    def choose(self, persona: "Persona", number: int) -> Mark | None:
        """Return a victim for theft ``number``, None when the window offers none.

        Agents that do anything are looked at in keyed random order. Those are preferred whose end
        the window still shows, and whose owner does not need the document again before he renews
        it, so that the automatic response locks nobody out; where there are only others, one of
        them is taken and the lock-out is counted.
        """
        if not persona.suits(self):
            return None
        agents = self.plan.active
        best: tuple[int, Mark] | None = None
        candidates = 0
        for k in range(min(TRIES, 20 * len(agents))):
            agent = agents[int(self.draw(number, FIRST_TRY + k) * len(agents))]
            if self.plan.identities[agent].name in self.robbed:
                continue
            mark = persona.mark(self, number, agent)
            if mark is None:
                continue
            candidates += 1
            flaws = (mark.expected == UNDETECTED) + 2 * self._locks_out(mark)
            if best is None or flaws < best[0]:
                best = flaws, mark
            if best[0] == 0 or candidates == CANDIDATES:
                break
        return None if best is None else best[1]

    def _locks_out(self, mark: Mark) -> bool:
        """Return whether somebody uses the document after the thief did and before its renewal."""
        if mark.expected in (UNDETECTED, EXPIRED):
            return False
        if mark.expected == SupersededSerial.name:
            return False  # its owner has replaced what is revoked
        name = self.plan.identities[mark.agent].name
        for holder in self.plan.holders[name]:
            renewed_s = [t for t in self.issues_s(holder, mark.task) if t > mark.use_s]
            until_s = min(renewed_s, default=self.plan.seconds)
            if any(mark.use_s <= t <= until_s for t in self.uses_s(holder, mark.task)):
                return True
        return False

    def draw(self, number: int, k: int) -> float:
        """Return draw ``k`` of theft ``number``, uniform on (0, 1)."""
        return uniform(self.plan.seed_key, number, Stream.PERSONA, k)

    def thief_origin(self, number: int) -> str:
        """Return the source address of a thief: another one of 127.0.0.0/8 for each."""
        u = self.draw(number, 1)
        return f"127.{13 + number % 200}.{int(u * 250)}.{2 + int(u * 62_500) % 250}"

    def issues_s(self, agent: int, task: int) -> list[float]:
        """Return when an agent asks for a credential in the slot of ``task``, prologue included."""
        demand, mine = self.plan.demand, self.plan.of_agent(agent)
        slot = task if self.plan.task_scope else 0
        primed = [-self.plan.prologue_s] if (agent, slot) in self.plan.primed else []
        return primed + [
            float(demand.t_s[i]) for i in mine if demand.op[i] == ISSUE and demand.task[i] == slot
        ]

    def uses_s(self, agent: int, task: int) -> list[float]:
        """Return when an agent uses what it holds for ``task`` (for anything: its one document)."""
        demand, mine = self.plan.demand, self.plan.of_agent(agent)
        return [
            float(demand.t_s[i])
            for i in mine
            if demand.op[i] != ISSUE and (not self.plan.task_scope or demand.task[i] == task)
        ]

    def tasks(self, agent: int) -> range:
        """Return the slots of an agent that can be robbed."""
        return range(len(self.plan.identities[agent].permissions) if self.plan.task_scope else 1)

    def permissions(self, mark: Mark) -> tuple[str, ...]:
        """Return what the marked credential opens."""
        by_task = self.plan.identities[mark.agent].permissions
        if self.plan.task_scope:
            return by_task[self.plan.task_name(mark.agent, mark.task)]
        return tuple(dict.fromkeys(p for needed in by_task.values() for p in needed))

    def foreign(self, mark: Mark) -> str:
        """Return a permission that the marked credential does not open."""
        return foreign_permission(self.plan.scenario, frozenset(self.permissions(mark)))


class Thief:
    """One theft in progress: steals, waits, uses, and writes down what happened.

    Args:
        theft: the truth to write.
        stage: where it happens.
        steal: copies what (agent, task) holds: (run time, credential), or None.
        use: presents a credential for a permission from an address and returns the answer.
        now_s: the run clock.
        wait: sleeps for at most so many seconds; True when the run is being stopped.
    """

    def __init__(
        self,
        theft: Theft,
        stage: Stage,
        *,
        steal: Callable[[int, int], tuple[float, Stolen] | None],
        use: Callable[[Stolen, str, str], str],
        now_s: Callable[[], float],
        wait: Callable[[float], bool],
    ) -> None:
        self.theft = theft
        self.stage = stage
        self._steal, self._use, self._now_s, self._wait = steal, use, now_s, wait

    def sleep_until(self, t_s: float) -> bool:
        """Sleep until run time ``t_s``; False when the run ends before."""
        end_s = self.stage.plan.seconds
        stopped = self._wait(max(0.0, min(t_s, end_s) - self._now_s()))
        return not stopped and t_s < end_s

    def steal(self) -> bool:
        """Take a copy at the marked time, trying again while the owner holds nothing."""
        mark = self.theft.mark
        t_s = mark.steal_s
        while self.sleep_until(t_s):
            taken = self._steal(mark.agent, mark.task)
            if taken is not None:
                self.theft.stolen_s, self.theft.stolen = taken
                return True
            t_s = self._now_s() + PEEK_S
        return False

    def wait_for_renewal(self) -> bool:
        """Wait until the owner holds another document than the stolen one."""
        mark, stolen = self.theft.mark, self.theft.stolen
        while stolen is not None and self.sleep_until(self._now_s() + PEEK_S):
            held = self._steal(mark.agent, mark.task)
            if held is not None and held[1].serial != stolen.serial:
                return True
        return False

    def use(self, permission: str, origin: str) -> str:
        """Use the stolen credential once; return and note the answer."""
        stolen = self.theft.stolen
        if stolen is None:
            raise ValueError("nothing was stolen")
        sent_s = self._now_s()
        try:
            code = self._use(stolen, permission, origin)
        except TargetError:
            code = "closed"
        self.theft.uses.append(Use(sent_s, self._now_s(), origin, permission, code))
        return code

    def expired(self) -> bool:
        """Return whether the stolen document has reached its end."""
        stolen = self.theft.stolen
        return (
            stolen is not None
            and stolen.expires_s is not None
            and self._now_s() >= stolen.expires_s
        )

    def use_until_refused(self, permissions: tuple[str, ...], origin: str) -> None:
        """Use it again and again until it is refused or expires or the run ends."""
        count = 0
        t_s = self._now_s()
        while self.sleep_until(t_s):
            if self.expired():
                self.theft.end = "expired"
                return
            code = self.use(permissions[count % len(permissions)], origin)
            if code not in (ACCEPTED, DENIED) and code not in NO_ANSWER:
                self.theft.end = "expired" if self.expired() else "refused"
                return
            count += 1
            t_s = self._now_s() + self.stage.pace_s

    def rest_until_expiry(self) -> None:
        """Keep the credential unused until it expires or the run ends."""
        stolen = self.theft.stolen
        if stolen is not None and stolen.expires_s is not None:
            if self.sleep_until(stolen.expires_s):
                self.theft.end = "expired"
        else:
            self.sleep_until(self.stage.plan.seconds)


class Persona(Protocol):
    """One kind of thief."""

    name: str
    story: str
    """one sentence for people"""

    def suits(self, stage: Stage) -> bool:
        """Return whether the regime has what this thief takes."""
        ...

    def mark(self, stage: Stage, number: int, agent: int) -> Mark | None:
        """Return the times at which theft ``number`` could rob ``agent``, None if it cannot."""
        ...

    def act(self, thief: Thief) -> None:
        """Steal and use; returns when refused, expired, or the run ends."""
        ...
