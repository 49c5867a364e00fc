"""Thefts that are already open at t = 0, from their stationary law.

Thefts are a Poisson process, so the open ones at a random instant are Poisson with mean h·E[D] and
the theft of one lies back by an age of density P(D > a)/E[D] (M/G/∞; Eick, Massey and Whitt 1993,
"The physics of the M_t/G/∞ queue"). Candidates are drawn with the density of what ends every theft
that nobody watches and then thinned by what may have ended it sooner.

Exact: the age under external notice (exponential) and under expiry, the document that was stolen
(by walking back over the renewals that the law draws), footholds (exponential eviction).
Approximate: a theft that detectors watch counts as ended at the first use that would have alerted
them, response time left out; a notice is taken to lead to revocation at once and always.
Left out: thefts without any law that ends them (no expiry, no notice), for which there is no
stationary state; a foothold's alerts before t = 0; what a changed rate would have told before.
"""

from collections.abc import Iterator
from itertools import count
from math import exp, inf, log1p, nextafter

import numpy as np

from scenarios.demand.initial import walked_slot
from scenarios.demand.streams import Stream, entity_key
from scenarios.demand.switches import gap
from scenarios.detection.canaries import TOUCH
from scenarios.spec.regime import Issuance, regime_row
from scenarios.spec.rules import SECONDS_PER_YEAR, expiry
from simulator.control.case import Case, first_use_s, hidden, usable_elsewhere
from simulator.control.feed import any_out_of_need, out_of_need, serial_text
from simulator.control.sight import (
    CANARY,
    NEW_ORIGIN,
    NEW_PERMISSION,
    SUPERSEDED_SERIAL,
    TWO_ORIGINS,
    seen,
)
from simulator.control.threats import Threats
from simulator.control.world import (
    AGENT_KEY_AT_START,
    FOOTHOLD_AT_START,
    LEAK_AT_START,
    World,
    case_entity,
)
from simulator.population import CredentialView


def open_thefts(world: World, threats: Threats) -> None:
    """Begin every theft that a run in its stationary state finds open at t = 0.

    None where ``start.ages`` is ``synchronised``: everything was issued just now.
    """
    if world.scenario.start.ages != "stationary":
        return
    longest_s = _longest_notice_s(world)
    for n, age_s in _leak_ages(world, longest_s):
        agent = threats.target(LEAK_AT_START, n)
        lasting = _unnoticed(world, agent, age_s, longest_s)
        if threats.carries_leak(LEAK_AT_START, n, agent, lasting):
            unnoticed = exp(-age_s / world.rules(agent).external_notice_mean_s)
            left = threats.clusters.still_open(LEAK_AT_START, n, agent, unnoticed)
            for entity, robbed in left:
                _begin_leak(world, threats, n, entity, robbed, -age_s)
    foothold = world.scenario.threats.foothold
    footholds_hz = world.hazards.foothold_per_agent_year * world.layout.agents / SECONDS_PER_YEAR
    for n, age_s in _stays(world, FOOTHOLD_AT_START, footholds_hz, foothold.eviction_mean_s):
        agent = threats.target(FOOTHOLD_AT_START, n)
        if threats.is_footholds(FOOTHOLD_AT_START, n, agent):
            _begin_foothold(world, threats, n, agent, -age_s)
    if world.regime.issuance is Issuance.ISSUER:
        node_agent = world.scenario.threats.node_agent
        keys_hz = node_agent.rate_per_node_year * world.layout.nodes / SECONDS_PER_YEAR
        for n, age_s in _stays(world, AGENT_KEY_AT_START, keys_hz, node_agent.ban_mean_s):
            threats.take_agent_key(AGENT_KEY_AT_START, n, -age_s, injected=False)


def _longest_notice_s(world: World) -> float:
    """Return the longest mean time to notice of any tenant whose thefts end by some law."""
    means = [
        world.rules(c.first).external_notice_mean_s
        for c in world.layout.classes
        if world.lifetimes.grant(c.first).ttl_s < inf
        or world.rules(c.first).external_notice_mean_s < inf
    ]
    return max(means, default=inf)


def _unnoticed(world: World, agent: int, age_s: float, longest_s: float) -> float:
    """Return which share of candidates of an age, drawn for the longest mean, are an agent's own.

    exp(−a/m)/exp(−a/longest); none where no law ends its thefts.
    """
    mean_s = world.rules(agent).external_notice_mean_s
    if mean_s == longest_s:
        return 1.0
    return exp(age_s / longest_s - age_s / mean_s) if mean_s < longest_s else 0.0


def _leak_ages(world: World, mean_s: float) -> Iterator[tuple[int, float]]:
    """Yield number and age of every candidate; intensity h·exp(−a/m), m the mean time to notice."""
    rate_hz = world.hazards.leak_per_secret_year / SECONDS_PER_YEAR * world.layout.agents
    ttl_s = max(world.lifetimes.grant(c.first).ttl_s for c in world.layout.classes)
    if rate_hz <= 0.0 or (mean_s == inf and ttl_s == inf):
        return
    total = rate_hz * (ttl_s if mean_s == inf else mean_s)
    reached = 0.0
    for n in count():
        reached += world.exponential(1.0, LEAK_AT_START, Stream.OPEN_AT_START, n)
        if reached >= total:
            return
        age_s = reached / rate_hz if mean_s == inf else -mean_s * log1p(-reached / total)
        if age_s < ttl_s:
            yield n, age_s


