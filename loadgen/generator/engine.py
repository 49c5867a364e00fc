"""The open loop: sends every arrival at its intended start and waits for nothing.

All of it runs as callbacks of gevent's hub: a timer that fires when the next arrival is due, one
watcher per connection, and a merge of the results now and then. There is no greenlet per
request; that is what makes it several times cheaper than a closed-loop client.

An arrival that finds no free connection waits in a queue, first come first served, while more
connections are opened up to the plan's bound. Its latency counts from its intended start all the
same, so a server that stops answering is seen by everyone who would have asked meanwhile
(G. Tene, "How NOT to Measure Latency": coordinated omission).
"""

import gc
import socket as sockets
from collections import deque
from collections.abc import Callable
from time import monotonic

import numpy as np

from loadgen.generator.connection import Address, Connection, State
from loadgen.generator.loop import Loop
from loadgen.generator.protocol import GeneratorPlan
from loadgen.generator.recorder import Recorder, Sink
from loadgen.generator.schedule import Schedule
from loadgen.generator.timer import precise_timer
from loadgen.generator.tls import TlsConnection, TlsContext
from loadgen.targets.port import Op, Wire

HOUSEKEEPING_S = 0.05
MERGE_AT = 2048
"""results after which a merge does not wait any longer; it holds up what is due meanwhile"""
MERGE_IN_GAP_AT = 256
GAP_S = 0.001
"""nothing in flight and nothing due for so long: time for a merge that nobody will notice"""
BURST = 128
"""arrivals sent before answers are read again"""
TICK_S = 0.0002
"""the timer is never set sooner: arrivals closer together leave in one wake-up"""
CHUNK = 4096
CONNECTING_AT_ONCE = 32
REFUSED_PAUSE_S = 0.02

CONNECTING, IDLE, BUSY = State.CONNECTING, State.IDLE, State.BUSY

Arrival = tuple[int, float, Op, int, int, bool]
"""number, intended start, op, agent, task, sent before"""


