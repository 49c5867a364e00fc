"""The service's bench: every ratio is there, from a run too short to be quoted."""

import pytest

from loadgen.bench import tamper_evidence
from loadgen.bench.raw_crypto import per_core, raw_operations
from loadgen.bench.service import bench_service
from loadgen.bench.table import Ratio

OPERATIONS = [
    f"{verb}_{kind}" for verb in ("issue", "authorize") for kind in ("x509", "jwt", "key")
]


def test_a_short_bench_gives_every_ratio() -> None:
    table = bench_service(rounds=1, measured_s=0.3)
    assert table.missing == []
    expected = {f"{operation}_over_openbao" for operation in OPERATIONS}
    expected |= {f"{operation}_over_raw" for operation in OPERATIONS if "key" not in operation}
    expected |= {
        f"{operation.replace('-', '_')}_tamper_evident_{of}"
        for operation in tamper_evidence.OPERATIONS
        for of in ("cpu", "rate")
    }
    assert set(table.ratios) == expected | {"tls_resume_over_full"}
    assert all(isinstance(ratio, Ratio) and ratio.value for ratio in table.ratios.values())
    raw = [ratio.value for name, ratio in table.ratios.items() if name.endswith("_over_raw")]
    assert all(value is not None and value < 1.0 for value in raw), "faster than its signatures"


def test_what_an_audit_line_costs_is_measured_without_load() -> None:
    cost = tamper_evidence.Cost()
    cost.read()
    found = {(case.name, case.metric): case.value for case in cost.cases()}
    # a difference of two CPU times: on a busy machine it may come out at or below nothing
    of_the_tree = found.pop(("audit line", "CPU time of tree and checkpoints"))
    written = found["audit line", "CPU time"]
    assert of_the_tree is not None
    assert written is not None
    assert of_the_tree < written
    assert all(value is not None and value > 0 for value in found.values())
    assert found["audit line", "written"] > 100  # type: ignore[operator]
    assert found["audit line", "checkpoints"] < 1  # type: ignore[operator]


@pytest.mark.parametrize("name", ["issue-x509", "issue-jwt", "authorize-x509", "authorize-jwt"])
def test_bare_cryptography_runs(name: str) -> None:
    assert per_core(raw_operations()[name], 0.02) > 0
