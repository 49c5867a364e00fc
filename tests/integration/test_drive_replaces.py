"""An owner whose credential was revoked gets another one and goes on."""

from pathlib import Path

import pytest

from loadgen.drive import drive
from loadgen.targets.registry import make_target
from scenarios.record.record import RunRecord
from scenarios.spec.resolve import load

SECONDS = 6.0


def robbed(target: str, regime: str) -> RunRecord:
    """Drive while one agent's current document is used from two addresses, which is answered."""
    return drive(
        load(Path("customer-service")).scenario,
        lambda: make_target(target),
        5,
        regimes=[regime],
        rate_hz=60.0,
        seconds=SECONDS,
        attacks=["two-origin-thief:2"],
        lag_bound_s=0.5,  # the machine that runs tests has other things to do
    )


@pytest.mark.parametrize(
    ("target", "regime"),
    [("embedded-mtls", "x509-svid-1h"), ("openbao", "x509-svid-1h")],
)
def test_the_owner_of_a_revoked_document_gets_another(target: str, regime: str) -> None:
    """Every revoked document is still held, for it lives longer than the run: each is replaced."""
    record = robbed(target, regime)
    counts = {count.name: count.value for count in record.counts}
    assert counts["revocations"] >= 1
    assert counts["replacements"] == counts["revocations"]
    assert counts["arrivals_missing"] == 0
    assert not any("no new credential" in note for note in record.manifest.notes)
    for theft in record.incidents:
        assert theft.end == "revoked"
        assert theft.revoked_s is not None
