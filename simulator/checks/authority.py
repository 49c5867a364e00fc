"""The issuer's key: when a forgery is seen, and whom its replacement finds unprepared."""

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.spec.defence import ON
from scenarios.spec.regime import Renewal
from scenarios.spec.schema import Abuse, NewIssuer, Response, Threats
from simulator import theory
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.run import run
from simulator.simulate import Engine


def forged(engine: Engine) -> list[Finding]:
    """An issue log of four identities in five; forgeries once a minute from 30 s on."""
    first_use_s, coverage, use_hz, groups = 30.0, 0.8, 1.0 / 60.0, 25
    checked = scenes.regime(86_400.0)
    scene = scenes.scenario(
        checked,
        agents=4_000,
        horizon_s=3000.0,
        threats=Threats(
            injected_issuer_compromises=60,
            abuse=Abuse(
                first_use_median_s=first_use_s,
                first_use_sigma=0.0,
                use_rate_hz=use_hz,
                foreign_permission_share=0.0,
            ),
        ),
        detection=scenes.BLIND.model_copy(update={"issue_log": ON, "coverage": coverage}),
    )
    # nobody's key is replaced within the run, so that no thief's end is another's
    slow = Response(automatic=True, new_issuer=NewIssuer(prepare_s=scene.horizon_s))
    scene = scene.model_copy(update={"response": slow})
    seen_s = []
    for n in range(groups):
        key = seed_key(SEED + 110, n)
        rows = run(scene, checked, key, engine(scene, checked, key))[2]
        seen_s += [
            (row.alert_s if row.alert_s is not None else scene.horizon_s) - row.stolen_s
            for row in rows
            if row.stolen_s < 2000.0
        ]
    expected_s = theory.forgery_alert(first_use_s, coverage, use_hz)
    return [
        Finding(
            "time from the theft of the issuer's key to the first forgery that its log shows",
            "s",
            np.array(seen_s),
            expected_s,
            0.25 * expected_s,
            "25 %; were every log read it would be 33 % less",
        )
    ]


def overtaken(engine: Engine) -> list[Finding]:
    """Renewal at half an hour against an overlap of ten minutes."""
    ttl_s, fraction, overlap_s, agents, groups = 3600.0, 0.5, 600.0, 400, 60
    checked = scenes.regime(ttl_s, Renewal.FRACTION, fraction)
    scene = scenes.scenario(
        checked,
        agents=agents,
        horizon_s=4000.0,
        threats=Threats(
            injected_issuer_compromises=1,
            abuse=Abuse(first_use_median_s=1.0, first_use_sigma=0.0),
        ),
        detection=scenes.BLIND.model_copy(update={"issue_log": ON}),
    )
    plan = NewIssuer(prepare_s=60.0, overlap_s=overlap_s)
    scene = scene.model_copy(update={"response": Response(automatic=True, new_issuer=plan)})
    shares = []
    for n in range(groups):
        key = seed_key(SEED + 115, n)
        counts = run(scene, checked, key, engine(scene, checked, key))[0]
        if counts["issuer_replacements"] > 0:
            shares.append(counts["overtaken_agents"] / agents / counts["issuer_replacements"])
    return [
        Finding(
            "share of agents that hold a document of the old issuer key when it is distrusted",
            "1",
            np.array(shares),
            theory.overtaken_share(ttl_s, fraction, overlap_s),
            0.03,
            "three points of a hundred",
        )
    ]