def _stays(world: World, kind: int, rate_hz: float, mean_s: float) -> Iterator[tuple[int, float]]:
    """Yield number and age of every stay that an exponential eviction has not ended yet."""
    total, reached = rate_hz * mean_s, 0.0
    for n in count():
        reached += world.exponential(1.0, kind, Stream.OPEN_AT_START, n)
        if reached >= total:
            return
        yield n, -mean_s * log1p(-reached / total)


def _begin_leak(
    world: World, threats: Threats, n: int, entity: int, agent: int, stolen_s: float
) -> None:
    held = world.population.read(agent)
    if not held:
        return
    newest = max(held, key=lambda view: view.issued_s)
    document, successor_s = _held_at(world, newest, stolen_s)
    if document.expires_s <= 0.0:
        return
    case = Case(
        entity=entity,
        persona="leak",
        injected=False,
        agent=agent,
        owner=agent,
        slot=document.slot,
        task=threats.task_of(agent, document.slot),
        document=document,
        credential=serial_text(world.layout.of(agent).slots, document),
        stolen_s=stolen_s,
        eviction_s=-inf,
        first_use_s=first_use_s(world, entity, stolen_s),
        usable=usable_elsewhere(world, case_entity(LEAK_AT_START, n)),
    )
    if not (threats.watched(agent) and _seen_before_start(world, case, successor_s)):
        threats.begin(case)


def _begin_foothold(world: World, threats: Threats, n: int, agent: int, stolen_s: float) -> None:
    foothold = world.scenario.threats.foothold
    owner = world.layout.group(agent).start
    entity = case_entity(FOOTHOLD_AT_START, n)
    held = world.population.read(owner)
    newest = max(held, key=lambda view: view.issued_s, default=None)
    slot = newest.slot if newest is not None else 0
    threats.begin(
        Case(
            entity=entity,
            persona="foothold",
            injected=False,
            agent=agent,
            owner=owner,
            slot=slot,
            task=threats.task_of(agent, slot),
            document=newest if newest is not None and newest.expires_s > 0.0 else None,
            credential=serial_text(world.layout.of(owner).slots, newest) if newest else "",
            stolen_s=stolen_s,
            eviction_s=world.exponential(foothold.eviction_mean_s, entity, Stream.EVICTION),
            first_use_s=first_use_s(world, entity, stolen_s),
            usable=True,
        )
    )


def _held_at(world: World, newest: CredentialView, at_s: float) -> tuple[CredentialView, float]:
    """Return what a slot held at ``at_s`` before t = 0, and when its successor was issued.

    Walks back from the document held at t = 0: the lives before it are ordinary renewal ages, with
    the wait for a use after each under renewal at use; where a CA shortens lives, those of the walk
    that led to it.
    """
    view, successor_s, k = newest, inf, 0
    row = regime_row(world.regime)
    grant = world.lifetimes.grant(newest.agent)
    agent_class = world.layout.of(newest.agent)
    while view.issued_s > at_s and grant.ttl_s < inf and view.expires_s > 0.0:
        if grant.truncates:
            successor_s, view = view.issued_s, _before(world, view)
            continue
        u_phase, u_draw, u_wait = (
            world.uniform(newest.agent, Stream.OPEN_AT_START, 3 * k + i) for i in range(3)
        )
        life_s = row.at(grant.ttl_s).renewal_age(u_phase, u_draw)
        life_s = max(0.0, life_s + world.lifetimes.late_s(newest.agent))
        if world.regime.renewal.at_use:
            life_s += gap(u_wait, agent_class.use_hz(newest.slot))
        successor_s = view.issued_s
        issued_s = view.issued_s - life_s
        view = CredentialView(
            view.agent,
            view.slot,
            view.serial - 1,
            issued_s,
            expiry(issued_s, grant.ttl_s),
            world.lifetimes.accepted_from_s(view.agent, issued_s),
        )
        k += 1
    return view, successor_s


def _before(world: World, view: CredentialView) -> CredentialView:
    """Return the document that a slot held just before this one, where a CA shortens lives."""
    row, agent = regime_row(world.regime), view.agent
    key = entity_key(world.seed_key, np.uint64(agent), np.uint64(Stream.INITIAL_WALK))
    issued_s, _, expires_s = walked_slot(
        *row.at(world.lifetimes.grant(agent).ttl_s).rule_numbers,
        world.layout.of(agent).use_hz(view.slot),
        world.lifetimes.late_s(agent),
        *world.lifetimes.grant(agent).ca,
        np.uint64(key),
        view.slot,
        nextafter(view.issued_s, -inf),
    )
    accepted_from_s = world.lifetimes.accepted_from_s(agent, issued_s)
    return CredentialView(agent, view.slot, view.serial - 1, issued_s, expires_s, accepted_from_s)


def _seen_before_start(world: World, case: Case, successor_s: float) -> bool:
    """Return whether a use before t = 0 would have alerted a detector that watches the identity."""
    watch, owner = world.watch(case.owner), case.owner
    names = {detector.name for detector in watch.detectors}
    elsewhere = not hidden(world, case)
    apart = watch.canary is not None or (watch.new_origin is not None and elsewhere)
    if not names - {"new-permission"} and not apart and not any_out_of_need(world, case):
        return False
    for use in case.uses_before_start(world):
        telling = (
            ("two-origins" in names and elsewhere, TWO_ORIGINS),
            ("new-permission" in names and out_of_need(world, case, use), NEW_PERMISSION),
            ("superseded-serial" in names and use.t_s > successor_s, SUPERSEDED_SERIAL),
            (watch.new_origin is not None and elsewhere, NEW_ORIGIN),
            (watch.canary is not None and use.permission == TOUCH, CANARY),
        )
        if any(tells and seen(world, owner, case.entity, use.n, place) for tells, place in telling):
            return True
    return False
