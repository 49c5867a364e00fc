"""M1 in cimba 0.9.6 (extra ``bench``), in its fastest form: events, no coroutines.

A switch, an attempt, a refusal and an issue count as one event each, as in our engines. The queue
of c servers is their earliest free instants, which is FIFO.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import cimba as cb

from scenarios.errors import ProcessError
from simulator.bench.peer_numbers import (
    AGE_JITTER,
    AGE_S,
    BACKOFF_BASE_S,
    BACKOFF_CAP_S,
    BACKOFF_FACTOR,
    BACKOFF_JITTER,
    OUTAGE_BEGINS_S,
    OUTAGE_EVERY_S,
    OUTAGE_S,
    SERVERS,
    SWITCH_GAP_S,
)

Method = TypeVar("Method", bound=Callable[..., Any])


def event(method: Method) -> Method:
    """Make a method an event (cimba's decorators are untyped)."""
    return cast("Method", cb.event(method))


def on_start(method: Method) -> Method:
    """Make a method what happens first."""
    return cast("Method", cb.on_start(method))


def on_end(method: Method) -> Method:
    """Make a method what happens last."""
    return cast("Method", cb.on_end(method))


class Issuer(cb.Model):
    """What all agents share."""

    down: int = 0
    service_s: float = 1.0
    events: int = 0
    free_s: cb.Array[float] = cb.Array(SERVERS)


class Agent(cb.Model):
    """One agent, its timers as events."""

    issuer: cb.Ref[Issuer]
    refusals: int = 0

    @event
    def switch(self) -> None:
        """Count a switch and wait for the next."""
        self.issuer.events += 1
        cb.schedule(self.switch, cb.random.exponential(SWITCH_GAP_S))

    @event
    def request(self) -> None:
        """Ask for a credential; back off when refused."""
        issuer = self.issuer
        issuer.events += 1
        if issuer.down == 1:
            issuer.events += 1
            wait_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * BACKOFF_FACTOR**self.refusals)
            self.refusals += 1
            cb.schedule(
                self.request, wait_s * cb.random.uniform(1.0 - BACKOFF_JITTER, 1.0 + BACKOFF_JITTER)
            )
            return
        self.refusals = 0
        first = 0
        for server in range(1, len(issuer.free_s)):
            if issuer.free_s[server] < issuer.free_s[first]:
                first = server
        done_s = max(issuer.free_s[first], cb.now()) + cb.random.exponential(issuer.service_s)
        issuer.free_s[first] = done_s
        cb.schedule(self.issued, done_s - cb.now())

    @event
    def issued(self) -> None:
        """Take the credential and set the timer of its renewal."""
        self.issuer.events += 1
        cb.schedule(self.request, AGE_S * cb.random.uniform(1.0 - AGE_JITTER, 1.0 + AGE_JITTER))


class M1(cb.Model):
    """The fleet and the faults of its issuer."""

    issuer: Issuer
    agents: int = 0
    span_s: float = 0.0
    executed: cb.Output[float]

    @on_start
    def begin(self) -> None:
        """Start every agent somewhere in its cycle."""
        for _ in range(self.agents):
            agent = cb.spawn(Agent, issuer=self.issuer)
            cb.schedule(agent.switch, cb.random.exponential(SWITCH_GAP_S))
            cb.schedule(agent.request, cb.random.uniform(0.0, AGE_S))
        cb.schedule(self.fail, OUTAGE_BEGINS_S)
        cb.schedule(self.stop, self.span_s)

    @event
    def stop(self) -> None:
        """End the run: a window alone would wait for events without end."""
        cb.end_trial()

    @event
    def fail(self) -> None:
        """Begin an outage."""
        self.issuer.down = 1
        cb.schedule(self.recover, OUTAGE_S)

    @event
    def recover(self) -> None:
        """End it."""
        self.issuer.down = 0
        cb.schedule(self.fail, OUTAGE_EVERY_S - OUTAGE_S)

    @on_end
    def measure(self) -> None:
        """Report how many events there were."""
        self.executed = float(self.issuer.events)


def run(agents: int, span_s: float, service_time_s: float, seed: int) -> float:
    """Run M1 once and return the number of its events."""
    model = M1()
    model.issuer = Issuer()
    model.issuer.service_s = service_time_s
    model.agents, model.span_s = agents, span_s
    window = cb.Window(warmup=0, duration=span_s)
    results = cb.Experiment(model, replications=1, window=window, seed=seed).run()
    return float(results[model].executed.values.item())


def rate_hz(agents: int, span_s: float, service_time_s: float, seed: int) -> float:
    """Return the events per second of one run in a process of its own, compiled beforehand."""
    events, wall_s = run_apart(agents, span_s, service_time_s, seed)
    return events / wall_s


def run_apart(agents: int, span_s: float, service_time_s: float, seed: int) -> tuple[float, float]:
    """Return the events of one run and the seconds that it took, in a process of its own.

    cimba and other numba code that uses records do not get on in one process.
    """
    arguments = [str(value) for value in (agents, span_s, service_time_s, seed)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, *arguments],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
    except subprocess.CalledProcessError as exc:
        last = exc.stderr.strip().splitlines()[-1:] or [f"exit code {exc.returncode}"]
        raise ProcessError(f"cimba: {last[0]}") from exc
    events, wall_s = map(float, done.stdout.split())
    return events, wall_s


def _main(agents: str, span_s: str, service_time_s: str, seed: str) -> None:
    run(10, 10.0, float(service_time_s), int(seed))
    began_s = time.perf_counter()
    events = run(int(agents), float(span_s), float(service_time_s), int(seed))
    sys.stdout.write(f"{events!r} {time.perf_counter() - began_s!r}\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
