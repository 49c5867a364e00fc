"""What scripts rely on: ``--json`` is one document of the promised shape, the rest is on stderr."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.command_line import ROOT, SCHEMAS, Done, conforms, finish, midas, start

SIMULATE = ("simulate", "customer-service", "--agents", "8", "--hours", "2.5", "--seed", "7")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def simulated(results: Path) -> Done:
    return midas(*SIMULATE, "--json", "--out", results)


def test_schemas_are_schemas() -> None:
    for path in SCHEMAS.glob("*.json"):
        Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_simulate(simulated: Done, results: Path) -> None:
    assert simulated.returncode == 0
    document = conforms("simulate", simulated)
    assert document["path"] == str(results / document["run_id"])
    assert set(document["regimes"]) == {"static-key", "x509-svid-1h", "jwt-svid-5m", "task-svid"}
    static = document["regimes"]["static-key"]["residual_validity_s"]
    assert static["infinite"] is True
    assert static["value"] is None


def without_wall(document: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if k not in {"wall_s", "path"}}


def test_equal_inputs_give_equal_results_and_another_seed_others(
    simulated: Done, tmp_path: Path
) -> None:
    first = json.loads(simulated.stdout)
    again = midas(*SIMULATE, "--json", "--out", tmp_path)
    assert without_wall(json.loads(again.stdout)) == without_wall(first)
    other = midas(*SIMULATE, "--json", "--out", tmp_path, "--seed", "8")
    assert json.loads(other.stdout)["regimes"] != first["regimes"]


def test_what_was_computed_is_shown_again(simulated: Done, results: Path) -> None:
    before = sorted(results.iterdir())
    again = midas(*SIMULATE, "--json", "--out", results)
    assert json.loads(again.stdout) == json.loads(simulated.stdout)
    assert "Computed before" in again.stderr
    assert sorted(results.iterdir()) == before
    quiet = midas(*SIMULATE, "--out", results, "--quiet")
    assert quiet.stderr == ""


def test_runs_are_listed_and_shown(simulated: Done, results: Path) -> None:
    run_id = json.loads(simulated.stdout)["run_id"]
    (listed,) = json.loads(midas("runs", "list", "--json", "--results", results).stdout)
    assert listed["run_id"] == run_id
    for name in (run_id, run_id[:5], "latest"):
        shown = midas("runs", "show", name, "--json", "--results", results)
        assert json.loads(shown.stdout) == json.loads(simulated.stdout)


@pytest.mark.usefixtures("simulated")
def test_people_get_aligned_lines_within_80_columns(results: Path) -> None:
    shown = midas("runs", "show", "latest", "--results", results)
    lines = shown.stdout.splitlines()
    estimates = [line for line in lines if " n = " in line]
    assert len(estimates) > 20
    assert max(map(len, estimates)) <= 80
    assert len({line.index(" n = ") for line in estimates}) == 1


def test_check_conforms() -> None:
    done = midas(
        "scenario", "check", "customer-service", ROOT / "tests/invalid/empty.toml", "--json"
    )
    assert done.returncode == 2
    good, bad = conforms("check", done)
    assert good["ok"]
    assert not bad["ok"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("scenario", "list"),
        ("scenario", "show", "customer-service"),
        ("scenario", "resolve", "customer-service"),
        ("scenario", "window", "customer-service", "--rate-hz", "20", "--seconds", "5"),
    ],
)
def test_scenario_commands_print_one_document(arguments: tuple[str, ...]) -> None:
    done = midas(*arguments, "--json")
    assert done.returncode == 0
    json.loads(done.stdout)


def test_resolve_names_the_source_of_each_number_from_the_world() -> None:
    document = json.loads(midas("scenario", "resolve", "customer-service", "--json").stdout)
    assert document["sources"]["regimes[1].ttl_s"] == "spire.x509_ttl"
    plain = midas("scenario", "resolve", "customer-service").stdout
    assert "regimes[1].ttl_s = 3600.0  # source:spire.x509_ttl" in plain


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_replications_are_kept_and_resumed(
    number: signal.Signals, tmp_path: Path
) -> None:
    command = (*SIMULATE, "--json", "--replications", "3", "--out", tmp_path)
    child = start(*command)
    deadline_s = time.monotonic() + 60
    while not list(tmp_path.glob(".*.parts/*.part")) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    child.send_signal(number)
    done = finish(child)
    assert (done.returncode, done.stdout) == (130, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "midas: interrupted"
    assert "resumes" in done.stderr
    (parts,) = tmp_path.iterdir()
    assert parts.name.endswith(".parts")
    kept = len(list(parts.glob("*.part")))
    resumed = midas(*command)
    document = conforms("simulate", resumed)
    assert document["notes"] == [f"{kept} pieces were kept from an interrupted attempt"]
    assert [path.name for path in tmp_path.iterdir()] == [document["run_id"]]
    fresh = json.loads(midas(*command, "--out", tmp_path / "fresh").stdout)
    assert fresh["regimes"] == document["regimes"]


@pytest.mark.parametrize("command", ["simulate", "runs"])
def test_a_results_folder_that_is_a_file_is_named(command: str, tmp_path: Path) -> None:
    file = tmp_path / "results"
    file.write_text("")
    if command == "simulate":
        done = midas(*SIMULATE, "--out", file)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(
            f"midas: results cannot be written to {file}"
        )
        assert "Traceback" not in done.stderr
    else:
        assert midas("runs", "list", "--results", file).returncode == 0
    assert file.read_text() == ""
