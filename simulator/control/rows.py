"""From cases to the rows of a record: what the run saw of every theft."""

from math import inf

from scenarios.record.tables import AlertRow, End, Incident
from simulator.control.case import BUNDLE, Case, granted, opened
from simulator.control.verifiers import refused_from_s
from simulator.control.world import World


def incident(world: World, case: Case) -> Incident:
    """Return the record of a theft at the horizon; nothing that lies beyond it is told."""
    horizon_s = world.horizon_s
    permissions = opened(world, case)
    first_use_s, last_accepted_s, accepted, refused = _uses(world, case, permissions)
    access_ends_s = _access_ends_s(world, case)
    over = access_ends_s < horizon_s and not case.inside(horizon_s)
    outlived = case.foothold or case.forges or access_ends_s > case.copy_valid_until_s() > -inf
    expires_s = case.document.expires_s if case.document is not None else None
    return Incident(
        point="",
        regime=world.regime.name,
        replication=0,
        persona=case.persona,
        injected=case.injected,
        agent=case.agent,
        credential=case.credential,
        stolen_s=case.stolen_s,
        first_use_s=first_use_s,
        alert_s=case.alert_s,
        detector=case.detector,
        decided_s=case.decided_s,
        revoked_s=case.revoked_s,
        last_accepted_s=last_accepted_s,
        expires_s=None if expires_s == inf else expires_s,
        evicted_s=access_ends_s if over and outlived else None,
        end=_end(case, over, first_use_s),
        uses_accepted=accepted,
        uses_refused=refused,
        permissions=len(permissions),
        expected="",
    )


def _access_ends_s(world: World, case: Case) -> float:
    """Return when the thief's last access ends, where he lives or with what he took along."""
    if case.forges:
        session = case.first_use_s < case.eviction_s
        return case.eviction_s + (world.regime.session_overhang_s if session else 0.0)
    return max(case.eviction_s if case.foothold else -inf, case.copy_access_ends_s(world))


def _end(case: Case, over: bool, first_use_s: float | None) -> End:
    if not case.usable and not case.foothold:
        return "refused" if first_use_s is not None else "open"
    if not over:
        return "open"
    if case.forges:
        return "evicted" if case.revoked_s is None else "revoked"
    document = case.document
    if document is not None and case.denied_s() < min(document.expires_s, case.proofs_until_s):
        return "revoked"
    return "evicted" if case.foothold else "expired"


def _uses(
    world: World, case: Case, permissions: frozenset[str]
) -> tuple[float | None, float | None, int, int]:
    """Return first use, and of the uses within the run the last accepted one and their numbers.

    A refused copy or forgery ends it. A thief inside the workload shares its authentication
    failures and goes on; a permission that the credential does not open is refused without telling
    him to stop.
    """
    access_ends_s = _access_ends_s(world, case) if case.forges else case.copy_access_ends_s(world)
    believed_s = case.believed_from_s(world)
    documents = world.documents(case.owner) if case.foothold else None
    if documents is not None:
        documents.update(world.population)
    first_use_s = case.first_use_s if case.first_use_s < world.horizon_s else None
    last_accepted_s = None
    accepted = refused = 0
    for use in case.uses(world):
        if use.t_s >= world.horizon_s:
            break
        if case.inside(use.t_s) and documents is not None:
            valid = documents.at(case.slot, use.t_s) is not None
        else:
            ends_s = refused_from_s(world, case, use.n) if case.refused_from_s else access_ends_s
            valid = believed_s <= use.t_s < ends_s
        if case.persona != BUNDLE and world.refuses(case.owner, use.t_s):
            valid = False
        if valid and granted(world, case, use, permissions):
            accepted, last_accepted_s = accepted + 1, use.t_s
        else:
            refused += 1
        if not valid and not case.inside(use.t_s):
            break
    return first_use_s, last_accepted_s, accepted, refused


def alerts(world: World, raised: list[tuple[Case, AlertRow]], cases: list[Case]) -> list[AlertRow]:
    """Return the alerts in order of arrival, each pointing at its theft."""
    row_of = {case.entity: row for row, case in enumerate(cases)}
    return [
        AlertRow(
            point="",
            regime=world.regime.name,
            replication=0,
            t_s=alert.t_s,
            event_s=alert.event_s,
            detector=alert.detector,
            identity=alert.identity,
            incident=row_of[case.entity],
        )
        for case, alert in raised
    ]
