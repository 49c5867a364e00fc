"""The port between the control plane and the fleet: a population of agents and their issuer.

Whatever happens on a human time scale (theft, abuse, detection, response, faults) is written once,
in ``simulator/control``, against this port. ``reference.py`` is its executable specification, a
SimPy process per agent; ``fleet/`` is the compiled one. Both give the same trace, event for event.

Every population is built as ``P(scenario, regime, seed_key, trace=False)`` and stands at t = 0.

Semantics that every population keeps
-------------------------------------
*Agents* are numbered 0 … N−1 in the order of ``scenario.workloads``. Everything random is a keyed
draw of ``scenarios.demand.streams``; nothing is drawn in sequence.

*Switches.* Candidate n = 0, 1, … of an agent follows candidate n−1 (candidate 0 follows t = 0)
after −ln(u(SWITCH_GAP, n))/Λ, Λ the sum of the rates of its class's tasks. u(SWITCH_MARK, n)·Λ
picks the task by cumulated rate; the candidate is a switch if that task is active at that hour of
day and, where the class has a ``diurnal`` profile, u(DIURNAL, n) is below the weight of that hour;
else it is thinned away. (Where every candidate is a switch, no mark is drawn.) The law is
``scenarios.demand.switches``. Switches do not depend on anything else in the model.

*Slots.* An agent holds one credential (scope ALL_TASKS, slot 0) or one for each task of its class
(ONE_TASK, slot = task index). A slot has a serial, an issue instant, an instant when renewal is due
and an expiry; the serial of a slot counts its issues, 0 for what it holds at the start, −1 while it
is empty. A credential is valid while issue ≤ t < expiry. Due = issue + ``rules.renewal_age``.

*Lifetimes.* A class's documents are asked for its own ``ttl_s``, where it has one and the regime's
is finite, else the regime's, times the factor that SET_TTL last ordered at or before the issue
instant (1 before any order and for what is held at the start). What is granted is
``rules.ca_truncation`` of that (``simulator.authority``): expiry and renewal age follow from the
granted life. ``before_expiry_s`` is scaled with the factor, or a short life would be due at its
issue; the poll and the availability target are not. A CA signs where issuance is by the issuer and
the artifact is an SVID; the one active at t = 0 began to sign u(CA_PHASE)·term before, or
``active_for_s`` before where the scenario says so.

*Acceptance.* A credential is accepted while accepted_from ≤ t < expiry. accepted_from is the issue
or before, but for two things that concern what a CA signs (``Grant.accepted_from_s``). Documents of
a federated class are believed from ``rules.trusted_from`` on, the fetches of its bundle falling at
(u(BUNDLE_PHASE) + k)·``bundle_refresh_s``. On a node whose clock is off, u(CLOCK_SKEW) < share,
late = −``offset_s``: an agent renews at age max(0, renewal age + late), and takes a document from
the future for invalid until ``rules.usable_from``; under AT_USE it also asks for one that has
expired by its own clock, at expiry + late. Verifiers' clocks are right.

*Sharing.* Under ``shared_on_node`` the first agent of a node holds one slot for all agents there:
its draws decide and its requests are made; a switch of any of them uses that slot, and whoever
reads, watches or replaces one of them means it. A second in which it is expired counts for each.
Only a MASS_RESTART, which takes the node's agent along, loses it.

*Start.* ``synchronised``: every slot was issued at t = 0, with the ordinary renewal draws of serial
0. ``stationary``: ``scenarios.demand.initial`` draws each slot, ``use_hz`` being
``switches.use_rate_hz`` (of one task under ONE_TASK); only under AT_USE may a slot be empty. Where
the CA shortens lives of a class, ``initial.walked_slot`` takes the place of ``initial_slot``; where
a clock is off, ``initial.by_own_clock`` stretches what that gave.
``cold``: every slot is empty, as if a restart had lost its document at t = 0 (without a row in the
trace): ``restarts.entry_delay`` from then on it is asked for, by timer at once. What is issued by
hand outlasts a cold start: under MANUAL it is ``synchronised``.

*Renewal by timer* (FRACTION, FRACTION_POLLED, BEFORE_EXPIRY, AVAILABILITY_TARGET,
SERVER_DIRECTED): when the current credential is due, a request is made, unless one is in flight in
that slot. *Renewal at use* (AT_USE, PER_REQUEST): at a switch whose slot is empty, expired or due
(t ≥ due), a request is made unless one is in flight; otherwise the switch is private. PER_REQUEST
is AT_USE with a renewal age of 0, so every switch that finds no request in flight makes one; what
is said of AT_USE holds for both. NEVER makes no request by itself. A request is in flight from its
first attempt until it is answered, back-off included. RENEW_ALL at t makes each credential due at
t + u(RENEW_ALL)·window, if that is sooner; one whose request is in flight is left to it. Under
SERVER_DIRECTED the agent learns of it at its next check of the renewal information, so not before
t + u(RENEWAL_CHECK)·``poll_s`` (RFC 9773, §4.2: a chosen instant in the past means at once).

*Issuer.* An attempt that arrives while the issuer is down, or from a node that is cut off from it,
is refused; the agent tries again after ``rules.backoff_delay`` of the number of failures of this
request so far (1 at the first; a failure is a refusal or a time-out). Partition number f of
``scenario.faults`` concerns a node if u(CUT_OFF, f) < its share; nodes are numbered by
``Layout.node_number``. Otherwise it is accepted and joins one FIFO queue of c servers; its service
takes −ln(u(SERVICE))·service_time_s from the instant a server takes it up. At the end of service
the credential is issued: serial + 1, issue instant = that time, expiry = ``rules.expiry``. An
outage refuses arrivals; what was accepted is served. Under issuance MANUAL every attempt is
answered at once, in the same instant, by no issuer: no queue, no outage, no draw.

*Syncs.* With ``renew_at_sync`` a timer's request waits for the first sync of its node that is not
before it: ``rules.next_sync``, phase u(SYNC_PHASE)·``agent_sync_s``; its due instant is that sync.
A request in a cold start, after a restart, by hand or again after a failure does not wait. An
accepted attempt adds ``batch_overhead_s`` to its own signing, unless the accepted attempt before it
was of the same node and instant. A timer's attempt that finds ``batch_limit`` of its node accepted
at its instant is not made; it is ``batch_gap_s`` later, without waiting for a sync.

*Chained syncs* take the place of those at a fixed interval where, with ``renew_at_sync`` and
renewal by timer, ``agent_sync_jitter`` is not 0 or ``sync_backoff`` is given. Sync 0 of a node is
at u(SYNC_PHASE)·``agent_sync_s``; sync n + 1 follows sync n after ``rules.sync_gap`` of
u(SYNC_GAP, n + 1). A request that is due waits for the first sync that is not before it. With
``sync_backoff`` a sync fails if the issuer is down or the node cut off from it at that instant, and
the next one follows after ``rules.backoff_delay`` of the failures in a row and the same draw. An
attempt that fails at t, as the k-th failure of its request, waits for its node's next sync instead
of backing off by itself, and puts that sync, number n, off to t + ``rules.backoff_delay`` of k and
u(SYNC_GAP, n), unless it is later anyway. A sync happens after the time-outs of its instant and
before the requests, and whatever waits for it attempts then.

*Issuer, with all that may be on.* An attempt at t that gets through goes these ways, in order:

1. ``rate_limit``: it waits for its source's turn, ``rules.limiter`` over the attempts that were
   accepted of that source; source = node // nodes_per_address. All agents of a tenant with a quota
   are one source, at the quota's rate instead (``simulator.limits``). If its turn would not come
   before its deadline it is refused at once, else it is accepted.
2. ``queue_limit``: arriving (at t, or at t + its wait, then with the ties of a REQUEST) it is
   refused if the issuer already holds c + c' + queue_limit arrived requests whose work is not done,
   c' the servers of the datastore if there is one.
3. ``datastore``: a FIFO queue of c' servers; −ln(u(DATASTORE))·service_time_s·factor.
4. signing: the FIFO queue of c servers; −ln(u(SERVICE))·service_time_s·factor.

Each factor is that in force when a server takes the request up: SLOW_DATASTORE and SLOW_SIGNING set
it. ``deadline_s``: if an accepted attempt at t is neither answered nor refused by t + deadline, the
agent gives up at that instant: a time-out, after which it backs off as after a refusal and attempts
again. The attempt given up stays where it is and is worked on like any other; when that is done
nothing is issued: its answer is wasted. The draws of an attempt's work differ from those of the one
before it by the time-outs of the request so far.

*Restarts.* Agent restarts follow each other after −ln(u(RESTART, n))/r, r the class's
``restarts_per_agent_day`` and the first of them following t = 0. MASS_RESTART at t restarts the
nodes with u(MASS_RESTART, 2f) < share, f the number of the fault, all agents of a node at
t + u(MASS_RESTART, 2f + 1)·over_s. A restart loses every document that the agent holds: for the
agent it counts as expired from then on, while copies in other hands stay valid. In a slot without
a request in flight one is made, by timer at restart + ``restarts.entry_delay``, at use at the first
use from then on (one before is a failure). A request in flight goes on: the node's agent makes it,
and its answer serves the new process. A slot whose document is lost and not yet replaced has
nothing to lose. REPLACE does not wait for the delay; RENEW_ALL does not concern lost documents.
Where issuance is manual nothing is lost: the secret lies in a file or a vault.

*Ties* resolve by time, then event kind, then agent, then slot. What an event brings about at its
own instant (a refusal, a manual issue, the request of a switch at use) happens within the event.
The end of work in any stage has the place of ISSUED, whatever comes of it; an answer at the very
deadline is in time.

*Failures.* A switch whose slot holds no valid credential at that instant (after the request that it
may have made) is one authentication failure; but under AT_USE it is a wait while an accepted
request is being answered, and a failure only while the request backs off. One whose slot holds a
valid credential that is not accepted yet is a failure in any case. Under PER_REQUEST no document
that is held is valid for another task, so every switch is a wait or a failure.

*Keyed draws.* The entity is the agent, of CUT_OFF and MASS_RESTART the node;
q = 16·serial + slot, where the serial is the one that the draw is for (a class has at most 16
tasks):

=============  ==================================================================================
stream         occurrence k
=============  ==================================================================================
SWITCH_GAP     number of the candidate
SWITCH_MARK    number of the candidate
DIURNAL        number of the candidate
RENEWAL        q of the credential whose renewal age it decides (``u_draw``)
POLL_PHASE     q of the same credential (``u_phase``); drawn under the polled rules only
SERVICE        q of the credential that is asked for + 2⁴⁰·(time-outs of this request so far)
DATASTORE      the same
BACKOFF        q of the credential that is asked for + 2⁴⁰·(failures of this request so far)
CUT_OFF        number of the fault (entity: node)
SYNC_PHASE     0 (entity: node)
SYNC_GAP       number of the sync that ends it (entity: node)
RENEW_ALL      q of the credential that is to be renewed
RESTART        n of the restart; 2⁴⁰ + 2q and 2⁴⁰ + 2q + 1, q of the credential that is asked for
MASS_RESTART   2·(number of the fault), and one more (entity: node)
RENEWAL_CHECK  q of the same credential; drawn under SERVER_DIRECTED only
INITIAL_AGE    slot
INITIAL_LIFE   slot + 16·(number of the draw within ``initial_slot``)
INITIAL_TASK   slot (AT_USE: whether t = 0 falls before or after the due instant)
INITIAL_WALK   slot + 16·(number of the draw within ``walked_slot``)
CA_PHASE       0; the entity is the number of the trust domain, 0 for our own
BUNDLE_PHASE   0; likewise
CLOCK_SKEW     0; the entity is the number of the node
=============  ==================================================================================

A draw that a rule does not need is not missed: no draw moves another. Float arithmetic is part of
the semantics: a time is always (earlier time) + (delay), with both written as above.

*Trace.* With ``trace=True`` every event leaves one row of ``TRACE_DTYPE``; ``trace()`` returns them
ordered by (t_s, kind, agent, slot, serial). A request leaves one REQUEST row for each attempt, a
REFUSED row when that is refused, a TIMED_OUT row when the agent gives up on it and a WASTED row
when the work for it is done after that. A restart leaves a row for each document that it loses.
Thinned candidates leave none.
"""

