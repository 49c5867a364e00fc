"""What limits a document's life, and their closed forms."""

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.spec.authority import CertificateAuthority
from scenarios.spec.schema import Issuer
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.simulate import Engine

HOUR_S = 3600.0
DAY_S = 24.0 * HOUR_S


def truncation(engine: Engine) -> list[Finding]:
    """Documents of a day under a CA of a day, renewed at 0.4 of what they get.

    Three of them fill a term of twelve hours: they live 15.3, 9.2 and 5.5 hours. The CA's phase is
    drawn, so each run looks at another instant of the term, and the agents of a run are in step.
    """
    fraction, runs, agents = 0.4, 500, 3
    ca = CertificateAuthority(ttl_s=DAY_S)
    issuer = Issuer(servers=64, service_time_s=scenes.INSTANT_S, ca=ca)
    checked = scenes.regime(DAY_S, fraction=fraction)
    scene = scenes.scenario(checked, agents, 2.0 * ca.term_s, issuer=issuer)
    lives_s = theory.truncated_lives(lambda s: fraction * s, DAY_S, ca.term_s, ca.longest_s)
    residual_s, renewals = [], []
    for n in range(runs):
        population = engine(scene, checked, seed_key(SEED + 60, n))
        population.advance(ca.term_s)
        residual_s.append(population.read(0)[0].expires_s - ca.term_s)
        renewals.append(population.counters().issued / agents)
    expected_s = theory.residual_of_lives(lives_s, lambda s: fraction * s)
    return [
        Finding(
            "residual validity of 24 h documents under a 24 h CA at a random instant",
            "s",
            np.array(residual_s),
            expected_s,
            0.15 * expected_s,
            "15 %; without the CA it would be 2.2 times as long",
        ),
        Finding(
            "renewals of such a document in a term of the CA",
            "1",
            np.array(renewals),
            float(len(lives_s)),
            0.05,
            "5 % of one; without the CA there would be 1.25",
        ),
    ]
