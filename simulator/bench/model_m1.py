"""M1, the model of every engine benchmark: the catalogue's ``benchmark-m1`` without thieves.

Thefts, a hundred-thousandth of its events, belong to the control plane that all our engines share.
"""

from typing import Final

from scenarios.demand.streams import seed_key
from scenarios.spec import resolve
from scenarios.spec.regime import regime_row
from scenarios.spec.schema import Scenario
from simulator.control.faults import outages
from simulator.population import Command, CommandKind, Population
from simulator.simulate import Engine

NAME: Final = "benchmark-m1"
LOAD: Final = 0.7
"""of the issuer, whatever the number of agents"""


def scenario(agents: int, span_s: float) -> Scenario:
    """Return M1 with this many agents, the issuer scaled with them."""
    whole = resolve.load(resolve.catalog()[NAME]).scenario
    scaled = resolve.scale(whole, agents)
    row = regime_row(scaled.regimes[0])
    age_s = row.fraction * row.ttl_s
    service_time_s = LOAD * scaled.issuer.servers * age_s / agents
    issuer = scaled.issuer.model_copy(update={"service_time_s": service_time_s})
    return scaled.model_copy(update={"issuer": issuer, "horizon_s": span_s})


def begin(engine: Engine, of: Scenario, seed: int) -> Population:
    """Return a population of M1 at t = 0."""
    return engine(of, of.regimes[0], seed_key(seed))


def events_until(population: Population, of: Scenario, to_s: float) -> int:
    """Run to ``to_s``, outages included; return the events since t = 0, private switches too."""
    for start_s, end_s in outages(of):
        for at_s, kind in ((start_s, CommandKind.ISSUER_DOWN), (end_s, CommandKind.ISSUER_UP)):
            if population.now_s <= at_s < to_s:
                population.advance(at_s)
                population.command(Command(kind))
    population.advance(to_s)
    counters = population.counters()
    return counters.switches + counters.requests + counters.refusals + counters.issued
