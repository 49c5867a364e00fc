"""A server that stands still is seen as it is: by everyone who would have asked meanwhile."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from loadgen.generator.protocol import (
    Command,
)
from loadgen.lines import Start
from loadgen.targets.port import Endpoint
from tests.integration.generator_runs import Generator, rogue_server, write_run

RATE_HZ, SECONDS, STOPPED_S = 200, 10, 1.0


def test_stalls_of_a_second_are_reported_at_their_true_length(tmp_path: Path) -> None:
    intended = np.arange(0, SECONDS, 1 / RATE_HZ)
    stalls: list[tuple[float, float]] = []
    with rogue_server() as (port, pid):
        write_run(
            tmp_path,
            Endpoint("127.0.0.1", port),
            intended,
            ["/ok"],
            seconds=SECONDS,
            await_start=True,
        )
        with Generator(tmp_path) as generator:
            generator.until("ready")
            zero = time.monotonic() + 0.2
            generator.say(Command(start=Start(zero)))
            for at in (2.0, 7.0):
                time.sleep(max(0.0, zero + at - time.monotonic()))
                os.kill(pid, signal.SIGSTOP)
                began = time.monotonic() - zero
                time.sleep(STOPPED_S)
                os.kill(pid, signal.SIGCONT)
                stalls.append((began, time.monotonic() - zero))
            outcome = generator.finish()
    assert outcome.counts() == {"ok": len(intended)}
    assert outcome.result.valid
    truth = np.zeros(len(intended))
    for began, ended in stalls:
        caught = (intended >= began) & (intended < ended)
        truth[caught] = ended - intended[caught]
    measured = outcome.histogram()
    for percent in (90, 95, 99):
        ratio = measured.get_value_at_percentile(percent) / (np.percentile(truth, percent) * 1e6)
        # above 1 by what the server needs to catch up, on a busy machine; never below
        assert 0.98 < ratio < 1.4
    # and the generator does not blame itself for it
    assert outcome.result.lag_p99_s is not None
    assert outcome.result.lag_p99_s < 0.2 * STOPPED_S


def test_a_generator_that_cannot_keep_up_says_so(tmp_path: Path) -> None:
    with rogue_server() as (port, _):
        write_run(tmp_path, Endpoint("127.0.0.1", port), np.zeros(2000), ["/ok"], lag_bound_s=1e-6)
        with Generator(tmp_path) as generator:
            outcome = generator.finish()
    assert not outcome.result.valid
    assert outcome.result.reason.startswith("generator saturated: lag p99 ")
    assert outcome.result.complete
    assert outcome.code == 0


def test_batches_and_warm_up_are_cut_by_the_intended_start(tmp_path: Path) -> None:
    with rogue_server() as (port, _):
        write_run(
            tmp_path,
            Endpoint("127.0.0.1", port),
            np.arange(0.0025, 1, 0.005),
            ["/ok"],
            seconds=1.0,
            warmup_s=0.2,
            batches=4,
        )
        with Generator(tmp_path) as generator:
            outcome = generator.finish()
    by_batch = {row.batch: row.count for row in outcome.rows() if row.op == "authorize"}
    assert by_batch == {-1: 40, 0: 40, 1: 40, 2: 40, 3: 40}
