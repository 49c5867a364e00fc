"""The rooms: who may import whom, and what earns its place in the contract."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("simulator", "loadgen", "analysis", "midas")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("scenarios", *ROOMS, cache_dir=None)


def users(graph: grimp.ImportGraph, module: str) -> set[str]:
    """Return the rooms that import a module, directly or through other modules of the contract."""
    seen, rooms, open_ends = {module}, set(), [module]
    while open_ends:
        for importer in graph.find_modules_that_directly_import(open_ends.pop()):
            room = importer.partition(".")[0]
            if room != "scenarios":
                rooms.add(room)
            elif importer not in seen:
                seen.add(importer)
                open_ends.append(importer)
    return rooms


def test_what_fewer_than_two_rooms_use_does_not_belong_into_the_contract(
    graph: grimp.ImportGraph,
) -> None:
    packages = {name for name in graph.modules if graph.find_children(name)}
    contract = {name for name in graph.modules if name.partition(".")[0] == "scenarios"}
    lonely = {name: users(graph, name) for name in contract - packages}
    assert {name: rooms for name, rooms in lonely.items() if len(rooms) < 2} == {}


def test_only_midas_prints_and_reads_the_command_line(graph: grimp.ImportGraph) -> None:
    outside = grimp.build_graph("scenarios", *ROOMS, include_external_packages=True, cache_dir=None)
    for library in ("typer", "rich"):
        importers = outside.find_modules_that_directly_import(library)
        assert {name.partition(".")[0] for name in importers} <= {"midas"}, library
    assert graph.modules


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stdout
