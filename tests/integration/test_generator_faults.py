"""Whatever a server does, every arrival is accounted for, under a code of its own."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from loadgen.generator.plan import read_plan
from loadgen.generator.protocol import (
    Command,
)
from loadgen.generator.schedule import load_schedule
from loadgen.lines import Start
from loadgen.targets.port import Endpoint
from scenarios.errors import InputError
from tests.integration.generator_runs import Generator, rogue_server, run, write_run


def test_each_misbehaviour_has_its_code_and_no_arrival_disappears(tmp_path: Path) -> None:
    paths = {
        "/ok": "ok",
        "/chunked": "ok",
        "/interim": "ok",
        "/closing": "ok",
        "/until-eof": "ok",
        "/twice": "ok",
        "/ok#1000000": "ok",
        "/teapot": "418",
        "/half": "half",
        "/half-head": "half",
        "/rubbish": "protocol",
        "/drop": "closed",
        "/hang": "timeout",
    }
    each = 10
    with rogue_server() as (port, _):
        write_run(
            tmp_path,
            Endpoint("127.0.0.1", port),
            np.linspace(0.0, 1.0, each * len(paths)),
            list(paths),
            timeout_s=2.0,
            connections=2,
        )
        outcome = run(tmp_path)
    expected: dict[str, int] = {}
    for code in paths.values():
        expected[code] = expected.get(code, 0) + each
    assert outcome.counts() == expected
    result = outcome.result
    assert result.complete
    assert result.sent == result.arrivals == each * len(paths)
    assert result.ok == expected.pop("ok")
    assert result.errors == expected
    assert outcome.code == 0
    hung = outcome.histogram(code="timeout")
    # a histogram of three digits answers with the lower end of the bucket that holds 2 s
    assert hung.get_min_value() >= hung.get_lowest_equivalent_value(2_000_000)


def test_bounded_pool_queues_and_drops_nothing(tmp_path: Path) -> None:
    with rogue_server() as (port, _):
        write_run(
            tmp_path,
            Endpoint("127.0.0.1", port),
            np.zeros(400),
            ["/ok"],
            seconds=1.0,
            connections=2,
            max_connections=2,
        )
        outcome = run(tmp_path)
    assert outcome.counts() == {"ok": 400}
    assert outcome.result.connections_peak == 2
    assert outcome.result.waited_for_connection == 398
    # who waits longer is served later: the queueing is inside the latency
    latency = outcome.histogram()
    assert latency.get_value_at_percentile(99) > 3 * latency.get_value_at_percentile(10)


def test_target_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    write_run(tmp_path, Endpoint("127.0.0.1", 1), [0.0, 0.1], ["/ok"])
    outcome = run(tmp_path)
    assert outcome.code == 1
    assert outcome.fault.message == "127.0.0.1:1: Connection refused"
    assert not (tmp_path / "result.json").exists()


def test_a_name_is_looked_up_and_an_unknown_one_is_one_line(tmp_path: Path) -> None:
    with rogue_server() as (port, _):
        write_run(tmp_path, Endpoint("localhost", port), [0.0, 0.1], ["/ok"])
        assert run(tmp_path).counts() == {"ok": 2}
    write_run(tmp_path, Endpoint("no-such-host.invalid", 1), [0.0], ["/ok"])
    outcome = run(tmp_path)
    assert outcome.code == 1
    assert outcome.fault.message.startswith("no-such-host.invalid: ")


def test_target_that_dies_in_the_middle(tmp_path: Path) -> None:
    with rogue_server() as (port, pid):
        write_run(
            tmp_path,
            Endpoint("127.0.0.1", port),
            np.arange(0, 3, 0.005),
            ["/ok"],
            connections=4,
            await_start=True,
        )
        with Generator(tmp_path) as generator:
            generator.until("ready")
            generator.say(Command(start=Start(time.monotonic())))
            generator.until("progress")
            os.kill(pid, signal.SIGKILL)
            outcome = generator.finish()
    counts = outcome.counts()
    assert sum(counts.values()) == 600
    assert counts["ok"] > 0
    assert counts["refused"] > 0
    assert outcome.result.complete


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("plan.json", b"{", "plan.json: Input data was truncated"),
        ("plan.json", b'{"seconds": 1}', "plan.json: Object missing required field"),
        ("demand.npz", b"rubbish", "demand.npz: not a demand file"),
        ("demand.npz", None, "demand.npz: No such file or directory"),
    ],
)
def test_bad_run_folder_is_one_line(
    tmp_path: Path, file: str, content: bytes | None, message: str
) -> None:
    write_run(tmp_path, Endpoint("127.0.0.1", 1), [0.0], ["/ok"])
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_schedule(tmp_path, read_plan(tmp_path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 0.0},
        {"workers": 0},
        {"warmup_s": -1.0},
        {"warmup_s": 2.0, "seconds": 1.0},
        {"timeout_s": -1.0},
        {"ops": []},
    ],
    ids=str,
)
def test_plan_that_makes_no_sense(tmp_path: Path, change: dict[str, object]) -> None:
    write_run(tmp_path, Endpoint("127.0.0.1", 1), [0.0], ["/ok"], **change)
    with pytest.raises(InputError, match=next(iter(change))):
        read_plan(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"t_s": [1.0, 0.5]}, "ascending"),
        ({"t_s": [-1.0, 0.5]}, "not negative"),
        ({"t_s": [0.0, float("nan")]}, "not finite"),
        ({"t_s": [0.0]}, "differ in length"),
        ({"op": [0, 1]}, "op 1, but the plan names 1"),
    ],
)
def test_demand_that_makes_no_sense(
    tmp_path: Path, arrays: dict[str, list[float]], message: str
) -> None:
    write_run(tmp_path, Endpoint("127.0.0.1", 1), [0.0, 1.0], ["/ok"])
    good = {"t_s": [0.0, 1.0], "agent": [0, 1], "task": [0, 0], "op": [0, 0]}
    np.savez(tmp_path / "demand.npz", **{k: np.array(v) for k, v in (good | arrays).items()})
    with pytest.raises(InputError, match=message):
        load_schedule(tmp_path, read_plan(tmp_path))


def test_bad_run_folder_exits_with_2_and_no_traceback(tmp_path: Path) -> None:
    write_run(tmp_path, Endpoint("127.0.0.1", 1), [0.0], ["/ok"])
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe")
    outcome = run(tmp_path)
    assert outcome.code == 2
    assert "plan.json" in outcome.fault.message
    assert "Traceback" not in outcome.log
