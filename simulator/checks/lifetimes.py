"""What limits a document's life, and their closed forms."""

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.spec.authority import CertificateAuthority, ClockSkew, Federation
from scenarios.spec.defence import OFF
from scenarios.spec.schema import Abuse, Detection, Issuer, Task, Threats
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.run import run
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


def federation(engine: Engine) -> list[Finding]:
    """A partner whose bundle is fetched every eight hours, its CA published four before it signs.

    Four terms of six hours see each place of a fetch within the eight hours, two hours apart.
    """
    ttl_s, fraction, refresh_s, runs, agents = HOUR_S, 0.5, 8.0 * HOUR_S, 160, 5
    ca = CertificateAuthority(ttl_s=12.0 * HOUR_S)
    foreign = Federation(
        trust_domain="partner.example", workloads=("agent",), bundle_refresh_s=refresh_s, ca=ca
    )
    checked = scenes.regime(ttl_s, fraction=fraction)
    task = Task(name="work", rate_hz=10.0 / HOUR_S, permissions=("a:a",))
    scene = scenes.scenario(checked, agents, 4.0 * ca.term_s, tasks=(task,))
    scene = scene.model_copy(update={"federation": (foreign,)})
    shares = []
    for n in range(runs):
        population = engine(scene, checked, seed_key(SEED + 62, n))
        population.advance(scene.horizon_s)
        totals = population.counters()
        shares.append(totals.auth_failures / totals.switches)
    return [
        Finding(
            "share of a partner's accesses refused, its bundle fetched 4 h too seldom",
            "1",
            np.array(shares),
            theory.refused_by_stale_bundle(refresh_s, ca.lead_s, ca.term_s, fraction * ttl_s),
            0.035,
            "a quarter; fetched in time it would be none",
        )
    ]


def skew(engine: Engine) -> list[Finding]:
    """Clocks 2,000 s behind: documents of an hour are from the future, then expired."""
    ttl_s, fraction, behind_s, agents = HOUR_S, 0.5, 2_000.0, 6_000
    checked = scenes.regime(ttl_s, fraction=fraction)
    scene = scenes.scenario(checked, agents, 4.0 * ttl_s)
    (workload,) = scene.workloads
    off = workload.model_copy(update={"clock_skew": ClockSkew(share=1.0, offset_s=-behind_s)})
    scene = scene.model_copy(update={"workloads": (off,)})
    at_s = 2.9 * ttl_s
    population = engine(scene, checked, seed_key(SEED + 63))
    population.advance(at_s)
    held = [population.read(agent)[0] for agent in range(agents)]
    refused = [not view.accepted_from_s <= at_s < view.expires_s for view in held]
    backdate_s = scene.issuer.not_before_backdate_s
    expected = theory.refused_by_clock(ttl_s, fraction * ttl_s, behind_s, backdate_s)
    return [
        Finding(
            "share of time without a valid document on a node whose clock is 2,000 s behind, 1 h",
            "1",
            np.array(refused, dtype=np.float64),
            expected,
            0.06,
            "a tenth",
        )
    ]


def shared(engine: Engine) -> list[Finding]:
    """One document for the ten agents of a node, who use it in turn; thief and life as elsewhere.

    Each of the ten shows the detector the newest document, so their rates of use add up.
    """
    ttl_s, fraction, use_hz, owner_hz, users, groups = 600.0, 0.5, 1.0 / 300.0, 0.001, 10, 8
    checked = scenes.regime(ttl_s, fraction=fraction).model_copy(update={"shared_on_node": True})
    scene = scenes.scenario(
        checked,
        agents=4_000,
        horizon_s=1_600.0,
        tasks=(Task(name="work", rate_hz=owner_hz, permissions=("a:a",)),),
        threats=Threats(
            injected_thefts=500,
            abuse=Abuse(first_use_median_s=1e-3, first_use_sigma=0.0, use_rate_hz=use_hz),
        ),
        detection=Detection(two_origins=OFF, new_permission=OFF, delivery_s=0.0),
    )
    detected, issued = [], []
    for n in range(groups):
        key = seed_key(SEED + 65, n)
        population = engine(scene, checked, key)
        _, _, incidents, _ = run(scene, checked, key, population)
        robbed = set()
        for row in sorted(incidents, key=lambda row: row.stolen_s):
            node = row.agent // users
            if node not in robbed and row.stolen_s < scene.horizon_s - ttl_s:
                seen_s, expires_s = row.alert_s, row.expires_s
                detected.append(seen_s is not None and expires_s is not None and seen_s < expires_s)
            robbed.add(node)
        issued.append(population.counters().issued / scene.horizon_s)
    nodes = scene.agents / users
    return [
        Finding(
            "share of thefts from a node of ten that the superseded serial gives away in time",
            "1",
            np.array(detected, dtype=np.float64),
            theory.superseded_detected(ttl_s, fraction, use_hz, users * owner_hz),
            0.1,
            "ten points of a hundred; with the use of one agent alone it would be 0.10",
        ),
        Finding(
            "documents issued to four hundred nodes of ten that share them, in a second",
            "1/s",
            np.array(issued),
            nodes / (fraction * ttl_s),
            0.05 * nodes / (fraction * ttl_s),
            "5 %; ten times as many where each agent has its own",
        ),
    ]
