"""What a sceptic asks next depends on what the records hold, and each answer is a real command."""

import shlex

import msgspec
import pytest

from analysis.next_steps import next_steps
from analysis.summary import Summary, summarise
from scenarios.record.record import RunRecord
from tests.command_line import understood
from tests.records import manifest, measured, simulated


def commands(sim: Summary | None, real: Summary | None) -> list[str]:
    return [step.command for step in next_steps(sim, real)]


def test_an_outage_is_asked_for_only_where_nothing_broke() -> None:
    calm = simulated()
    assert "midas simulate outage-beyond-half-life" in commands(summarise(calm), None)
    fault = {"kind": "issuer-outage", "start_s": 5000.0, "duration_s": 1000.0}
    calm.manifest = manifest(scenario=calm.manifest.scenario | {"faults": [fault]})
    assert "midas simulate outage-beyond-half-life" not in commands(summarise(calm), None)


def test_what_is_there_is_not_asked_for() -> None:
    sim, real = summarise(simulated()), summarise(measured())
    assert any(line.startswith("midas drive") for line in commands(sim, None))
    assert not any(line.startswith("midas drive") for line in commands(sim, real))
    assert any(line.startswith("midas simulate hand-made") for line in commands(None, real))


def test_a_spoiled_measurement_is_to_be_repeated_more_slowly() -> None:
    record = measured()
    drive = {"rate_hz": 100.0, "seconds": 20.0}
    record.manifest = msgspec.structs.replace(
        record.manifest,
        valid=False,
        reason="too slow",
        scenario=record.manifest.scenario | {"drive": drive},
    )
    assert "midas drive hand-made --rate-hz 50" in commands(None, summarise(record))


def test_an_input_that_nobody_measured_is_named() -> None:
    record = simulated()
    record.manifest = manifest(sources={"threats.abuse.use_rate_hz": "abuse.use_rate"})
    how = [step.how for step in next_steps(summarise(record), None)]
    assert any("abuse.use_rate" in line for line in how)


@pytest.mark.parametrize("sim", [None, simulated()])
@pytest.mark.parametrize("real", [None, measured()])
def test_every_command_is_understood(sim: RunRecord | None, real: RunRecord | None) -> None:
    sides = [None if one is None else summarise(one) for one in (sim, real)]
    assert bool(commands(*sides)) == (sim is not None or real is not None)
    for line in commands(*sides):
        understood(shlex.split(line)[1:])
