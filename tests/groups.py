"""Run every test that belongs before a merge, group by group, and say how long each took.

The group that mostly waits for real processes runs beside those that compute, and then one of them
beside the others. Of the groups that
run real processes in real time, up to three failures are repeated once, alone, when all else is
done: a neighbour that took the processor is no fault of midas, and one that passes alone is named,
not hidden. Groups whose outcome the seed decides are never repeated.

``python -m tests.groups`` runs all groups in order; ``python -m tests.groups laws security`` runs
those. The last line is ``N passed, N failed``. Exit 1 if a test failed or a group ran none: a suite
that silently lost its tests is no green suite.
"""

# ruff: noqa: T201  (its report is what it is for)

import io
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TextIO

ROOT = Path(__file__).resolve().parent.parent
QUICK = ("-m", "not long")
GROUPS: dict[str, tuple[str, ...]] = {
    "unit": ("tests/unit",),
    "laws": ("tests/laws",),
    "invalid": ("tests/invalid",),
    "verification": ("tests/verification", "--ignore-glob=*/test_catalogue_*"),
    "catalogue": ("tests/verification", "--ignore-glob=*/test_[!c]*"),
    "conformance": ("tests/conformance",),
    "integration": ("tests/integration",),
    "security": ("tests/security",),
    "benchmarks": ("tests/benchmarks", "--benchmark-disable"),
}
LANES = (("unit", "laws", "invalid", "verification"), ("integration", "catalogue"))
"""what runs side by side, each in its order; the integration group waits most of its time"""
REAL_TIME = ("conformance", "integration", "security")
MOST_REPEATED = 3
_FAILED = re.compile(r"FAILED (tests/.+?)(?: - .*)?$")
_COUNT = re.compile(r"(\d+) (passed|failed|error|errors|skipped|xfailed|xpassed)\b")


class Result(NamedTuple):
    """What became of one group."""

    group: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    culprits: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return self.failed == 0 and self.passed > 0


def run(group: str, arguments: tuple[str, ...], out: TextIO) -> Result:
    """Run one group in a process of its own, its output passed on to ``out`` as it comes."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", *QUICK, *arguments]
    print(f"\n== {group}", file=out, flush=True)
    start_s = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last, culprits = "", list[str]()
        for line in process.stdout:
            out.write(line)
            out.flush()
            if found := _FAILED.match(line):
                culprits.append(found[1])
            last = line if _COUNT.search(line) else last
    counts = {word.removesuffix("s"): int(number) for number, word in _COUNT.findall(last)}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    if process.returncode not in {0, 5} and failed == 0:
        failed = 1  # pytest itself broke: a usage error, an internal error or a crash
    skipped = counts.get("skipped", 0)
    seconds = time.monotonic() - start_s
    return Result(group, counts.get("passed", 0), failed, skipped, seconds, tuple(culprits))


def repeat(result: Result) -> Result:
    """Run alone what failed in real time, if it was little and nothing else went wrong."""
    culprits = result.culprits
    if (
        result.group not in REAL_TIME
        or len(culprits) != result.failed
        or not 0 < len(culprits) <= MOST_REPEATED
    ):
        return result
    again = run(f"{result.group}, repeated alone", culprits, sys.stdout)
    return result._replace(
        passed=result.passed + again.passed,
        failed=again.failed,
        seconds=result.seconds + again.seconds,
        repeated=tuple(name for name in culprits if name not in again.culprits),
    )


def side_by_side(wanted: list[str]) -> Iterator[Result]:
    """Run two lanes of groups beside each other; the output of the second one comes last."""
    first, second = ([name for name in lane if name in wanted] for lane in LANES)
    with ThreadPoolExecutor(1) as lane:
        heard = io.StringIO()
        others = [lane.submit(run, name, GROUPS[name], heard) for name in second]
        for name in first:
            yield run(name, GROUPS[name], sys.stdout)
        for other in others:
            yield other.result()
        print(heard.getvalue(), flush=True)


def main(names: list[str]) -> int:
    """Run the named groups, all when none is named, and return the exit code."""
    if unknown := set(names) - set(GROUPS):
        print(f"unknown group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
        return 2
    wanted = names or list(GROUPS)
    began_s = time.monotonic()
    results = [*side_by_side(wanted)]
    alone = [name for name in wanted if not any(name in lane for lane in LANES)]
    results += [run(name, GROUPS[name], sys.stdout) for name in alone]
    results = [repeat(result) for result in results]
    print(f"\n{'group':<14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for result in results:
        remark = "" if result.passed or result.failed else "  no test ran"
        counts = f"{result.passed:>8}{result.failed:>8}{result.skipped:>9}"
        print(f"{result.group:<14}{counts}{result.seconds:>9.1f}{remark}")
    for name in (name for result in results for name in result.repeated):
        print(f"passed only when repeated alone: {name}")
    print(f"in all {time.monotonic() - began_s:.1f} s")
    passed = sum(result.passed for result in results)
    print(f"{passed} passed, {sum(result.failed for result in results)} failed", flush=True)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