from enum import IntEnum
from math import inf
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from simulator.layout import EVERYBODY


class EventKind(IntEnum):
    """Kinds of population events, in the order in which simultaneous ones happen."""

    ISSUED = 0
    WASTED = 1
    """work is done that nobody waits for any more; happens with the ties of ISSUED"""
    TIMED_OUT = 2
    REFUSED = 3
    REQUEST = 4
    SWITCH = 5
    RESTART = 6


class CommandKind(IntEnum):
    """What the control plane may do to a population."""

    ISSUER_DOWN = 0
    ISSUER_UP = 1
    REPLACE = 2
    """end the validity of every credential that ``agent`` holds (expiry becomes at most now) and
    replace it: within the command, in slot order, a request is made in each non-empty slot unless
    one is in flight; where issuance is manual the next serial is there at once"""
    WATCH = 3
    """log from now on what is issued to ``agent``; no effect on one already watched"""
    UNWATCH = 4
    """stop logging and drop the log"""
    SET_TTL = 5
    """whatever is issued from now on, to agents of ``tenant``, lives ``value`` times ``ttl_s``;
    ``value`` > 0"""
    RENEW_ALL = 6
    """whatever agents of ``tenant`` hold becomes due within ``value`` seconds, uniformly; ``value``
    > 0; no effect where issuance is manual"""
    CUT_OFF = 7
    """a share ``value`` of the nodes cannot reach the issuer; ``fault`` says which"""
    RECONNECT = 8
    """end that of ``fault``"""
    SLOW_DATASTORE = 9
    """what the datastore takes up from now on takes ``value`` times as long"""
    SLOW_SIGNING = 10
    """the same of signatures"""
    MASS_RESTART = 11
    """a share ``value`` of the nodes restart within ``over_s``; ``fault`` says which"""


