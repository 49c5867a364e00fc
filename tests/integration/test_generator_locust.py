"""Locust's own ways in and out: master and workers started by hand, web UI, CSV."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np

from loadgen.generator.protocol import Command
from loadgen.targets.port import Endpoint
from tests.integration.generator_runs import ROOT, Generator, rogue_server, write_run


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_master_and_two_workers_started_apart(tmp_path: Path) -> None:
    meeting = str(_free_port())
    with rogue_server() as (port, _):
        write_run(
            tmp_path, Endpoint("127.0.0.1", port), np.arange(0, 1, 0.0025), ["/ok"], workers=2
        )
        options = ["--master", "--expect-workers", "2"]
        options += ["--master-bind-host", "127.0.0.1", "--master-bind-port", meeting]
        with Generator(tmp_path, *options) as generator:
            options = ["--worker", "--master-host", "127.0.0.1", "--master-port", meeting]
            workers = [
                subprocess.Popen(
                    [sys.executable, "-m", "loadgen.generator", str(tmp_path), *options],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                for _ in range(2)
            ]
            outcome = generator.finish()
        codes = [worker.wait(15) for worker in workers]
    assert (outcome.code, codes) == (0, [0, 0])
    assert outcome.result.workers == 2
    assert outcome.counts() == {"ok": 400}


def test_web_ui_and_csv_show_our_statistics(tmp_path: Path) -> None:
    ui = _free_port()
    csv = tmp_path / "locust"
    with rogue_server() as (port, _):
        paths = ["/ok", "/ok", "/ok", "/teapot"]
        write_run(tmp_path, Endpoint("127.0.0.1", port), np.arange(0, 1, 0.0025), paths)
        options = ["--autostart", "--web-host", "127.0.0.1", "--web-port", str(ui)]
        with Generator(tmp_path, *options, "--csv", str(csv)) as generator:
            generator.until("done")
            with urllib.request.urlopen(f"http://127.0.0.1:{ui}/stats/requests") as answer:
                stats = json.load(answer)
            time.sleep(1.2)  # Locust writes its CSV once a second
            generator.say(Command(stop=True))
            outcome = generator.finish()
    assert outcome.code == 0
    rows = {row["name"]: row for row in stats["stats"]}
    assert rows["Aggregated"]["num_requests"] == 400
    assert rows["authorize"]["num_requests"] == 400
    assert rows["authorize"]["num_failures"] == 100
    assert rows["lag"]["num_requests"] == 400
    assert [(error["error"], error["occurrences"]) for error in stats["errors"]] == [("418", 100)]
    # Locust's percentiles are ours, below its usual millisecond too
    median_ms = rows["authorize"]["median_response_time"]
    both = outcome.histogram()
    both.add(outcome.histogram(code="418"))
    assert abs(median_ms * 1e3 / both.get_value_at_percentile(50) - 1) < 0.02
    assert "authorize,400,100" in csv.with_name("locust_stats.csv").read_text()


PLUGIN = """
import json
from locust import events

@events.request.add_listener
def note(request_type, name, response_time, response_length, exception, **_):
    with open({path!r}, "a") as file:
        print(json.dumps([request_type, name, response_time, str(exception)]), file=file)

@events.request.add_listener
def fail(**_):
    raise ValueError("a plugin's own fault harms nobody")
"""


def test_listeners_of_locusts_request_event_hear_of_every_arrival(tmp_path: Path) -> None:
    heard, plugin = tmp_path / "heard.jsonl", tmp_path / "plugin.py"
    plugin.write_text(PLUGIN.format(path=str(heard)))
    locustfile = ROOT / "loadgen" / "generator" / "locustfile.py"
    with rogue_server() as (port, _):
        paths = ["/ok", "/ok", "/ok", "/teapot"]
        write_run(tmp_path, Endpoint("127.0.0.1", port), np.arange(0, 1, 0.01), paths)
        with Generator(tmp_path, "-f", f"{locustfile},{plugin}") as generator:
            outcome = generator.finish()
    rows = [json.loads(line) for line in heard.read_text().splitlines()]
    assert outcome.counts() == {"ok": 75, "418": 25}
    assert [row[3] for row in rows].count("None") == 75
    assert [row[3] for row in rows].count("418") == 25
    assert {(kind, name) for kind, name, *_ in rows} == {("open", "authorize")}
    both = outcome.histogram()
    both.add(outcome.histogram(code="418"))
    # slot for slot what the histogram has: three significant digits of a value within 0.1 % of it
    heard_us = sorted(row[2] * 1e3 for row in rows)
    recorded_us = [
        slot.value_iterated_to
        for slot in both.get_recorded_iterator()
        for _ in range(slot.count_at_value_iterated_to)
    ]
    np.testing.assert_allclose(heard_us, recorded_us, rtol=0.006)
