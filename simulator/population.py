"""The port between the control plane and the fleet: a population of agents and their issuer.

Whatever happens on a human time scale (theft, abuse, detection, response, faults) is written once,
in ``simulator/control``, against this port. ``reference.py`` is its executable specification, a
SimPy process per agent; ``fleet/`` is the compiled one. Both give the same trace, event for event.

Semantics that every population keeps
-------------------------------------
*Agents* are numbered 0 … N−1 in the order of ``scenario.workloads``. Everything random is a keyed
draw of ``scenarios.demand.streams``; nothing is drawn in sequence.

*Switches.* Candidate n of an agent follows candidate n−1 after −ln(u(SWITCH_GAP, n))/Λ, Λ the sum
of the rates of its class's tasks. u(SWITCH_MARK, n)·Λ picks the task by cumulated rate; the
candidate is a switch if that task is active at that hour of day, else it is thinned away. (A class
of one always-active task draws no mark.) Switches do not depend on anything else in the model.

*Slots.* An agent holds one credential (scope ALL_TASKS) or one for each task of its class
(ONE_TASK, slot = task index). A slot has a serial, an issue instant and an expiry; the serial of
a slot counts its issues, 0 at the start. Under ONE_TASK slots are empty at t = 0 (serial −1)
unless drawn otherwise by the start rule.

*Renewal by timer* (FRACTION, FRACTION_POLLED, BEFORE_EXPIRY): at ``rules.renewal_due`` of the
current credential a request is made. *Renewal at use* (AT_USE): at a switch, if the slot is empty,
revoked, expired or past ``rules.renewal_due``, a request is made; otherwise the switch is private.
There is at most one request in flight per slot. NEVER makes no request.

*Issuer.* A request that arrives while the issuer is down is refused; the agent tries again after
``rules.backoff_delay`` of the number of refusals of this request so far. Otherwise it joins one
FIFO queue of c servers; its service time is exponential, keyed by (agent, SERVICE, number of the
agent's accepted requests so far). At the end of service the credential is issued: issue instant =
that time, expiry = ``rules.expiry``. An outage refuses arrivals; what was accepted is served.

*Ties* resolve by time, then event kind, then agent.

*Failures.* A switch whose slot holds no valid credential at that instant is one authentication
failure, except under AT_USE where it is a wait while the issuer answers and a failure only if
the slot's request stands refused (it was refused at this switch or is backing off).
"""

from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class EventKind(IntEnum):
    """Kinds of population events, in the order in which simultaneous ones happen."""

    ISSUED = 0
    REFUSED = 1
    REQUEST = 2
    SWITCH = 3


class CommandKind(IntEnum):
    """What the control plane may do to a population."""

    ISSUER_DOWN = 0
    ISSUER_UP = 1
    REPLACE = 2
    """end the validity of every credential that ``agent`` holds and replace it: through the issuer
    where the regime has one (a request at once in each non-empty slot unless one is in flight),
    directly with the next serial where it is manual"""
    WATCH = 3
    """log from now on what is issued to ``agent``"""
    UNWATCH = 4


class Command(NamedTuple):
    """One order of the control plane, executed at the population's current time."""

    kind: CommandKind
    agent: int = -1


class CredentialView(NamedTuple):
    """One credential as a thief or a verifier sees it."""

    agent: int
    slot: int
    """task index within the class under ONE_TASK, else 0"""
    serial: int
    issued_s: float
    expires_s: float
    """+inf for a credential without end"""


class Counters(NamedTuple):
    """Totals since t = 0; private switches up to the current time are included."""

    events_executed: int
    """events that passed through the engine one by one"""
    switches: int
    requests: int
    refusals: int
    issued: int
    auth_failures: int
    """task starts without a valid credential"""
    waits: int
    """task starts that had to wait for the issuer (renewal at use)"""
    expired_agent_s: float
    """seconds between a credential's expiry and its successor, summed over agents (timer rules)"""
    queue_waits: int
    """accepted requests that found every server busy"""
    queue_wait_s: float
    """their total waiting time, over all accepted requests"""


class Population(Protocol):
    """Agents and their issuer, moved forward by the control plane."""

    now_s: float

    def advance(self, to_s: float) -> None:
        """Execute every event strictly before ``to_s`` and set the clock there.

        Raises ValueError when ``to_s`` lies in the past. Any sequence of stops gives the same
        trace.
        """
        ...

    def read(self, agent: int) -> tuple[CredentialView, ...]:
        """Return what ``agent`` holds now, expired documents included, empty slots left out."""
        ...

    def command(self, command: Command) -> None:
        """Execute an order at the current time, before population events of the same instant."""
        ...

    def issued(self, agent: int) -> tuple[CredentialView, ...]:
        """Return what was issued to a watched agent since it was last asked, in order."""
        ...

    def current_task(self, agent: int) -> int:
        """Return the index of the task that ``agent`` switched to last, -1 before its first."""
        ...

    def counters(self) -> Counters:
        """Return the totals up to now."""
        ...

    def issuances_per_second(self) -> NDArray[np.int64]:
        """Return the number of credentials issued in each whole second since t = 0."""
        ...

    def expired_now(self) -> int:
        """Return how many agents' timer-renewed credentials are expired at this instant."""
        ...


TRACE_DTYPE = np.dtype(
    [("t_s", "f8"), ("kind", "i1"), ("agent", "i8"), ("slot", "i4"), ("serial", "i8")]
)
"""A trace row. ``serial`` is the slot's serial after the event; for SWITCH ``slot`` is the task."""
