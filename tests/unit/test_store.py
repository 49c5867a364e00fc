"""A run record on disk: what is refused, what is left behind, what identifies it."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.errors import RecordError, StoreError
from scenarios.record import parquet, store
from scenarios.record.manifest import Manifest
from scenarios.record.parts import Parts, concatenate
from scenarios.record.record import RunRecord
from scenarios.record.tables import AlertRow, Count
from tests import records

SCHEMAS = Path(__file__).parents[2] / "results" / "schema"


def manifest(**changes: object) -> Manifest:
    own = {
        "scenario": {"name": "s", "horizon_s": 60.0},
        "seed": 1,
        "replications": 2,
        "regimes": ["b", "a"],
    }
    return records.manifest(**own | changes)


def part(regime: str, replication: int) -> RunRecord:
    """One replication with one incident and the alert that points at it."""
    return RunRecord(
        manifest(),
        counts=[Count("", regime, replication, "issued", float(replication))],
        incidents=[records.theft(regime, replication)],
        alerts=[
            AlertRow("", regime, replication, 2.0, 1.0, "two-origins", "spiffe://x/a", 0),
            AlertRow("", regime, replication, 3.0, 2.5, "two-origins", "spiffe://x/b", None),
        ],
    )


def test_a_record_is_written_whole_and_the_temporary_folder_is_gone(tmp_path: Path) -> None:
    folder = store.save(part("a", 0), tmp_path / "runs" / "r1")
    assert sorted(p.name for p in folder.iterdir()) == [
        "alerts.parquet",
        "counts.parquet",
        "incidents.parquet",
        "manifest.json",
        "operations.parquet",
        "series.parquet",
    ]
    assert [p.name for p in folder.parent.iterdir()] == ["r1"]


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    store.save(part("a", 0), tmp_path / "r")
    with pytest.raises(StoreError, match=r"r exists and is not overwritten"):
        store.save(part("a", 1), tmp_path / "r")
    assert store.load(tmp_path / "r") == part("a", 0)


def test_a_folder_name_with_glob_characters_is_a_name(tmp_path: Path) -> None:
    folder = store.save(part("a", 0), tmp_path / "it's [x]*?")
    assert store.load(folder) == part("a", 0)


def test_a_file_where_a_folder_should_be_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        store.save(part("a", 0), tmp_path / "file" / "r")
    line = str(caught.value)
    assert "\n" not in line
    assert str(tmp_path / "file") in line
    assert "--out" in line


def test_a_folder_that_refuses_writing_is_one_line_with_a_remedy() -> None:
    with pytest.raises(StoreError, match=r"/proc: .*; .*--out or MIDAS_RESULTS"):
        store.save(part("a", 0), Path("/proc/r"))


FULL = """
import resource, sys
from pathlib import Path
from scenarios.errors import StoreError
from scenarios.record import store
from tests.unit.test_store import part
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
try:
    store.save(part("a", 0), Path(sys.argv[1]) / "r")
except StoreError as exc:
    sys.exit(f"one line: {exc}")
