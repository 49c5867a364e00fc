"""Every catalogue scenario runs within its bound at its default size."""

import pytest

from midas.catalog_bench import bench_catalog
from scenarios.spec import resolve


@pytest.mark.long
@pytest.mark.parametrize("name", resolve.catalog())
def test_a_scenario_keeps_its_bound(name: str) -> None:
    """Beside others, the part of the processor that they left has to do: it is in the same run."""
    (row,) = bench_catalog([name]).scenarios
    assert row.verdict != "not kept", row
    assert row.wall_s * (1.0 - row.others) <= row.bound_s, row