class Engine:
    """One worker's open loop.

    Args:
        loop: gevent's loop.
        plan: what to do.
        schedule: this worker's arrivals.
        wire: turns arrivals into bytes; ``prepare`` has been called.
        sink: receives merged results besides the histograms.
        on_end: called once, in the hub, when the last answer is in or the drain has ended.
    """

    def __init__(
        self,
        loop: Loop,
        plan: GeneratorPlan,
        schedule: Schedule,
        wire: Wire,
        sink: Sink | None,
        on_end: Callable[[], None],
    ) -> None:
        self.plan = plan
        self.schedule = schedule
        self.recorder = Recorder(plan, schedule, sink)
        self.zero_s = 0.0
        self.fault: BaseException | None = None
        self.ended = False
        self.stopped = False
        self.opened = 0
        self.peak = 0
        self.retried = 0
        self.connections: set[Connection] = set()
        self.queue: deque[Arrival] = deque()
        self._on_end = on_end
        self._loop = loop
        self._wire = wire
        self._idle: deque[Connection] = deque()
        self._connecting = 0
        self._pause_until_s = 0.0
        self.refusal = ""
        self._address, self._family = _resolve(plan)
        self._tls = TlsContext(plan.endpoint, resume=plan.tls_resume) if plan.endpoint.tls else None
        self._warming = 0
        self._on_warm: Callable[[], None] | None = None
        self._next = 0
        self._due_s = 0.0
        self._chunk_at = 0
        self._chunk: tuple[list[float], list[Op], list[int], list[int]] = ([], [], [], [])
        self._timer = precise_timer(loop, self._guarded_tick)
        self._housekeeper = loop.timer(HOUSEKEEPING_S, HOUSEKEEPING_S)
        self._drain_until_s = float(schedule.t_s[-1]) + plan.drain_s if len(schedule) else 0.0

    # -- life

    def warm_up(self, on_warm: Callable[[], None]) -> None:
        """Open the first connections; ``on_warm`` is called when each has connected or failed."""
        self.zero_s = monotonic()
        # one request per connection asks for the handshake inside the latency
        wanted = 0 if self.plan.requests_per_connection == 1 else self.plan.connections
        wanted = min(wanted, self.plan.max_connections)
        self._housekeeper.start(self._guarded_housekeep)
        if wanted == 0:
            on_warm()
            return
        self._warming, self._on_warm = wanted, on_warm
        for _ in range(wanted):
            self._open()

    def start(self, zero_monotonic_s: float) -> None:
        """Begin; arrivals are due at ``zero_monotonic_s`` plus their intended start."""
        self.zero_s = zero_monotonic_s
        self._on_warm = None
        self.recorder.rehearse()
        # what exists now lives to the end: keep the collector from walking over it mid-run
        gc.collect()
        gc.freeze()
        if len(self.schedule):
            self._timer.at(zero_monotonic_s + float(self.schedule.t_s[0]))

    def stop(self) -> None:
        """Send nothing more; what is in flight may still be answered within the drain."""
        if self.stopped or self.ended:
            return
        self.stopped = True
        self._timer.disarm()
        self._drain_until_s = min(
            self._drain_until_s, monotonic() - self.zero_s + self.plan.drain_s
        )
        self._count_unsent()

    def close(self) -> None:
        """Stop at once and give everything back; arrivals without an answer are counted so."""
        if not self.ended:
            self.stop()
            self._finish()

    @property
    def in_flight(self) -> int:
        """Requests that were sent and not yet answered."""
        return sum(1 for connection in self.connections if connection.state is BUSY)

    @property
    def dealt_with(self) -> int:
        """Arrivals whose intended start has come; some may still wait for a connection."""
        return self._next

    @property
    def now_s(self) -> float:
        """The run clock."""
        return monotonic() - self.zero_s

    # -- sending

    def _guarded_tick(self) -> None:
        try:
            self._tick()
        except BaseException as fault:  # noqa: BLE001  (a hub callback has no caller to raise to)
            self._fail(fault)

    def _tick(self) -> None:
        if self.stopped:
            return
        recorder, zero, idle = self.recorder, self.zero_s, self._idle
        lag_s = recorder.lag_s.append
        number, chunk_at = self._next, self._chunk_at
        due, ops, agents, tasks = self._chunk
        left = BURST
        total = len(self.schedule)
        now = monotonic() - zero
        while left:
            if number - chunk_at >= len(due):
                if number >= total:
                    break
                chunk_at = number
                due, ops, agents, tasks = self._load_chunk(number)
            k = number - chunk_at
            intended = due[k]
            if intended > now:
                break
            lag_s(now - intended)
            arrival = (number, intended, ops[k], agents[k], tasks[k], False)
            # noted at once: whatever happens below, this arrival is not counted a second time
            self._next = number = number + 1
            left -= 1
            while idle:
                connection = idle.pop()
                if connection.state is IDLE:
                    self._send(connection, arrival, now)
                    break
            else:
                self.queue.append(arrival)
                self._grow()
            now = monotonic() - zero
        if len(recorder.lag_s) >= MERGE_AT:
            recorder.merge()
        if left == 0:
            self._timer.at(0.0)
        else:
            self._sleep(number, now + TICK_S)

    def _sleep(self, number: int, earliest_s: float) -> None:
        """Wake up when arrival ``number`` is due, but not before ``earliest_s``."""
        if number < len(self.schedule):
            self._due_s = float(self.schedule.t_s[number])
            self._timer.at(self.zero_s + max(self._due_s, earliest_s))
        else:
            self._timer.disarm()  # it stays readable otherwise, and the loop would spin

    def _in_gap(self, now: float) -> bool:
        return self._due_s - now > GAP_S and len(self._idle) == len(self.connections)

    def _load_chunk(self, start: int) -> tuple[list[float], list[Op], list[int], list[int]]:
        end = start + CHUNK
        schedule, names = self.schedule, self.plan.ops
        self._chunk_at = start
        self._chunk = (
            schedule.t_s[start:end].tolist(),
            [names[op] for op in schedule.op[start:end].tolist()],
            schedule.agent[start:end].tolist(),
            schedule.task[start:end].tolist(),
        )
        return self._chunk

    def _send(self, connection: Connection, arrival: Arrival, now: float) -> None:
        connection.arrival = arrival
        request = self._wire.request(arrival[2], arrival[3], arrival[4], now)
        connection.request = request
        connection.sent_s = now
        connection.state = BUSY
        if not connection.send(request):
            connection.close()
            self.lost(connection, "closed")

    def _send_waiting(self, connection: Connection) -> None:
        """Give a free connection to whoever waits longest, or keep it."""
        if not self.queue or self.stopped:
            connection.state = IDLE
            self._idle.append(connection)
            return
        now = monotonic() - self.zero_s
        arrival = self.queue.popleft()
        if not arrival[5]:
            self.recorder.waited.append((arrival[0], now))
        self._send(connection, arrival, now)

    # -- what connections tell

    def connected(self, connection: Connection) -> None:
        """See ``Owner``."""
        self._connecting -= 1
        self._pause_until_s = 0.0
        self._send_waiting(connection)
        self._warmed()

    def connect_failed(self, connection: Connection, code: str, detail: str) -> None:
        """See ``Owner``."""
        self._connecting -= 1
        self.connections.discard(connection)
        now = monotonic() - self.zero_s
        self._pause_until_s = now + REFUSED_PAUSE_S
        self.refusal = detail
        if code == "tls" and self._tls is not None:
            self._tls.session = None  # it may have been the ticket
        if not self.connections:
            while self.queue:
                self.recorder.failed.append((self.queue.popleft()[0], now, code))
        self._warmed()

    def answered(self, connection: Connection, status: int, body: bytes, reusable: bool) -> None:
        """See ``Owner``."""
        now = monotonic() - self.zero_s
        number, _, op, agent, task, _ = connection.arrival
        connection.arrival = None
        try:
            code = self._wire.response(op, agent, task, status, body, now)
        except BaseException as fault:  # noqa: BLE001  (a hub callback has no caller to raise to)
            self.recorder.failed.append((number, now, "protocol"))
            self._fail(fault)
            return
        recorder = self.recorder
        if code == "ok":
            recorder.ok_arrival.append(number)
            recorder.ok_done_s.append(now)
            recorder.ok_bytes.append(len(body))
        else:
            recorder.failed.append((number, now, code))
        if reusable and connection.served != self.plan.requests_per_connection:
            if self.queue:
                self._send_waiting(connection)
            else:
                connection.state = IDLE
                self._idle.append(connection)
                if len(recorder.ok_arrival) >= MERGE_IN_GAP_AT and self._in_gap(now):
                    recorder.merge()
        else:
            connection.close()
            self.connections.discard(connection)
            if self.queue:
                self._grow()

    def lost(self, connection: Connection, code: str, detail: str = "") -> None:
        """See ``Owner``."""
        self.connections.discard(connection)
        self.refusal = detail or self.refusal
        arrival: Arrival | None = connection.arrival
        if arrival is None:
            return
        connection.arrival = None
        if code == "closed" and connection.served and not arrival[5] and not self.stopped:
            # the server closed an idle connection while our request was on its way: a client asks
            # once more (RFC 9112 §9.3.1), and so do we; the latency keeps running
            self.retried += 1
            self.queue.appendleft((*arrival[:5], True))
            self._retry()
            return
        self.recorder.failed.append((arrival[0], monotonic() - self.zero_s, code))
        if self.queue:
            self._grow()

    def handshake(self, op: str, took_s: float) -> None:
        """See ``Owner``."""
        self.recorder.handshakes.append((op, "ok", monotonic() - self.zero_s, took_s))

    def _retry(self) -> None:
        while self._idle:
            connection = self._idle.pop()
            if connection.state is IDLE:
                self._send_waiting(connection)
                return
        self._grow()

    # -- connections

    def _open(self) -> None:
        self._connecting += 1
        self.opened += 1
        connection: Connection
        if self.plan.endpoint.http2:
            # its library comes with the targets that need it
            from loadgen.generator.http2_connection import Http2Connection

            connection = Http2Connection(self._loop, self, self._address, self._family)
        elif self._tls is None:
            connection = Connection(self._loop, self, self._address, self._family)
        else:
            connection = TlsConnection(self._loop, self, self._address, self._family, self._tls)
        self.connections.add(connection)
        self.peak = max(self.peak, len(self.connections))

    def _grow(self) -> None:
        if (
            len(self.connections) < self.plan.max_connections
            and self._connecting < CONNECTING_AT_ONCE
            and self._connecting < len(self.queue)
            and monotonic() - self.zero_s >= self._pause_until_s
        ):
            self._open()

    def _warmed(self) -> None:
        self._warming -= 1
        if self._warming == 0 and self._on_warm is not None:
            self._on_warm()

    # -- housekeeping

    def _guarded_housekeep(self) -> None:
        try:
            self._housekeep()
        except BaseException as fault:  # noqa: BLE001  (a hub callback has no caller to raise to)
            self._fail(fault)

    def _housekeep(self) -> None:
        now = monotonic() - self.zero_s
        self._expire(now)
        for _ in range(min(len(self.queue), CONNECTING_AT_ONCE)):
            self._grow()
        if self._next >= len(self.schedule) or self.stopped:
            drained = not self.queue and not self.in_flight
            if drained or now > self._drain_until_s:
                self._finish()

    def _expire(self, now: float) -> None:
        """Close what has not answered in time, counting from the instant of sending."""
        late = [
            connection
            for connection in self.connections
            if (
                (connection.state is BUSY and now - connection.sent_s > self.plan.timeout_s)
                or (
                    connection.state is CONNECTING
                    and monotonic() - connection.opened_s > self.plan.connect_timeout_s
                )
            )
        ]
        for connection in late:
            connecting = connection.state is CONNECTING
            connection.close()
            if connecting:
                self.connect_failed(connection, "connect-timeout", "no answer to connect")
            else:
                self.lost(connection, "timeout")

    def _count_unsent(self) -> None:
        waiting = [arrival[0] for arrival in self.queue]
        self.queue.clear()
        rest = np.arange(self._next, len(self.schedule))
        arrivals = np.concatenate([np.array(waiting, np.int64), rest])
        if len(arrivals):
            self.recorder.unsent(arrivals)
        self._next = len(self.schedule)

    def _finish(self) -> None:
        if self.ended:
            return
        self.ended = True
        self.stopped = True
        self._timer.close()
        self._housekeeper.stop()
        self._housekeeper.close()
        self._count_unsent()
        now = monotonic() - self.zero_s
        for connection in list(self.connections):
            connection.close()
            if connection.arrival is not None:
                self.recorder.failed.append((connection.arrival[0], now, "timeout"))
                connection.arrival = None
        self.connections.clear()
        try:
            self.recorder.merge()
        except BaseException as fault:  # noqa: BLE001  (whoever waits for the end must be told)
            self.fault = self.fault or fault
        self._on_end()

    def _fail(self, fault: BaseException) -> None:
        if self.fault is None:
            self.fault = fault
        self._finish()


def _resolve(plan: GeneratorPlan) -> tuple[Address, int]:
    endpoint = plan.endpoint
    if endpoint.socket_path:
        return endpoint.socket_path, sockets.AF_UNIX
    found = sockets.getaddrinfo(endpoint.host, endpoint.port, type=sockets.SOCK_STREAM)
    family, _, _, _, address = found[0]
    return address, family
