"""What personas choose their victims from: the plan, the detectors that can see, the addresses."""

from dataclasses import dataclass, field

from loadgen.plan import Plan, foreign_permission
from scenarios.demand.schedule import ISSUE
from scenarios.demand.streams import Stream, uniform
from scenarios.detection.addresses import NewOrigin
from scenarios.detection.origins import TwoOrigins

FIRST_TRY = 16
"""draws of a theft below this number are its times and addresses, the others choose the victim"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A victim and the times of the plan; ``expected`` is a detector's name or an end."""

    agent: int
    task: int
    steal_s: float
    use_s: float
    expected: str


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

    def draw(self, number: int, k: int) -> float:
        """Return draw ``k`` of theft ``number``, uniform on (0, 1)."""
        return uniform(self.plan.seed_key, number, Stream.PERSONA, k)

    def any_held(self, number: int, agent: int, expected: str) -> Mark | None:
        """Mark any slot of an agent that holds a document at a theft in the window's middle."""
        seconds, pace_s = self.plan.seconds, self.pace_s
        earliest_s = (0.15 + 0.35 * self.draw(number, 0)) * seconds
        for task in self.tasks(agent):
            issues_s = self.issues_s(agent, task)
            if issues_s and issues_s[0] < 0.7 * seconds:
                steal_s = max(earliest_s, issues_s[0] + 2 * pace_s)
                return Mark(agent, task, steal_s, steal_s + pace_s, expected)
        return None

    def elsewhere(self, undetected: str) -> str:
        """Return which detector first sees a document away from its owner's address."""
        telling = (name for name in (TwoOrigins.name, NewOrigin.name) if name in self.detectors)
        return next(telling, undetected)

    def thief_origin(self, number: int) -> str:
        """Return the source address of a thief: another one of 127.0.0.0/8 for each."""
        u = self.draw(number, 1)
        return f"127.{13 + number % 200}.{int(u * 250)}.{2 + int(u * 62_500) % 250}"

    def issues_s(self, agent: int, task: int) -> list[float]:
        """Return when an agent asks for a credential in the slot of ``task``, prologue included."""
        demand, mine = self.plan.demand, self.plan.of_agent(agent)
        slot = task if self.plan.task_scope else 0
        before = self.plan.primed_s.get((agent, slot))
        return ([] if before is None else [before]) + [
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
