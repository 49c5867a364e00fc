"""Who is agent number n: classes in the order of ``scenario.workloads``, nodes, groups, slots."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from scenarios.demand.switches import SwitchLaw, switch_law, use_rate_hz
from scenarios.spec.regime import Issuance, Regime, Scope
from scenarios.spec.schema import Scenario, Workload


@dataclass(frozen=True, slots=True)
class AgentClass:
    """One workload class and the agents that it numbers."""

    first: int
    first_node: int
    workload: Workload
    law: SwitchLaw
    slots: int
    """credentials that one agent holds: one, or one for each task"""
    shared_by: int
    """agents that hold the same secret"""

    @property
    def count(self) -> int:
        """Number of agents."""
        return self.workload.count

    def use_hz(self, slot: int) -> float:
        """Return the rate at which a slot is used at the starting hour."""
        return use_rate_hz(self.law, slot if self.slots > 1 else None)


def initial_ages(scenario: Scenario, regime: Regime) -> str:
    """Return ``start.ages`` as a regime means it: what is made by hand outlasts a cold start."""
    ages = scenario.start.ages
    by_hand = regime.issuance is Issuance.MANUAL
    return "synchronised" if ages == "cold" and by_hand else ages


EVERYBODY = -1
"""in place of the number of a tenant"""


def tenant_numbers(scenario: Scenario) -> tuple[int, ...]:
    """Return the number of each class's tenant in ``scenario.tenants``; EVERYBODY without any."""
    of = {name: n for n, tenant in enumerate(scenario.tenants) for name in tenant.workloads}
    return tuple(of.get(workload.name, EVERYBODY) for workload in scenario.workloads)


class Layout:
    """Numbers of agents ↔ classes, nodes and sharing groups of one scenario and regime."""

    def __init__(self, scenario: Scenario, regime: Regime) -> None:
        self._on_node = regime.shared_on_node
        classes = []
        first = first_node = 0
        for workload in scenario.workloads:
            law = switch_law(workload, scenario.start.hour_of_day)
            slots = len(workload.tasks) if regime.scope is Scope.ONE_TASK else 1
            shared_by = workload.agents_per_node if regime.shared_on_node else regime.shared_by
            classes.append(AgentClass(first, first_node, workload, law, slots, shared_by))
            first += workload.count
            first_node += -(-workload.count // workload.agents_per_node)
        self.classes = tuple(classes)
        self.agents = first
        self.nodes = first_node
        """a node holds agents of one class"""
        self._firsts = [agent_class.first for agent_class in classes]

    def index(self, agent: int) -> int:
        """Return the number of an agent's class, in the order of ``scenario.workloads``."""
        return bisect_right(self._firsts, agent) - 1

    def of(self, agent: int) -> AgentClass:
        """Return the class of an agent."""
        return self.classes[self.index(agent)]

    def number(self, agent: int) -> int:
        """Return the number of an agent within its class."""
        return agent - self.of(agent).first

    def node(self, agent: int) -> int:
        """Return the number of an agent's node within its class."""
        return self.number(agent) // self.of(agent).workload.agents_per_node

    def node_number(self, agent: int) -> int:
        """Return the number of an agent's node among all ``nodes``."""
        return self.of(agent).first_node + self.node(agent)

    def on_node(self, node: int) -> range:
        """Return the agents of one of all ``nodes``, in the order of the classes."""
        for c in self.classes:
            size = c.workload.agents_per_node
            if node < (own := -(-c.count // size)):
                first = c.first + node * size
                return range(first, min(first + size, c.first + c.count))
            node -= own
        raise IndexError(f"there are {self.nodes} nodes")

    def group(self, agent: int) -> range:
        """Return the agents that hold the same secret as ``agent``, itself included.

        Secrets are shared by ``regime.shared_by`` consecutive agents of one class, or by those of a
        node; the first one of a group stands for its secret.
        """
        agent_class = self.of(agent)
        first = agent - self.number(agent) % agent_class.shared_by
        end = min(first + agent_class.shared_by, agent_class.first + agent_class.count)
        return range(first, end)

    def holder(self, agent: int) -> int:
        """Return the agent whose slots an agent uses: its own, or those of its node's first."""
        return self.group(agent).start if self._on_node else agent

    def users(self, holder: int) -> range:
        """Return the agents that use what ``holder`` holds."""
        return self.group(holder) if self._on_node else range(holder, holder + 1)

    def owners(self) -> Iterator[int]:
        """Yield the agents that stand for a secret, in order."""
        for c in self.classes:
            yield from range(c.first, c.first + c.count, c.shared_by)

    @property
    def secrets(self) -> int:
        """Number of groups: what an agent holds for its tasks lies in one place, counted once."""
        return sum(-(-c.count // c.shared_by) for c in self.classes)
