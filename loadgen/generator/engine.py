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
from collections import deque
from collections.abc import Callable
from time import monotonic

import numpy as np

from loadgen.generator.alarm import LINGER_S, Alarm
from loadgen.generator.chunks import Chunks
from loadgen.generator.connection import Connection, State
from loadgen.generator.loop import Loop
from loadgen.generator.pool import CONNECTING_AT_ONCE, Pool
from loadgen.generator.protocol import GeneratorPlan
from loadgen.generator.recorder import Recorder, Sink
from loadgen.generator.schedule import Schedule
from loadgen.targets.port import Op, Wire

HOUSEKEEPING_S = 0.05
MERGE_AT = 2048
"""results after which a merge does not wait any longer; it holds up what is due meanwhile"""
MERGE_IN_GAP_AT = 256
GAP_S = 0.0003
"""nothing in flight and nothing due for so long: time for a chore that nobody will notice"""
BURST = 128
"""arrivals sent before answers are read again"""

IDLE, BUSY = State.IDLE, State.BUSY

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
        self.retried = 0
        self.refusal = ""
        """why the last connection failed, in words"""
        self.pool = Pool(loop, plan, self)
        self.queue: deque[Arrival] = deque()
        self._on_end = on_end
        self._wire = wire
        self._warming = 0
        self._on_warm: Callable[[], None] | None = None
        self._next = 0
        self.chores: deque[Callable[[], None]] = deque()
        """what can wait for a gap between requests, one a gap; merging comes after them"""
        self._chunks = Chunks(schedule, plan.ops)
        self._alarm = Alarm(loop, self.pool, self._guarded_tick)
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
            self.pool.open()

    def start(self, zero_monotonic_s: float) -> None:
        """Begin; arrivals are due at ``zero_monotonic_s`` plus their intended start."""
        self.zero_s = self._alarm.zero_s = zero_monotonic_s
        self._on_warm = None
        self.recorder.rehearse()
        # what exists now lives to the end: keep the collector from walking over it mid-run
        gc.collect()
        gc.freeze()
        if len(self.schedule):
            self._alarm.ring_at(zero_monotonic_s + float(self.schedule.t_s[0]))

    def stop(self) -> None:
        """Send nothing more; what is in flight may still be answered within the drain."""
        if self.stopped or self.ended:
            return
        self.stopped = True
        self._alarm.disarm()
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
    def dealt_with(self) -> int:
        """Arrivals whose intended start has come; some may still wait for a connection."""
        return self._next

    @property
    def now_s(self) -> float:
        """The run clock."""
        return monotonic() - self.zero_s

    # -- sending

    def _guarded_tick(self) -> None:
        if self.stopped:
            return
        try:
            self._tick()
        except BaseException as fault:  # noqa: BLE001  (a hub callback has no caller to raise to)
            self._fail(fault)

    def _tick(self) -> None:
        recorder, zero, idle = self.recorder, self.zero_s, self.pool.idle
        lag_s = recorder.lag_s.append
        number, chunk_at = self._next, self._chunks.at
        due, ops, agents, tasks = self._chunks.lists
        left = BURST
        total = len(self.schedule)
        connection: Connection | None = None
        now = monotonic() - zero
        while left:
            if number - chunk_at >= len(due):
                if number >= total:
                    break
                chunk_at = number
                due, ops, agents, tasks = self._chunks.load(number)
            k = number - chunk_at
            intended = due[k]
            if intended > now:
                if intended - now > LINGER_S or not self.pool.all_idle:
                    break
                while now < intended:
                    now = monotonic() - zero
            lag_s(now - intended)
            arrival = (number, intended, ops[k], agents[k], tasks[k], False)
            # noted at once: whatever happens below, this arrival is not counted a second time
            self._next = number = number + 1
            left -= 1
            if idle:
                connection = idle.pop()
                self._send(connection, arrival, now)
            else:
                self.queue.append(arrival)
                self.pool.grow(len(self.queue))
            now = monotonic() - zero
        if left == 0:
            self._alarm.ring_at(0.0)  # at once, but after the answers that have come meanwhile
        else:
            self._sleep(number, now, connection)
        if len(recorder.lag_s) >= MERGE_AT:
            recorder.merge()

    def _sleep(self, number: int, now: float, asked: Connection | None) -> None:
        if number < len(self.schedule):
            due_s = float(self.schedule.t_s[number])
            self._alarm.sleep(due_s, now, self._chunks.tick_s, asked)
        else:
            self._alarm.disarm()

    def _use_gap(self, now: float) -> None:
        """Do one piece of what can wait, if nobody will notice."""
        if self._alarm.due_s - now <= GAP_S or not self.pool.all_idle:
            return
        if self.chores:
            self.chores.popleft()()
        elif self.recorder.merging or len(self.recorder.ok_arrival) >= MERGE_IN_GAP_AT:
            self.recorder.merge_piece()

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
            self.pool.idle.append(connection)
            return
        now = monotonic() - self.zero_s
        arrival = self.queue.popleft()
        if not arrival[5]:
            self.recorder.waited.append((arrival[0], now))
        try:
            self._send(connection, arrival, now)
        except BaseException as fault:  # noqa: BLE001  (a hub callback has no caller to raise to)
            self._fail(fault)

    # -- what connections tell

    def connected(self, connection: Connection) -> None:
        """See ``Owner``."""
        self.pool.connected()
        self._send_waiting(connection)
        self._warmed()

    def connect_failed(self, connection: Connection, code: str, detail: str) -> None:
        """See ``Owner``."""
        self.pool.failed(connection, code)
        self.refusal = detail
        now = monotonic() - self.zero_s
        if not self.pool.members:
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
                self.pool.idle.append(connection)
                self._use_gap(now)
        else:
            connection.close()
            self.pool.forget(connection)
            self.pool.grow(len(self.queue))

    def lost(self, connection: Connection, code: str, detail: str = "") -> None:
        """See ``Owner``."""
        self.pool.forget(connection)
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
        self.pool.grow(len(self.queue))

    def handshake(self, op: str, took_s: float) -> None:
        """See ``Owner``."""
        self.recorder.handshakes.append((op, "ok", monotonic() - self.zero_s, took_s))

    def _retry(self) -> None:
        if self.pool.idle:
            self._send_waiting(self.pool.idle.pop())
        else:
            self.pool.grow(len(self.queue))

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
        for connection in self.pool.late(now):
            connecting = connection.state is State.CONNECTING
            connection.close()
            if connecting:
                self.connect_failed(connection, "connect-timeout", "no answer to connect")
            else:
                self.lost(connection, "timeout")
        for _ in range(min(len(self.queue), CONNECTING_AT_ONCE)):
            self.pool.grow(len(self.queue))
        if self._next >= len(self.schedule) or self.stopped:
            drained = not self.queue and not self.pool.busy
            if drained or now > self._drain_until_s:
                self._finish()

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
        self._alarm.close()
        self._housekeeper.stop()
        self._housekeeper.close()
        self._count_unsent()
        now = monotonic() - self.zero_s
        for connection in self.pool.members:
            connection.close()
            if connection.arrival is not None:
                self.recorder.failed.append((connection.arrival[0], now, "timeout"))
                connection.arrival = None
        self.pool.members.clear()
        self.pool.idle.clear()
        try:
            self.recorder.merge()
        except BaseException as fault:  # noqa: BLE001  (whoever waits for the end must be told)
            self.fault = self.fault or fault
        self._on_end()

    def _fail(self, fault: BaseException) -> None:
        if self.fault is None:
            self.fault = fault
        self._finish()
