"""When agents restart, and how long a new one waits until it may ask: keyed laws of scalars.

The reference calls them as they stand and the fleet compiles the same objects. A single agent
restarts as a Poisson process; a fault restarts whole nodes, each at its own instant of a window.
"""

from collections.abc import Iterator

import numpy as np

from scenarios.demand.initial import SLOTS
from scenarios.demand.streams import Stream, entity_key, keyed_uniform
from scenarios.demand.switches import gap
from scenarios.spec.fault_kinds import MassRestart
from scenarios.spec.schema import Scenario

_DELAYS = np.uint64(1 << 40)
"""occurrences of RESTART from here on are those of delays, below of gaps"""
FIRST_WAIT_BIN_S = 0.1
FIRST_WAIT_BINS = 36_000
"""bins of the time to the first credential; the last takes what is longer"""


def restarts(scenario: Scenario) -> bool:
    """Return whether anything in a scenario restarts, or starts with nothing."""
    return (
        scenario.start.ages == "cold"
        or any(workload.restarts_per_agent_day > 0.0 for workload in scenario.workloads)
        or any(isinstance(fault, MassRestart) for fault in scenario.faults)
    )


def restart_gap(key: np.uint64, n: int, rate_hz: float) -> float:
    """Return the time from restart n − 1, or t = 0, to restart n; ``key`` of the RESTART stream."""
    return gap(keyed_uniform(key, np.uint64(n)), rate_hz)


def entry_delay(
    key: np.uint64, serial: int, slot: int, entry_reload_s: float, agent_sync_s: float
) -> float:
    """Return how long a new agent waits until its node's agent may ask for its credential.

    U·reload + U·sync: the registration entry reaches the issuer's cache at its next reload and the
    agent of the node at its next sync, each at a uniform phase.

    Args:
        key: of the agent's RESTART.
        serial: of the credential that will be asked for.
        slot: where it will be held.
        entry_reload_s: time between reloads of the issuer's entry cache.
        agent_sync_s: time between the syncs of an agent.
    """
    k = _DELAYS + np.uint64(2 * (SLOTS * serial + slot))
    reload_s = keyed_uniform(key, k) * entry_reload_s
    return reload_s + keyed_uniform(key, k + np.uint64(1)) * agent_sync_s


def node_delay(key: np.uint64, fault: int, share: float, over_s: float) -> float:
    """Return when after the start of a mass restart a node restarts; inf when it does not.

    Args:
        key: of the node's MASS_RESTART.
        fault: its number; the same nodes at the same delays whenever it repeats.
        share: probability of each node to restart.
        over_s: length of the window.
    """
    if keyed_uniform(key, np.uint64(2 * fault)) >= share:
        return np.inf
    return keyed_uniform(key, np.uint64(2 * fault + 1)) * over_s


def restart_times(seed_key: np.uint64, agent: int, rate_hz: float) -> Iterator[float]:
    """Yield the instants at which an agent restarts by itself, without end if it ever does."""
    key = entity_key(seed_key, np.uint64(agent), np.uint64(Stream.RESTART))
    t_s, n = 0.0, 0
    while rate_hz > 0.0:
        t_s += restart_gap(np.uint64(key), n, rate_hz)
        yield t_s
        n += 1


def first_wait_bin(wait_s: float) -> int:
    """Return the bin of a time to the first credential."""
    return min(int(wait_s / FIRST_WAIT_BIN_S), FIRST_WAIT_BINS - 1)
