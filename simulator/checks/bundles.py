"""Bundles that are fetched now and then: a poisoned one, and ours elsewhere after a compromise."""

import numpy as np

from scenarios.demand.streams import seed_key
from scenarios.spec.authority import Federation, PoisonedBundle
from scenarios.spec.defence import ON
from scenarios.spec.schema import (
    Abuse,
    BundleRepair,
    NewIssuer,
    Response,
    Scenario,
    Task,
    Threats,
    Workload,
)
from simulator import theory, theory_of_bundles
from simulator.checks import scenes
from simulator.checks.finding import SEED, Finding
from simulator.control.run import run
from simulator.simulate import Engine

PARTNER = "partner.example"
RATE_HZ = 0.01
AT_ONCE = Abuse(first_use_median_s=1.0, first_use_sigma=0.0)


def _federated(scene: Scenario, refresh_s: float) -> Scenario:
    """Return a scene whose agents all belong to a partner, beside one of our own."""
    (theirs,) = scene.workloads
    ours = Workload(name="own", count=1, tasks=theirs.tasks)
    federation = Federation(
        trust_domain=PARTNER, workloads=(theirs.name,), bundle_refresh_s=refresh_s
    )
    update = {"workloads": (theirs, ours), "federation": (federation,), "series_interval_s": 3600.0}
    return scene.model_copy(update=update)


def repaired(engine: Engine) -> list[Finding]:
    """A bundle fetched every 10 min, its poison noticed after 5 min, taken out 5 min later.

    The attacker's key stands in place of the partner's own, so whatever he believes of himself is
    refused for as long.
    """
    refresh_s, remove_s, notice_s, agents = 600.0, 300.0, 300.0, 3
    checked = scenes.regime(86_400.0)
    scene = scenes.scenario(
        checked,
        agents=agents,
        horizon_s=10_000.0,
        tasks=(Task(name="work", rate_hz=RATE_HZ, permissions=("a:a",)),),
        threats=Threats(
            bundle=PoisonedBundle(trust_domain=PARTNER, replaces=True),
            injected_bundle_poisonings=1,
            abuse=AT_ONCE,
        ),
        detection=scenes.BLIND.model_copy(update={"external_notice_mean_s": notice_s}),
    )
    answer = Response(automatic=True, bundle=BundleRepair(remove_s=remove_s))
    scene = _federated(scene, refresh_s).model_copy(update={"response": answer})
    believed_s, refused = [], []
    for n in range(1500):
        key = seed_key(SEED + 120, n)
        counts, _, thefts, _ = run(scene, checked, key, engine(scene, checked, key))
        for theft in thefts:
            if theft.stolen_s < scene.horizon_s - 4_000.0 and theft.evicted_s is not None:
                believed_s.append(theft.evicted_s - theft.stolen_s)
                refused.append(counts["refused_by_poison"] / agents)
    expected_s = theory_of_bundles.poisoned_until_repaired(refresh_s, remove_s, notice_s)
    return [
        Finding(
            "time for which an attacker's key in a partner's bundle is believed",
            "s",
            np.array(believed_s),
            expected_s,
            0.15 * expected_s,
            "15 %; were the bundle fetched without end it would be 30 % less",
        ),
        Finding(
            "starts of a partner's agent refused while his bundle holds the attacker's key alone",
            "1",
            np.array(refused),
            RATE_HZ * expected_s,
            0.15 * RATE_HZ * expected_s,
            "15 %",
        ),
    ]


def hijacked(engine: Engine) -> list[Finding]:
    """Nobody notices poisonings of two minutes; the bundle is fetched every six."""
    refresh_s, lasts_s, poisonings = 360.0, 120.0, 100
    checked = scenes.regime(86_400.0)
    scene = scenes.scenario(
        checked,
        agents=2,
        horizon_s=400.0 * refresh_s,
        threats=Threats(
            bundle=PoisonedBundle(trust_domain=PARTNER, lasts_mean_s=lasts_s),
            injected_bundle_poisonings=poisonings,
            abuse=AT_ONCE,
        ),
    )
    scene = _federated(scene, refresh_s)
    fetched, believed_s = [], []
    for n in range(160):
        key = seed_key(SEED + 122, n)
        counts = run(scene, checked, key, engine(scene, checked, key))[0]
        fetched.append(counts["bundles_poisoned"] / poisonings)
        believed_s.append(counts["poisoned_s"] / poisonings)
    return [
        Finding(
            "share of poisonings of 2 min that a fetch every 6 min catches",
            "1",
            np.array(fetched),
            theory_of_bundles.fetched_share(refresh_s, lasts_s),
            0.04,
            "four points of a hundred; a fetch that is always near would catch them all",
        ),
        Finding(
            "time for which such a poisoning is believed, those that nobody fetched included",
            "s",
            np.array(believed_s),
            lasts_s,
            0.12 * lasts_s,
            "12 %; it does not depend on how often the bundle is fetched",
        ),
    ]


def abroad(engine: Engine) -> list[Finding]:
    """Eight partners fetch our bundle every hour; a new issuer key is published ten minutes ahead.

    Each judges a tenth of our agents' accesses, from a phase of its own.
    """
    refresh_s, prepare_s, overlap_s, share, partners = 3600.0, 600.0, 600.0, 0.1, 8
    ttl_s, fraction, agents = 1200.0, 0.5, 20
    checked = scenes.regime(ttl_s, fraction=fraction)
    scene = scenes.scenario(
        checked,
        agents=agents,
        horizon_s=9000.0,
        tasks=(Task(name="work", rate_hz=RATE_HZ, permissions=("a:a",)),),
        threats=Threats(injected_issuer_compromises=1, abuse=AT_ONCE),
        detection=scenes.BLIND.model_copy(update={"issue_log": ON}),
    )
    names = [f"partner-{n}" for n in range(partners)]
    own = scene.workloads[0]
    scene = scene.model_copy(
        update={
            "workloads": (own, *(own.model_copy(update={"name": n, "count": 1}) for n in names)),
            "federation": tuple(
                Federation(
                    trust_domain=f"{name}.example",
                    workloads=(name,),
                    bundle_refresh_s=refresh_s,
                    our_bundle_refresh_s=refresh_s,
                    our_access_share=share,
                )
                for name in names
            ),
            "response": Response(
                automatic=True, new_issuer=NewIssuer(prepare_s=prepare_s, overlap_s=overlap_s)
            ),
        }
    )
    later_s, refused_s = [], []
    for n in range(450):
        key = seed_key(SEED + 124, n)
        counts, _, thefts, _ = run(scene, checked, key, engine(scene, checked, key))
        (theft,) = (t for t in thefts if t.persona == "issuer-key")
        if theft.stolen_s < 3000.0 and theft.revoked_s and theft.evicted_s:
            later_s.append(theft.evicted_s - theft.revoked_s)
            refused_s.append(counts["refused_new_key"] / (agents * RATE_HZ * share * partners))
    last_s = refresh_s * partners / (partners + 1)
    expected_s = theory.refused_new_key(refresh_s, prepare_s, fraction * ttl_s)
    return [
        Finding(
            "time for which the last of eight partners believes our lost issuer key",
            "s",
            np.array(later_s),
            last_s,
            0.12 * last_s,
            "12 %; one partner alone would believe it 44 % less",
        ),
        Finding(
            "time for which a partner refuses what our new issuer key signs, by agent",
            "s",
            np.array(refused_s),
            expected_s,
            0.25 * expected_s,
            "a quarter; published an hour ahead it would be none",
        ),
    ]
