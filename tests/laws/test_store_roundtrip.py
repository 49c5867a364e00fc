"""Law: load after save is the identity on records."""

import tempfile
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.record import store
from scenarios.record.parquet import TABLES
from scenarios.record.record import RunRecord
from tests.unit.test_store import manifest

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
LEAVES = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    bytes: st.binary(max_size=40),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.floats(-1e300, 1e300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def values(hint: object) -> st.SearchStrategy[Any]:
    """Return what a column of type ``hint`` may hold."""
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if hint in LEAVES:
        return LEAVES[hint]
    return st.one_of(*(st.none() if part is NoneType else LEAVES[part] for part in get_args(hint)))


def rows(kind: type[msgspec.Struct]) -> st.SearchStrategy[list[msgspec.Struct]]:
    columns = {field.name: values(field.type) for field in msgspec.structs.fields(kind)}
    return st.lists(st.builds(kind, **columns), max_size=4)


@settings(max_examples=20, deadline=None)
@given(
    st.fixed_dictionaries({name: rows(kind) for name, kind in TABLES.items()}),
    st.dictionaries(TEXT, JSON, max_size=4),
    st.dictionaries(TEXT, TEXT, max_size=3),
)
def test_load_after_save_is_the_identity(
    tables: dict[str, list[msgspec.Struct]], scenario: dict[str, object], sources: dict[str, str]
) -> None:
    record = RunRecord(manifest(scenario=scenario, sources=sources), **tables)
    with tempfile.TemporaryDirectory() as folder:
        assert store.load(store.save(record, Path(folder) / "r")) == record