class Command(NamedTuple):
    """One order of the control plane, executed at the population's current time."""

    kind: CommandKind
    agent: int = -1
    value: float = 0.0
    fault: int = -1
    """number of a fault within ``scenario.faults``"""
    over_s: float = 0.0
    tenant: int = EVERYBODY
    """number of a tenant within ``scenario.tenants``"""


class Loss(NamedTuple):
    """A document that an agent lost when it restarted."""

    slot: int
    serial: int
    t_s: float


class CredentialView(NamedTuple):
    """One credential as a thief or a verifier sees it."""

    agent: int
    slot: int
    """task index within the class under ONE_TASK, else 0"""
    serial: int
    issued_s: float
    expires_s: float
    """+inf for a credential without end"""
    accepted_from_s: float = -inf
    """when verifiers begin to accept it; its issue or before where nothing refuses it"""


class Counters(NamedTuple):
    """Totals since t = 0 of all events before the current time, private switches included.

    Integer totals are equal in all populations; sums of seconds agree to rounding.
    """

    events_executed: int
    """events that passed through the engine one by one"""
    switches: int
    requests: int
    """attempts, repeated ones included: accepted + refused"""
    refusals: int
    issued: int
    auth_failures: int
    """task starts without a valid credential"""
    waits: int
    """task starts that had to wait for the issuer (renewal at use)"""
    expired_agent_s: float
    """seconds from a credential's expiry or loss to its successor or to now, summed over agents and
    slots, and those of slots that have been empty since a cold start; 0 under AT_USE, where an
    expired document that nobody needs is no harm"""
    queue_waits: int
    """times that a request found every server of a stage busy"""
    queue_wait_s: float
    """from joining a queue to start of service, summed over what was taken up so far"""
    timeouts: int = 0
    """accepted attempts that the agent gave up on"""
    wasted: int = 0
    """those of them whose work is done"""
    limited: int = 0
    """accepted attempts that waited for the turn of their source"""
    limited_wait_s: float = 0.0
    """their waits, counted when they are accepted"""
    lost: int = 0
    """documents that restarts lost"""
    first_credentials: int = 0
    """documents issued in the place of lost ones, or to slots that a cold start left empty"""
    first_credential_wait_s: float = 0.0
    """from the loss to that issue, summed; under AT_USE without the time for which nobody needed
    one: from when it might be asked for to the use that did"""


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
        """Return what ``agent`` holds now, expired documents included.

        Empty slots are left out, and those whose document a restart lost.
        """
        ...

    def command(self, command: Command) -> None:
        """Execute an order at the current time, before population events of the same instant."""
        ...

    def issued(self, agent: int) -> tuple[CredentialView, ...]:
        """Return what was issued to a watched agent since it was last asked, in order."""
        ...

    def lost(self, agent: int) -> tuple[Loss, ...]:
        """Return what a watched agent lost in restarts since this was last asked, in order."""
        ...

    def first_waits(self) -> NDArray[np.int64]:
        """Return the first credentials by how long they were waited for, in bins of 0.1 s.

        ``restarts.FIRST_WAIT_BINS`` numbers; the last takes what is longer.
        """
        ...

    def current_task(self, agent: int) -> int:
        """Return the index of the task that ``agent`` switched to last, -1 before its first."""
        ...

    def counters(self) -> Counters:
        """Return the totals up to now."""
        ...

    def issuances_per_second(self) -> NDArray[np.int32]:
        """Return the credentials issued in each whole second since t = 0, ceil(now_s) numbers.

        Read it before time goes on: it may be the population's own array.
        """
        ...

    def refusals_per_second(self) -> NDArray[np.int32]:
        """Return the attempts refused in each whole second, as ``issuances_per_second`` does."""
        ...

    def expired_now(self) -> int:
        """Return how many slots hold no valid credential at this instant; 0 under AT_USE."""
        ...

    def backlog(self) -> int:
        """Return how many accepted requests are unfinished, those given up on included."""
        ...

    def in_flight(self) -> int:
        """Return how many slots have a request under way, back-off included."""
        ...

    def trace(self) -> NDArray[np.void]:
        """Return the trace up to now; raises ValueError when none was asked for."""
        ...


TRACE_DTYPE = np.dtype(
    [("t_s", "f8"), ("kind", "i1"), ("agent", "i8"), ("slot", "i4"), ("serial", "i8")]
)
"""A trace row. ``serial`` is the slot's serial after the event; for SWITCH ``slot`` is the task and
``serial`` that of the slot it uses; for WASTED it is the slot's when the attempt was made."""
