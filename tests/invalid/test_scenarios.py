"""Every bad scenario here breaks one rule and is answered in one line, ``messages.txt``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.spec.resolve import regime_names

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.toml"))
ROOT = HERE.parent.parent
MESSAGES = (HERE / "messages.txt").read_text(encoding="utf-8")
EXPECTED = dict(
    line.replace("{regimes}", ", ".join(regime_names())).split(": ", maxsplit=1)
    for line in MESSAGES.splitlines()
)


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "midas", "scenario", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def plain() -> subprocess.CompletedProcess[str]:
    return check(*(file.relative_to(ROOT) for file in FILES))


@pytest.fixture(scope="module")
def documents() -> subprocess.CompletedProcess[str]:
    return check(*(file.relative_to(ROOT) for file in FILES), "--json")


def test_there_are_at_least_25_and_each_has_its_message() -> None:
    assert len(FILES) >= 25
    assert {file.name for file in FILES} == set(EXPECTED)


def test_plain_output_is_one_line_per_file(plain: subprocess.CompletedProcess[str]) -> None:
    expected = [f"tests/invalid/{name}: {message}" for name, message in sorted(EXPECTED.items())]
    assert plain.stdout.splitlines() == expected
    assert plain.stderr == ""
    assert plain.returncode == 2


def test_json_names_the_same_faults(documents: subprocess.CompletedProcess[str]) -> None:
    results = json.loads(documents.stdout)
    assert documents.returncode == 2
    assert len(results) == len(FILES)
    for result in results:
        assert result["ok"] is False
        (problem,) = result["problems"]
        assert set(problem) == {"key", "found", "allowed", "message"}
        assert problem["key"] in problem["message"]
        assert problem["allowed"] in problem["message"]


@pytest.mark.parametrize("command", ["simulate", "drive"])
def test_commands_that_need_a_scenario_refuse_it_in_the_same_words(
    command: str, tmp_path: Path
) -> None:
    file = HERE / "horizon-negative.toml"
    arguments = [sys.executable, "-m", "midas", command, str(file), "--out", str(tmp_path / "out")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"midas: {file}: {EXPECTED[file.name]}\n"
    assert not (tmp_path / "out").exists()


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    done = check(tmp_path / "customer-servce.toml", tmp_path)
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        f"{tmp_path}/customer-servce.toml: does not exist; did you mean 'customer-service'?",
        f"{tmp_path}: is a directory, must be a TOML file",
    ]


def test_every_fault_of_one_file_is_reported_at_once(tmp_path: Path) -> None:
    text = (HERE / "horizon-negative.toml").read_text(encoding="utf-8")
    file = tmp_path / "several.toml"
    file.write_text(text.replace("rate_hz = 0.01", "rate_hz = nan") + "\n[start]\nhour = 3\n")
    done = check(file)
    keys = [line.removeprefix(f"{file}: ").split(":")[0] for line in done.stdout.splitlines()]
    assert set(keys) == {"horizon_s", "workloads[0].tasks[0].rate_hz", "start.hour"}


def test_a_good_file_beside_bad_ones_is_called_ok() -> None:
    done = check("customer-service", HERE / "empty.toml")
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1].endswith("empty.toml: is empty, must be a scenario")
    assert "customer-service: ok" in done.stdout
