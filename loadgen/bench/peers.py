"""The peers: k6, Locust's FastHttpUser and wrk, each run once and read in its own words."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadgen.bench.process import finish, running, start
from scenarios.errors import ProcessError

_MARGIN_S = 45.0
"""beyond its planned length, for start-up and shutdown on a busy machine"""


@dataclass(frozen=True, slots=True)
class PeerRun:
    """What a tool reported."""

    sent: int
    rps: float
    p95_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool with its settings, ready to run against a URL."""

    tool: str
    label: str
    options: Mapping[str, Any]


def start_peer(
    peer: Peer, program: str, url: str, seconds: float, folder: Path, core: int
) -> "subprocess.Popen[bytes]":
    """Start a peer; ``read_peer`` waits for it and reads its report."""
    log, out = folder / "peer.log", folder / "peer.out"
    out.unlink(missing_ok=True)
    if peer.tool == "k6":
        script = folder / "peer.js"
        script.write_text(_k6_script(url, seconds, peer.options), "utf-8")
        trend = "--summary-trend-stats=med,p(95),p(99)"
        command = [program, "run", "--quiet", trend, f"--summary-export={out}", str(script)]
        return start(command, core, log)
    if peer.tool == "wrk":
        command = [program, "-t1", f"-c{peer.options['connections']}", "--latency"]
        return start([*command, f"-d{seconds:g}s", url], core, log, stdout=out)
    locustfile = Path(__file__).parents[1] / "generator" / "closed_loop.py"
    users = str(peer.options["users"])
    command = ["env", f"PACE={peer.options['pace']}", program, "-m", "locust", "--headless"]
    command += ["-f", str(locustfile), "-H", url.rstrip("/"), "-u", users, "-r", users]
    command += ["-t", f"{round(seconds)}s", "--only-summary", "--reset-stats", "--json-file"]
    return start([*command, str(out.with_suffix(""))], core, log)


def read_peer(
    peer: Peer, process: "subprocess.Popen[bytes]", seconds: float, folder: Path
) -> PeerRun:
    """Wait for a peer and read what it reports.

    Raises:
        ProcessError: it failed, or its report cannot be read.
    """
    with running(process):
        finish(process, seconds + _MARGIN_S, folder / "peer.log")
    out = folder / "peer.out"
    try:
        if peer.tool == "k6":
            return _read_k6(json.loads(out.read_text("utf-8")), seconds)
        if peer.tool == "wrk":
            return _read_wrk(out.read_text("utf-8"), seconds)
        return _read_locust(json.loads(out.with_suffix(".json").read_text("utf-8")))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ProcessError(f"{peer.label}: its report cannot be read: {error}") from error


def run_peer(
    peer: Peer, program: str, url: str, seconds: float, folder: Path, core: int
) -> PeerRun:
    """Start a peer, wait for it and read its report."""
    process = start_peer(peer, program, url, seconds, folder, core)
    return read_peer(peer, process, seconds, folder)


def locust_program() -> str:
    """Return the Python that runs Locust."""
    return sys.executable


def _k6_script(url: str, seconds: float, options: Mapping[str, Any]) -> str:
    scenario: dict[str, Any] = {"duration": f"{seconds:g}s", "gracefulStop": "10s"}
    if "rate_hz" in options:
        scenario |= {
            "executor": "constant-arrival-rate",
            "rate": options["rate_hz"],
            "timeUnit": "1s",
            "preAllocatedVUs": options["vus"],
            "maxVUs": options["vus"],
        }
    else:
        scenario |= {"executor": "constant-vus", "vus": options["vus"]}
    settings = json.dumps({"discardResponseBodies": True, "scenarios": {"load": scenario}})
    return (
        "import http from 'k6/http';\n"
        f"export const options = {settings};\n"
        f"export default function () {{ http.get({json.dumps(url)}); }}\n"
    )


def _read_k6(summary: dict[str, Any], seconds: float) -> PeerRun:
    metrics = summary["metrics"]
    sent = int(metrics["http_reqs"]["count"])
    duration = metrics["http_req_duration"]
    return PeerRun(sent, sent / seconds, duration["p(95)"] / 1e3, duration["p(99)"] / 1e3)


def _read_wrk(text: str, seconds: float) -> PeerRun:
    found = re.search(r"(\d+) requests in", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    if found is None or p99 is None:
        raise ValueError(text[-200:])
    unit = {"us": 1e-6, "ms": 1e-3, "s": 1.0}[p99[2]]
    return PeerRun(int(found[1]), int(found[1]) / seconds, None, float(p99[1]) * unit)


def _read_locust(entries: Sequence[dict[str, Any]]) -> PeerRun:
    entry = entries[0]
    sent = int(entry["num_requests"])
    times = sorted((float(ms), n) for ms, n in entry["response_times"].items())
    lasted = entry["last_request_timestamp"] - entry["start_time"]
    return PeerRun(sent, sent / lasted, _percentile(times, 95), _percentile(times, 99))


def _percentile(times: Sequence[tuple[float, int]], percent: float) -> float:
    rank, seen = percent / 100 * sum(n for _, n in times), 0
    for ms, n in times:
        seen += n
        if seen >= rank:
            return ms / 1e3
    raise ValueError("no response times")


def without_proxy() -> None:
    """Keep proxies of the environment away from loopback."""
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"
