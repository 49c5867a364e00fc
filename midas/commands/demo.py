"""``midas demo``: the whole way once, small."""

from pathlib import Path

import typer

from midas.options import Json, Out, Quiet, Seed
from midas.output import Output

SCENARIO = Path("customer-service")
REPLICATIONS = 4
RATE_HZ, SECONDS = 100.0, 20.0


def demo(seed: Seed = 1, out: Out = None, json: Json = False, quiet: Quiet = False) -> None:
    """Simulate, drive and report on a customer-service fleet: about a minute, nothing to set up.

    200 agents are simulated for six hours under a static key and three SVID regimes; then the
    embedded identity service gets 20 seconds of the same demand while credentials are stolen from
    it. All traffic stays on loopback.

    Example: `midas demo`
    """
    from midas import inputs, reporting, simulated
    from midas.measured import INTERRUPTED, Options, measure
    from midas.render import report as render

    output = Output(json, quiet)
    scenario = inputs.load(SCENARIO)
    output.note("1/3 Simulating 200 agents for 6 hours under four regimes")
    path, _ = simulated.simulate(scenario, "reference", seed, REPLICATIONS, out, output)
    output.note("2/3 Driving the embedded service for 20 s while credentials are stolen")
    options = Options(rate_hz=RATE_HZ, seconds=SECONDS)
    measured = measure(scenario, "embedded", seed, options, [], out, output)
    if measured.code == INTERRUPTED:
        raise typer.Exit(INTERRUPTED)
    if not measured.summary.manifest.valid:
        output.warn(f"the measured run is not valid: {measured.summary.manifest.reason}")
    output.note("3/3 Simulating the same 20 s and writing the report")
    made = reporting.make([str(path), str(measured.path)], out, None, output)
    output.result(render.document(made), *render.lines(made))
