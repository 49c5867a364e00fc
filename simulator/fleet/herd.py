"""Who restarts when: files it on the wheel, at the start of a run or at the start of a fault."""

from math import inf

import numpy as np
from numba import types

from scenarios.demand.streams import Stream, entity_key
from simulator.fleet.laws import node_delay, restart_gap
from simulator.fleet.layout import AGENT_CLASS, FLEET, RESTART, RESTART_OF_NODE
from simulator.fleet.memory import entry, table
from simulator.fleet.wheel import WHEEL, file

OF_AGENT, OF_NODE = np.uint64(Stream.RESTART), np.uint64(Stream.MASS_RESTART)


@entry(types.void(types.uint64))
def begin_restarts(place: np.uint64) -> None:
    """File the first restart of every agent that restarts by itself."""
    fleet = table(place, 1, FLEET)[0]
    wheel = table(fleet.wheel, 1, WHEEL)[0]
    classes = table(fleet.classes, fleet.class_count, AGENT_CLASS)
    for c in range(fleet.class_count):
        agent_class = classes[c]
        if agent_class.restart_hz <= 0.0:
            continue
        for n in range(agent_class.agents):
            key = entity_key(fleet.seed_key, np.uint64(agent_class.first_agent + n), OF_AGENT)
            first = agent_class.first_record + n * agent_class.slots
            file(wheel, restart_gap(key, 0, agent_class.restart_hz), first, RESTART)


@entry(types.void(types.uint64, types.float64, types.int64, types.float64, types.float64))
def restart_nodes(place: np.uint64, now_s: float, fault: int, share: float, over_s: float) -> None:
    """File the restarts of a share of the nodes, each at its instant of a window."""
    fleet = table(place, 1, FLEET)[0]
    wheel = table(fleet.wheel, 1, WHEEL)[0]
    classes = table(fleet.classes, fleet.class_count, AGENT_CLASS)
    for c in range(fleet.class_count):
        agent_class = classes[c]
        for n in range(agent_class.agents):
            node = agent_class.first_node + n // agent_class.agents_per_node
            key = entity_key(fleet.seed_key, np.uint64(node), OF_NODE)
            delay_s = node_delay(key, fault, share, over_s)
            if delay_s < inf:
                first = agent_class.first_record + n * agent_class.slots
                file(wheel, now_s + delay_s, first, RESTART_OF_NODE)
