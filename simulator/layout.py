"""Who is agent number n: classes in the order of ``scenario.workloads``, nodes, groups, slots."""

from bisect import bisect_right
from dataclasses import dataclass

from scenarios.spec import rules
from scenarios.spec.regime import Regime, Scope
from scenarios.spec.schema import Scenario, Task, Workload


@dataclass(frozen=True, slots=True)
class AgentClass:
    """One workload class and the agents that it numbers."""

    first: int
    workload: Workload
    cumulated_hz: tuple[float, ...]
    """task rates, cumulated in task order from 0.0 by plain addition; the last is the total"""

    @property
    def count(self) -> int:
        """Number of agents."""
        return self.workload.count

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Tasks, in slot order."""
        return self.workload.tasks

    @property
    def total_hz(self) -> float:
        """Rate of switch candidates of one agent."""
        return self.cumulated_hz[-1]

    @property
    def draws_mark(self) -> bool:
        """Whether a candidate has a choice to make: not with one task that is always active."""
        return len(self.tasks) > 1 or not always_active(self.tasks[0])

    def slots(self, regime: Regime) -> int:
        """Return the number of credentials that an agent of this class holds."""
        return len(self.tasks) if regime.scope == Scope.ONE_TASK else 1

    def use_hz(self, slot: int, regime: Regime, hour: float) -> float:
        """Return the rate of the tasks that use ``slot`` and are active at that hour of day."""
        total = 0.0
        for index, task in enumerate(self.tasks):
            if regime.scope == Scope.ONE_TASK and index != slot:
                continue
            if task_active(task, hour):
                total += task.rate_hz
        return total


def always_active(task: Task) -> bool:
    """Return whether a task knows no hours."""
    return any(start % 24 == end % 24 for start, end in task.active_hours)


def task_active(task: Task, hour: float) -> bool:
    """Return whether a task is active at that hour of day."""
    return any(rules.is_active(hour, start, end) for start, end in task.active_hours)


class Layout:
    """Numbers of agents ↔ classes, nodes and sharing groups of one scenario and regime."""

    def __init__(self, scenario: Scenario, regime: Regime) -> None:
        self.regime = regime
        classes = []
        first = 0
        for workload in scenario.workloads:
            cumulated = []
            total = 0.0
            for task in workload.tasks:
                total += task.rate_hz
                cumulated.append(total)
            classes.append(AgentClass(first, workload, tuple(cumulated)))
            first += workload.count
        self.classes = tuple(classes)
        self.agents = first
        self._firsts = [agent_class.first for agent_class in classes]

    def of(self, agent: int) -> AgentClass:
        """Return the class of an agent."""
        return self.classes[bisect_right(self._firsts, agent) - 1]

    def node(self, agent: int) -> int:
        """Return the number of an agent's node, counted within its class."""
        agent_class = self.of(agent)
        return (agent - agent_class.first) // agent_class.workload.agents_per_node

    def group(self, agent: int) -> range:
        """Return the agents that hold the same secret as ``agent``, itself included.

        Secrets are shared by ``regime.shared_by`` consecutive agents of one class; the first one
        stands for the secret.
        """
        agent_class = self.of(agent)
        size = self.regime.shared_by
        first = agent_class.first + (agent - agent_class.first) // size * size
        return range(first, min(first + size, agent_class.first + agent_class.count))

    @property
    def secrets(self) -> int:
        """Number of unique secrets: groups, times slots under ONE_TASK."""
        size = self.regime.shared_by
        return sum(-(-c.count // size) * c.slots(self.regime) for c in self.classes)
