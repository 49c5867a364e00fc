"""Compiled kernels are cached on disk, never stale, and cheap enough to compile anew."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROBE = '''
"""A kernel that calls a law of another file."""

from numba import types

from simulator.fleet.laws import expiry
from simulator.fleet.memory import entry


@entry(types.float64(types.float64, types.float64))
def probe(issued_s, ttl_s):
    return expiry(issued_s, ttl_s)
'''
ASK = "from simulator.fleet.probe import probe; print(probe(1.0, 2.0), len(probe.stats.cache_hits))"
COLD = """
import time
import numba
import simpy, scipy.stats, scenarios.spec.resolve, simulator.control.run

def yardstick(n):
    began = time.process_time()
    for k in range(n):
        numba.njit(numba.float64(numba.float64))(eval(f"lambda x: x * {k}.0 + x"))
    return (time.process_time() - began) / n

yardstick(3)
one = yardstick(30)
began = time.process_time()
import simulator.fleet.population
print((time.process_time() - began) / one)
"""
FUNCTIONS = 380.0
"""what the kernels of a plain run may cost to compile, in small functions; measured: 240 to 300"""


def python(code: str, project: Path, cache: Path) -> str:
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(project)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout.strip()


def test_a_kernel_notices_a_law_that_was_edited_in_another_file(tmp_path: Path) -> None:
    project, cache = tmp_path / "project", tmp_path / "cache"
    for room in ("scenarios", "simulator"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / room, project / room, ignore=ignored)
    (project / "simulator/fleet/probe.py").write_text(PROBE)
    assert python(ASK, project, cache) == "3.0 0"
    assert python(ASK, project, cache) == "3.0 1"
    rules = project / "scenarios/spec/rules.py"
    law = "return issued_s + ttl_s"
    assert law in rules.read_text()
    rules.write_text(rules.read_text().replace(law, "return issued_s + 2.0 * ttl_s"))
    assert python(ASK, project, cache) == "5.0 0"


def test_compiling_everything_stays_cheap(tmp_path: Path) -> None:
    cold = float(python(COLD, ROOT, tmp_path))
    warm = float(python(COLD, ROOT, tmp_path))
    assert cold < FUNCTIONS
    assert warm < cold / 5
