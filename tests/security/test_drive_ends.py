"""However the driving process ends, nothing of the run is left: no process, no socket, no data."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

DRIVER = """
import json, sys
from pathlib import Path
from loadgen.drive import drive
from loadgen.targets.registry import make_target
from scenarios.spec.resolve import load

def tell(p):
    print(json.dumps({"phase": p.phase, "sent": p.sent, "thefts": p.thefts}), flush=True)

record = drive(load(Path("customer-service")).scenario, lambda: make_target("embedded"), 7,
               regimes=["static-key", "jwt-svid-5m"], rate_hz=15, seconds=60,
               workdir=Path(sys.argv[1]), on_progress=tell)
m = record.manifest
print(json.dumps({"valid": m.valid, "complete": m.complete, "reason": m.reason,
                  "operations": sum(r.count for r in record.operations),
                  "incidents": len(record.incidents),
                  "counts": {c.name: c.value for c in record.counts}}), flush=True)
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def lines(process: subprocess.Popen[bytes], enough: Callable[[dict[str, object]], bool]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if enough(json.loads(line)):
            return
    pytest.fail("the driver ended before it came so far")


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def wait_gone(processes: list[psutil.Process], within_s: float = 10.0) -> None:
    limit = time.monotonic() + within_s
    while alive(processes) and time.monotonic() < limit:
        time.sleep(0.05)
    assert alive(processes) == []


def test_sigkill_leaves_no_process_and_no_folder(
    driver: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    lines(driver, lambda line: line["phase"] == "window" and bool(line["sent"]))
    children = descendants(driver)
    assert len(children) >= 3
    assert list(tmp_path.iterdir()) != []
    os.kill(driver.pid, signal.SIGKILL)
    wait_gone(children)
    assert list(tmp_path.iterdir()) == []


def test_a_signal_leaves_a_partial_record_and_nothing_else(
    driver: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    lines(driver, lambda line: line["phase"] == "window" and bool(line["thefts"]))
    children = descendants(driver)
    os.kill(driver.pid, signal.SIGINT)
    assert driver.stdout is not None
    last = json.loads(driver.stdout.read().splitlines()[-1])
    assert driver.wait(10) == 0
    assert not last["valid"]
    assert not last["complete"]
    assert last["reason"].startswith("interrupted")
    assert last["operations"] > 0
    assert last["incidents"] > 0
    assert last["counts"]["arrivals_missing"] == 0
    assert last["counts"]["arrivals_unsent"] > 0
    assert alive(children) == []
    assert list(tmp_path.iterdir()) == []


def test_a_signal_during_set_up_ends_before_any_load(
    driver: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    lines(driver, lambda line: line["phase"] == "set-up")
    os.kill(driver.pid, signal.SIGTERM)
    assert driver.stdout is not None
    last = json.loads(driver.stdout.read().splitlines()[-1])
    assert driver.wait(10) == 0
    assert last["reason"].startswith("interrupted")
    assert last["operations"] == 0
    assert list(tmp_path.iterdir()) == []