"""


def test_a_disk_that_takes_no_more_leaves_nothing_behind(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"one line: results cannot be written to {tmp_path}: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_json_cannot_say_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    record = RunRecord(manifest(scenario={"ttl_s": float("inf")}))
    with pytest.raises(ValueError, match="inf"):
        store.save(record, tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def broken(tmp_path: Path, name: str, content: bytes | None) -> Path:
    folder = store.save(part("a", 0), tmp_path / "r")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("manifest.json", None, "no manifest.json, so this is no run record"),
        ("manifest.json", b"{", "damaged manifest"),
        ("manifest.json", b"\xff\xfe\x00", "damaged manifest"),
        ("manifest.json", b'{"schema_version": 1}', "missing required field `run_id`"),
        ("manifest.json", b'{"schema_version": 99}', "schema_version 99, this midas reads 1"),
        ("counts.parquet", None, "counts.parquet: missing"),
        ("counts.parquet", b"", "counts.parquet: damaged table"),
        ("counts.parquet", b"PAR1 rubbish PAR1", "counts.parquet: damaged table"),
    ],
)
def test_a_damaged_record_is_one_line_that_names_the_file(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    folder = broken(tmp_path, name, content)
    with pytest.raises(RecordError) as caught:
        store.load(folder)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_table_is_no_table(tmp_path: Path) -> None:
    folder = store.save(part("a", 0), tmp_path / "r")
    path = folder / "incidents.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError, match=r"incidents\.parquet: damaged table"):
        store.load(folder)


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    folder = store.save(part("a", 0), tmp_path / "r")
    (folder / "alerts.parquet").write_bytes((folder / "counts.parquet").read_bytes())
    with pytest.raises(RecordError, match=r"alerts\.parquet: found columns"):
        store.load(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such folder"):
        store.load(tmp_path / "nothing")


def test_runs_are_listed_oldest_first_with_what_is_wrong(tmp_path: Path) -> None:
    assert store.list_runs(tmp_path / "nothing") == []
    for name, at in (("late", "2026-02-01"), ("early", "2026-01-01")):
        store.save(RunRecord(manifest(started_utc=at)), tmp_path / name)
    (tmp_path / "other").mkdir()
    (tmp_path / ".hidden").mkdir()
    listed = store.list_runs(tmp_path)
    assert [run.path.name for run in listed] == ["other", "early", "late"]
    assert "no manifest.json" in listed[0].problem
    assert [run.problem for run in listed[1:]] == ["", ""]


def test_replications_survive_an_interruption_and_a_damaged_one_is_not_done(tmp_path: Path) -> None:
    first = Parts(tmp_path / "r")
    for regime, replication in (("a", 0), ("b", 1), ("b", 0)):
        first.append("", regime, replication, part(regime, replication))

    damaged = next(iter(sorted(first.folder.glob("*.part"))))
    damaged.write_bytes(damaged.read_bytes()[:-5])
    again = Parts(tmp_path / "r")
    assert len(again.done) == 2
    assert set(again.done) < set(first.done)

    for key in set(first.done) - set(again.done):
        again.append(*key, part(key[1], key[2]))
    whole = again.collect(manifest())
    assert whole == first.collect(manifest())
    assert [(row.regime, row.replication) for row in whole.counts] == [("b", 0), ("b", 1), ("a", 0)]
    again.discard()
    assert Parts(tmp_path / "r").done == {}
    assert store.list_runs(tmp_path) == []


def test_alerts_of_joined_records_point_at_their_own_incidents() -> None:
    whole = concatenate(manifest(), [part("a", 0), part("b", 0), part("a", 1)])
    for alert in whole.alerts:
        if alert.incident is not None:
            theft = whole.incidents[alert.incident]
            assert (theft.regime, theft.replication) == (alert.regime, alert.replication)
    assert [alert.incident for alert in whole.alerts] == [0, None, 1, None, 2, None]


def test_parts_in_a_folder_that_cannot_be_written_are_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="results cannot be written"):
        Parts(tmp_path / "file" / "r").append("", "a", 0, part("a", 0))


def test_the_identity_of_a_run_is_what_decides_its_result() -> None:
    scenario = {"name": "s", "horizon_s": 60.0}
    same = store.simulated_run_id(scenario, "reference", [7, 8], ["a"], "c")
    assert same == store.simulated_run_id(
        {"horizon_s": 60.0, "name": "s"}, "reference", [7, 8], ["a"], "c"
    )
    assert len(same) == 16
    int(same, 16)
    others = [
        store.simulated_run_id({"name": "s", "horizon_s": 61.0}, "reference", [7, 8], ["a"], "c"),
        store.simulated_run_id(scenario, "fleet", [7, 8], ["a"], "c"),
        store.simulated_run_id(scenario, "reference", [8, 8], ["a"], "c"),
        store.simulated_run_id(scenario, "reference", [7, 8], ["a", "b"], "c"),
        store.simulated_run_id(scenario, "reference", [7, 8], ["a"], "d"),
        store.measured_run_id(scenario, {"name": "t"}, [7, 8], ["a"], "c", "now"),
        store.measured_run_id(scenario, {"name": "t"}, [7, 8], ["a"], "c", "later"),
        store.measured_run_id(scenario, {"name": "t"}, [7, 8], ["a"], "c", "now", 1),
    ]
    assert len({same, *others}) == len(others) + 1
    with pytest.raises(ValueError, match="JSON"):
        store.simulated_run_id({"ttl_s": float("inf")}, "reference", [7], ["a"], "c")


def test_the_code_hash_changes_with_a_source_and_not_with_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = tmp_path / "room_of_test"
    (room / "deep").mkdir(parents=True)
    (room / "__init__.py").write_text("")
    (room / "deep" / "law.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = store.code_hash(("room_of_test",))
    (room / "data.toml").write_text("x = 1\n")
    assert store.code_hash(("room_of_test",)) == before
    (room / "deep" / "law.py").write_text("x = 2\n")
    assert store.code_hash(("room_of_test",)) != before


@pytest.mark.parametrize("name", ["manifest", *parquet.TABLES])
def test_the_published_schema_is_what_the_types_say(name: str) -> None:
    published = json.loads((SCHEMAS / f"{name}.json").read_text())
    assert published == parquet.schemas()[name], "renew it: python -m tests.unit.test_store"


if __name__ == "__main__":
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    for stem, schema in parquet.schemas().items():
        (SCHEMAS / f"{stem}.json").write_text(json.dumps(schema, indent=2) + "\n")
