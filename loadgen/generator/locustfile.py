"""The locustfile: one user per process that owns the schedule instead of looping.

Usually started by ``python -m loadgen.generator RUNDIR``; it is an ordinary locustfile all the
same: ``locust -f loadgen/generator/locustfile.py --rundir RUNDIR …``.
"""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import locust.runners
from locust import User, events, task
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from loadgen.generator.coordinator import CommandReader, Coordinator
from loadgen.generator.locust_stats import use_fine_buckets
from loadgen.generator.plan import read_plan
from loadgen.generator.worker import Worker
from loadgen.leash import die_with_parent, stdin_is_leash

use_fine_buckets()
locust.runners.WORKER_REPORT_INTERVAL = 1.0

_parts: dict[str, Any] = {}


class Arrivals(User):
    """Owns the arrivals of its process; one per process, whatever the rate."""

    @task
    def run_schedule(self) -> None:
        """Send them all, once."""
        _parts["worker"].run()
        raise StopUser


def add_options(parser: ArgumentParser) -> None:
    """Add our options to Locust's."""
    parser.add_argument("--rundir", metavar="DIR", help="folder with plan.json and demand.npz")
    parser.add_argument("--protocol-fd", type=int, help="where protocol lines go")
    parser.add_argument("--leash-fd", type=int, nargs=2, help="pipe that ties workers to a master")


def set_up(environment: Environment, **_: object) -> None:
    """Take our part in the run: worker, coordinator, or both."""
    options = environment.parsed_options
    assert options is not None  # noqa: S101  (Locust's CLI has parsed them)
    rundir = Path(options.rundir)
    plan = read_plan(rundir)
    runner = environment.runner
    if not isinstance(runner, MasterRunner):
        _parts["worker"] = Worker(environment, rundir, plan)
    if isinstance(runner, WorkerRunner):
        environment.process_exit_code = 0  # what happened is the coordinator's to tell
        if options.leash_fd is not None:
            _hold(*options.leash_fd)
        elif stdin_is_leash():
            CommandReader(0, lambda _line: None, _gone)
    else:
        coordinator = Coordinator(environment, rundir, plan, options.protocol_fd)
        _parts["coordinator"] = coordinator
        if options.protocol_fd is not None and stdin_is_leash():
            CommandReader(0, coordinator.obey, _gone)
    environment.events.quitting.add_listener(_wind_up)


def _hold(read_fd: int, write_fd: int) -> None:
    """Tie a forked worker to its master: the pipe closes when the master ends, however it ends."""
    os.close(write_fd)
    die_with_parent(os.getppid())
    CommandReader(read_fd, lambda _line: None, _gone)


def _gone() -> None:
    os._exit(1)


def _wind_up(**_: object) -> None:
    """Write what there is when Locust is told to end before the run has ended."""
    worker: Worker | None = _parts.get("worker")
    coordinator: Coordinator | None = _parts.get("coordinator")
    if coordinator is not None and not coordinator.done.is_set():
        coordinator.interrupt()
    if worker is not None:
        worker.abandon()
    if coordinator is not None:
        coordinator.finish()


events.init_command_line_parser.add_listener(add_options)
events.init.add_listener(set_up)
