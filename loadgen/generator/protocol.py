"""What the parent and the generator say to each other: files in a run folder, lines on a pipe.

The parent writes ``plan.json`` (``GeneratorPlan``) and ``demand.npz`` into a folder RUNDIR, starts
``python -m loadgen.generator RUNDIR`` with stdin and stdout as pipes, and follows the lines::

    generator → stdout   {"ready": …}       prepared and connected; waits for the start
    parent    → stdin    {"start": …}       run clock zero; may lie ahead (it should, by 0.2 s)
    generator → stdout   {"progress": …}    once a second, the last one after the drain
    parent    → stdin    {"steal": …}       at any time
    generator → stdout   {"stolen": …}      its answer, within a few milliseconds
    parent    → stdin    {"replace": …}     ask for a credential in the place of a revoked one
    generator → stdout   {"replaced": …}    its answer
    parent    → stdin    {"stop": true}     end early: stop sending, drain, write what there is
    generator → stdout   {"done": …}        the results are on disk (``GeneratorResult``)
    generator → stdout   {"error": …}       one line in plain words, before exit code 1 or 2

Each line is one JSON object with one key, ``Line`` outwards and ``Command`` inwards. Everything
for people (Locust's log, its console table) goes to stderr. When stdin closes without ``stop`` the
parent is gone: the generator ends within a second and writes nothing more.

``demand.npz`` holds four arrays of one length, sorted by ``t_s``:

==========  =======  ================================================================
``t_s``     float64  intended start, seconds on the run clock, ascending, at least 0
``agent``   int64    agent of the window, handed to ``Wire.request``
``task``    int32    task of the agent, handed to ``Wire.request``
``op``      uint8    index into ``GeneratorPlan.ops``
==========  =======  ================================================================

Results, each written under a temporary name and renamed:

- ``operations-<worker>.msgpack``: list of ``scenarios.record.tables.OperationRow``, one per
  op × code × batch, latency in microseconds **from the intended start** as HdrHistogram V2
  (compressed, not base64; 1 µs to 1 h, 3 significant digits). ``code`` is what ``Wire.response``
  returned, or one of ``TRANSPORT_CODES``. An arrival that was never sent has code ``unsent`` and
  an empty histogram. Rows with an op of ``OWN_OPS`` are not arrivals: see there.
- ``warmup-<worker>.msgpack``: the same for arrivals intended before ``warmup_s``; batch is −1.
- ``result.json``: ``GeneratorResult``, the content of the ``done`` line.

Sum of ``count`` over all rows of arrivals, warm-up included = number of arrivals in
``demand.npz``, also after errors and an early stop: no arrival disappears.

Exit codes: 0 done (look at ``GeneratorResult.valid``), 1 a fault at run time (partial results are
on disk with ``complete`` false, if there were any), 2 plan or demand unreadable, 130 interrupted
(partial results as for 1).

Nothing here imports Locust or gevent.
"""

from typing import Any, Literal

import msgspec

from loadgen.lines import Fault, Result, Start
from loadgen.targets.port import Endpoint, Op, Stolen

PLAN_FILE = "plan.json"
DEMAND_FILE = "demand.npz"
RESULT_FILE = "result.json"

TRANSPORT_CODES = ("timeout", "refused", "connect-timeout", "closed", "half", "protocol", "tls")
"""Codes that the generator gives itself, where no whole answer came: no answer within
``timeout_s`` of sending; connection refused or reset while connecting; not connected within
``connect_timeout_s``; closed before the first byte of the answer (after one retry where the server
closed an idle connection); closed inside an answer; not HTTP; TLS failure. An arrival takes the
code of a failed connection attempt only when no connection at all is left to carry it."""

UNSENT = "unsent"
"""Code of an arrival still waiting for a connection when the run was stopped or the drain ended."""

LAG_OP = "lag"
POOL_OP = "pool-wait"
HANDSHAKE_OP = "tls-handshake"
RESUME_OP = "tls-resume"
OWN_OPS = (LAG_OP, POOL_OP, HANDSHAKE_OP, RESUME_OP)
"""Ops of rows that count no arrivals. ``lag``: when the generator got round to an arrival − its
intended start (its own lateness, one value per arrival). ``pool-wait``: intended start → sent, of
those that found no free connection and had to wait for one (part of their latency already).
``tls-handshake`` and ``tls-resume``: TCP connected → handshake finished, full and resumed apart."""


class WirePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which adapter turns arrivals into bytes.

    ``module`` is imported in the generator and must offer ``wire(config) -> Wire``;
    ``config`` is what ``Target.wire_plan()`` returned.
    """

    module: str
    config: dict[str, Any] = {}


class GeneratorPlan(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything that the generator must know beside the demand itself."""

    endpoint: Endpoint
    wire: WirePlan
    ops: list[Op]
    """what the indices of the demand's ``op`` mean"""
    seconds: float
    """length of the run; batches divide what is left of it after the warm-up"""
    warmup_s: float = 0.0
    """arrivals intended earlier are reported apart; see ``default_warmup_s`` for the usual rule"""
    batches: int = 10
    workers: int = 1
    """processes; one User of Locust in each"""
    share: Literal["agent", "arrival"] = "agent"
    """``agent``: all arrivals of an agent go to one worker, which then holds its credentials;
    ``arrival``: worker i of n takes arrivals i, i + n, … (for wires without state)"""
    lag_bound_s: float = 0.010
    """p99 of ``lag`` above which the run is invalid: *generator saturated*"""
    connections: int = 16
    """opened before the start, per worker"""
    max_connections: int = 256
    """a worker opens more while arrivals wait, up to this"""
    requests_per_connection: int = 0
    """close and reconnect after so many; 0: keep alive. 1 measures a handshake per request"""
    tls_resume: bool = True
    """offer the last session ticket when reconnecting"""
    timeout_s: float = 10.0
    connect_timeout_s: float = 5.0
    drain_s: float = 10.0
    """how long after the last intended start answers are awaited"""
    thresholds_s: dict[Op, float] = {}
    """latency per op above which ``ok`` arrivals are counted in ``over_threshold``"""
    await_start: bool = True
    """print ``ready`` and wait for ``start``; False: start by itself as soon as all are ready"""
    point: str = "0"
    regime: str = ""
    replication: int = 0
    """labels copied into the rows"""


def default_warmup_s(seconds: float) -> float:
    """Return the usual warm-up: the first tenth of the run, at most 5 s."""
    return min(5.0, 0.1 * seconds)


class Steal(msgspec.Struct, frozen=True):
    """Ask for a copy of what an agent holds for a task; ``id`` comes back with the answer."""

    agent: int
    task: int
    id: str


class Replace(msgspec.Struct, frozen=True):
    """Ask for a fresh credential for an agent's task at once; it is no arrival."""

    agent: int
    task: int
    op: Op
    id: str


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line on the generator's stdin."""

    start: Start | None = None
    steal: Steal | None = None
    replace: Replace | None = None
    stop: bool = False


class Ready(msgspec.Struct, frozen=True):
    """All workers are prepared and connected; ``arrivals`` is how many will be sent."""

    workers: int
    arrivals: int
    connections: int


class Progress(msgspec.Struct, frozen=True):
    """The run so far, warm-up included, all workers together; None where nothing is known yet."""

    t_s: float
    """run clock"""
    intended: int
    """arrivals whose intended start has passed"""
    sent: int
    ok: int
    errors: dict[str, int]
    in_flight: int
    backlog: int
    """due, but waiting for a connection"""
    connections: int
    lag_p99_s: float | None
    p50_s: float | None
    p99_s: float | None
    """of ``ok`` arrivals, from the intended start, all ops together"""


class StolenReply(msgspec.Struct, frozen=True):
    """Answer to ``steal``: None when the agent holds nothing; ``t_s`` is when it was copied."""

    id: str
    t_s: float
    stolen: Stolen | None


class Replaced(msgspec.Struct, frozen=True):
    """Answer to ``replace``; ``code`` is ``ok`` when the owner holds a new one since ``t_s``."""

    id: str
    t_s: float
    code: str


class GeneratorResult(Result, kw_only=True, frozen=True):
    """What the run was, beside the histograms."""

    complete: bool
    """False when not all arrivals of the demand were sent"""
    zero_monotonic_s: float
    arrivals: int
    sent: int
    ok: int
    over_threshold: dict[str, int]
    waited_for_connection: int
    """arrivals that found no free connection: with ``max_connections`` reached, raise it"""
    connections_opened: int
    connections_peak: int
    retried: int
    """requests sent again because the server had closed an idle connection"""
    workers: int
    cpu_s: float
    """user + system of all workers from start to drain, so cost per request can be told"""
    warmup_s: float
    versions: dict[str, str]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line on the generator's stdout: exactly one field is set."""

    ready: Ready | None = None
    progress: Progress | None = None
    stolen: StolenReply | None = None
    replaced: Replaced | None = None
    done: GeneratorResult | None = None
    error: Fault | None = None


def decode_line(line: bytes) -> Line:
    """Read one line of the generator.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(line, type=Line)


def decode_command(line: bytes) -> Command:
    """Read one line of the parent.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(line, type=Command)
