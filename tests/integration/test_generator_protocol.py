"""The conversation between parent and generator, and how a run ends before its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from loadgen.generator.protocol import (
    Command,
    Steal,
)
from loadgen.lines import Start
from loadgen.targets.port import Endpoint
from tests.integration.generator_runs import ROOT, Generator, rogue_server, run, write_run

LONG = np.arange(0, 60, 0.01)


def test_start_steal_stop(tmp_path: Path) -> None:
    with rogue_server() as (port, _):
        write_run(tmp_path, Endpoint("127.0.0.1", port), LONG, ["/ok"], await_start=True)
        with Generator(tmp_path) as generator:
            ready = generator.until("ready").ready
            assert ready is not None
            assert (ready.workers, ready.arrivals) == (1, len(LONG))
            zero = time.monotonic() + 0.3
            generator.say(Command(start=Start(zero)))
            progress = generator.until("progress").progress
            assert progress is not None
            assert progress.t_s >= 1.0
            assert 0 < progress.ok <= progress.sent <= progress.intended
            generator.say(Command(steal=Steal(agent=4, task=7, id="a")))
            stolen = generator.until("stolen").stolen
            assert stolen is not None
            assert stolen.stolen is not None
            assert (stolen.id, stolen.stolen.agent, stolen.stolen.task) == ("a", 4, "7")
            generator.say(Command(steal=Steal(agent=5, task=7, id="b")))
            stolen = generator.until("stolen").stolen
            assert stolen is not None
            assert (stolen.id, stolen.stolen) == ("b", None)
            generator.say(Command(stop=True))
            outcome = generator.finish()
    assert outcome.code == 0
    assert outcome.result.reason == "stopped"
    assert not outcome.result.complete
    assert outcome.result.zero_monotonic_s == zero
    counts = outcome.counts()
    assert set(counts) == {"ok", "unsent"}
    assert sum(counts.values()) == len(LONG)
    assert counts["ok"] == outcome.result.ok == outcome.result.sent


def test_nothing_is_sent_before_the_start(tmp_path: Path) -> None:
    with rogue_server() as (port, _):
        write_run(tmp_path, Endpoint("127.0.0.1", port), LONG, ["/ok"], await_start=True)
        with Generator(tmp_path) as generator:
            generator.until("ready")
            time.sleep(0.3)
            generator.say(Command(stop=True))
            outcome = generator.finish()
    assert outcome.code == 0
    assert outcome.counts() == {}


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_leaves_a_partial_record(tmp_path: Path, workers: int) -> None:
    with rogue_server() as (port, _):
        write_run(tmp_path, Endpoint("127.0.0.1", port), LONG, ["/ok"], workers=workers)
        with Generator(tmp_path) as generator:
            generator.until("progress")
            generator.process.terminate()
            outcome = generator.finish()
    assert outcome.code == 130
    assert outcome.result.reason == "interrupted"
    assert not outcome.result.complete
    assert sum(outcome.counts().values()) == len(LONG)


@pytest.mark.parametrize("workers", [1, 2])
def test_no_process_outlives_a_killed_parent(tmp_path: Path, workers: int) -> None:
    with rogue_server() as (port, _):
        write_run(tmp_path, Endpoint("127.0.0.1", port), LONG, ["/ok"], workers=workers)
        script = (
            "import subprocess as s, sys, time;"
            f"p = s.Popen([sys.executable, '-m', 'loadgen.generator', {str(tmp_path)!r}],"
            " stdin=s.PIPE, stdout=s.PIPE, stderr=s.DEVNULL);"
            "print(p.stdout.readline(), flush=True); time.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE)
        assert parent.stdout is not None
        assert b"ready" in parent.stdout.readline()
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) == (1 if workers == 1 else 3)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
        _, alive = psutil.wait_procs(family, timeout=5)
        assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_two_workers_share_one_schedule_and_one_start(tmp_path: Path) -> None:
    with rogue_server() as (port, _):
        write_run(
            tmp_path, Endpoint("127.0.0.1", port), np.arange(0, 1, 0.0025), ["/ok"], workers=2
        )
        outcome = run(tmp_path)
    assert outcome.code == 0
    assert outcome.result.workers == 2
    assert outcome.counts() == {"ok": 400}
    assert sorted(path.name for path in tmp_path.glob("operations-*")) == [
        "operations-0.msgpack",
        "operations-1.msgpack",
    ]
    assert outcome.progress[-1].ok == 400


def test_a_killed_worker_makes_the_run_invalid(tmp_path: Path) -> None:
    with rogue_server() as (port, _):
        write_run(tmp_path, Endpoint("127.0.0.1", port), np.arange(0, 5, 0.01), ["/ok"], workers=2)
        with Generator(tmp_path) as generator:
            generator.until("progress")
            psutil.Process(generator.process.pid).children()[0].kill()
            outcome = generator.finish()
    assert outcome.code == 1
    assert outcome.fault.message == "a worker was lost"
    assert not outcome.result.valid
    assert outcome.result.workers == 1
