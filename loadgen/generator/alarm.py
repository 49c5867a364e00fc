"""When the loop wakes up for the next arrival, and how long it stays awake after one was sent.

Waking a processor takes 20 to 70 µs, which would be the generator's own contribution to every
latency. So the alarm rings a little before an arrival is due, and for a moment after a request the
loop polls instead of sleeping.
"""

from collections.abc import Callable
from time import monotonic

from loadgen.generator.connection import Connection, State
from loadgen.generator.loop import Loop
from loadgen.generator.pool import Pool
from loadgen.generator.timer import precise_timer

LINGER_S = 0.0001
"""the processor is kept awake for so long before an arrival is due"""
LINGER_ANSWER_S = 0.0001
"""the same after a request, for its answer; a server that takes longer is waited for asleep. Where
it is the only one in flight its connection is read at once, without a turn of the loop"""

BUSY = State.BUSY


class Alarm:
    """The timer of one open loop; all instants but ``zero_s`` are on the run clock.

    Attributes:
        zero_s: the run clock's zero, on CLOCK_MONOTONIC.
        due_s: when the next arrival is due.
    """

    def __init__(self, loop: Loop, pool: Pool, on_due: Callable[[], None]) -> None:
        self.zero_s = 0.0
        self.due_s = 0.0
        self._pool = pool
        self._timer = precise_timer(loop, on_due)
        self._lingerer = loop.idle()
        self._linger_until_s = 0.0

    def ring_at(self, monotonic_s: float) -> None:
        """Ring at an instant of CLOCK_MONOTONIC; 0 is at once, after what has come meanwhile."""
        self._timer.at(monotonic_s)

    def disarm(self) -> None:
        """Ring no more; a timer that has rung stays readable, and the loop would spin."""
        self._timer.disarm()

    def sleep(self, due_s: float, now: float, tick_s: float, asked: Connection | None) -> None:
        """Ring when an arrival is due, in ``tick_s`` at the soonest; linger if one was sent."""
        self.due_s = due_s
        self._timer.at(self.zero_s + max(due_s - LINGER_S, now + tick_s))
        if asked is not None and due_s - now > LINGER_S + LINGER_ANSWER_S:
            self._linger(asked, now)

    def _linger(self, connection: Connection, now: float) -> None:
        """Stay awake for the answers to what was just sent."""
        until_s = now + LINGER_ANSWER_S
        if len(self._pool.members) - len(self._pool.idle) == 1:
            while connection.state is BUSY and now < until_s:
                connection.poll()
                now = monotonic() - self.zero_s
        else:
            self._linger_until_s = until_s
            self._lingerer.start(self._on_idle)

    def _on_idle(self) -> None:
        if monotonic() - self.zero_s > self._linger_until_s or self._pool.all_idle:
            self._lingerer.stop()

    def close(self) -> None:
        """Give timer and watcher back."""
        self._timer.close()
        self._lingerer.stop()
        self._lingerer.close()
