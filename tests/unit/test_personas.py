"""Personas in virtual time: each theft reaches the outcome that its design expects."""

from functools import cache
from pathlib import Path

import pytest

from loadgen.incidents import as_expected, incident
from loadgen.measures import counts
from loadgen.outcome import Outcome
from loadgen.personas import PERSONAS
from loadgen.personas.stage import Stage
from loadgen.personas.thief import Theft, Thief
from loadgen.plan import Plan, plan
from loadgen.response import Revocation
from loadgen.targets.port import Stolen
from loadgen.thefts import Attack, cast, parse_attacks
from loadgen.watch import sight
from scenarios.demand.schedule import ISSUE
from scenarios.detection.audit import Alert, AuditEvent
from scenarios.detection.suite import detectors
from scenarios.errors import UsageError
from scenarios.spec.defence import Armed, Detection, RateChange
from scenarios.spec.resolve import load

OWNER = "127.0.0.1"
FIELDS = frozenset({"identity", "workload", "task", "serial", "issued_s", "origin", "permission"})
REGIMES = ("static-key", "x509-svid-1h", "jwt-svid-5m", "task-svid")


WATCHFUL = Detection(
    new_origin=Armed(armed=True),
    canary=Armed(armed=True),
    rate_change=RateChange(armed=True, reference=3.0, threshold=30.0),
)


@cache
def planned(regime: str, watchful: bool = False) -> Plan:
    scenario = load(Path("customer-service")).scenario
    if watchful:
        scenario = scenario.model_copy(update={"detection": WATCHFUL})
    return plan(scenario, regime, 11, rate_hz=120.0, seconds=20.0)


class VirtualService:
    """Owners that act by the plan, one thief, the detectors and an instant revocation."""

    def __init__(self, outcome: Outcome, theft: Theft, stage: Stage) -> None:
        self.outcome, self.theft, self.stage = outcome, theft, stage
        self.now = -1.0
        armed = detectors(outcome.plan.scenario, outcome.plan.regime, measured=True)
        self._watching = sight(armed, FIELDS).armed
        self._told = 0
        mine = outcome.plan.of_agent(theft.mark.agent)
        demand = outcome.plan.demand
        self._owner = [
            (float(demand.t_s[i]), int(demand.task[i])) for i in mine if demand.op[i] != ISSUE
        ]

    def now_s(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def held(self, t_s: float, task: int) -> Stolen | None:
        agent, ttl_s = self.theft.mark.agent, self.outcome.plan.ttl_s
        issues = [t for t in self.stage.issues_s(agent, task) if t <= t_s]
        if not issues:
            return None
        ends = None if ttl_s is None else issues[-1] + ttl_s
        return Stolen(agent, str(task), f"{agent}-{task}-{len(issues)}", issues[-1], ends)

    def steal(self, agent: int, task: int) -> tuple[float, Stolen] | None:
        assert agent == self.theft.mark.agent
        held = self.held(self.now, task)
        return None if held is None else (self.now, held)

    def use(self, stolen: Stolen, permission: str, origin: str) -> str:
        self.owner_until(self.now)
        self.now += 0.001
        gone = (self.theft.identity, stolen.serial) in self.outcome.revocations
        allowed = permission in self.stage.permissions(self.theft.mark)
        self._see(self.now, stolen, self.theft.mark.task, permission, origin, not gone and allowed)
        if gone:
            return "401"
        return "ok" if allowed else "denied"

    def owner_until(self, t_s: float) -> None:
        while self._told < len(self._owner) and self._owner[self._told][0] <= t_s:
            used_s, task = self._owner[self._told]
            self._told += 1
            slot = task if self.outcome.plan.task_scope else 0
            held = self.held(used_s, slot)
            if held is not None:
                name = self.outcome.plan.task_name(self.theft.mark.agent, task)
                needed = self.outcome.plan.identities[self.theft.mark.agent].permissions[name]
                self._see(used_s, held, slot, needed[0], OWNER, ok=True)

    def _see(
        self, t_s: float, held: Stolen, slot: int, permission: str, origin: str, ok: bool
    ) -> None:
        plan = self.outcome.plan
        task = plan.task_name(held.agent, slot) if plan.task_scope else ""
        event = AuditEvent(
            t_s, t_s + 0.002, self.theft.identity, plan.identities[held.agent].workload, task,
            held.serial, held.issued_s, origin, "use", permission, "ok" if ok else "denied",
        )  # fmt: skip
        for detector in self._watching:
            alert = detector.update(event)
            if isinstance(alert, Alert):
                self.outcome.alerts.append(alert)
                key = alert.identity, event.serial
                self.outcome.revocations[key] = Revocation(*key, t_s + 0.003, t_s + 0.004)


def commit(regime: str, persona: str, watchful: bool) -> tuple[Outcome, Theft] | None:
    one = planned(regime, watchful)
    seeing = sight(detectors(one.scenario, one.regime, measured=True), FIELDS)
    stage = Stage(one, seeing.names, OWNER)
    thefts, _ = cast(stage, [Attack(persona)])
    if not thefts:
        return None
    outcome = Outcome(one, seeing, thefts=thefts)
    world = VirtualService(outcome, thefts[0], stage)
    thief = Thief(
        thefts[0], stage, steal=world.steal, use=world.use, now_s=world.now_s, wait=world.wait
    )
    PERSONAS[persona].act(thief)
    world.owner_until(one.seconds)
    return outcome, thefts[0]


HAPPENS = {
    ("static-key-thief", "static-key"): "undetected",  # four agents share the key
    ("superseded-svid-thief", "x509-svid-1h"): "superseded-serial",
    ("superseded-svid-thief", "jwt-svid-5m"): "superseded-serial",
    ("superseded-svid-thief", "task-svid"): "superseded-serial",
    ("two-origin-thief", "x509-svid-1h"): "two-origins",
    ("two-origin-thief", "jwt-svid-5m"): "two-origins",
    ("two-origin-thief", "task-svid"): "two-origins",
    ("scope-thief", "static-key"): "new-permission",
    ("scope-thief", "x509-svid-1h"): "new-permission",
    ("scope-thief", "jwt-svid-5m"): "new-permission",
    ("scope-thief", "task-svid"): "new-permission",
    ("quiet-thief", "static-key"): "undetected",
    ("quiet-thief", "x509-svid-1h"): "expired",
    ("quiet-thief", "jwt-svid-5m"): "expired",
}


WATCHED = {
    ("static-key-thief", "static-key"): "new-origin",  # however many share the key
    **{("canary-thief", regime): "canary" for regime in REGIMES},
    **{("busy-thief", regime): "rate-change" for regime in REGIMES},
}


@pytest.mark.parametrize("watchful", [False, True], ids=["as ever", "everything armed"])
@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("persona", list(PERSONAS))
def test_every_theft_reaches_what_its_design_expects(
    persona: str, regime: str, watchful: bool
) -> None:
    done = commit(regime, persona, watchful)
    happens = HAPPENS | WATCHED if watchful else HAPPENS
    if (persona, regime) not in happens and done is None:
        return
    assert done is not None
    outcome, theft = done
    row = incident(outcome, theft)
    assert row.expected == happens.get((persona, regime), row.expected)
    assert as_expected(row), row
    assert counts(outcome)["thefts_as_expected"] == 1
    assert row.first_use_s is not None
    assert row.stolen_s <= row.first_use_s
    if row.detector is not None:
        assert row.alert_s is not None
        assert row.revoked_s is not None
        assert row.last_accepted_s is not None
        assert row.first_use_s <= row.alert_s <= row.revoked_s
        assert row.last_accepted_s < row.revoked_s
        assert (row.end, row.uses_refused > 0) == ("revoked", True)


def test_the_same_seed_robs_the_same_people_at_the_same_time() -> None:
    def marks() -> list[Theft]:
        one = planned("x509-svid-1h")
        stage = Stage(one, frozenset({"two-origins"}), OWNER)
        return cast(stage, parse_attacks(()))[0]

    assert marks() == marks()


def test_nobody_is_robbed_twice_and_every_thief_has_his_own_address() -> None:
    one = planned("x509-svid-1h")
    stage = Stage(one, frozenset(), OWNER)
    thefts, notes = cast(stage, parse_attacks(["two-origin-thief:20", "quiet-thief:20"]))
    assert len(thefts) == 40
    assert not notes
    assert len({theft.identity for theft in thefts}) == 40
    origins = {stage.thief_origin(theft.number) for theft in thefts}
    assert len(origins) == 40
    assert OWNER not in origins


def test_a_theft_that_the_window_cannot_hold_is_said() -> None:
    one = planned("static-key")
    thefts, notes = cast(Stage(one, frozenset(), OWNER), [Attack("two-origin-thief", 2)])
    assert not thefts
    assert notes == ["static-key: 2 of 2 two-origin-thief found no victim in this window"]


def test_attacks_are_read_and_every_fault_is_named() -> None:
    assert parse_attacks(["quiet-thief", "scope-thief:3"]) == (
        Attack("quiet-thief"), Attack("scope-thief", 3),
    )  # fmt: skip
    assert parse_attacks(["none"]) == ()
    with pytest.raises(UsageError, match="none alone"):
        parse_attacks(["none", "quiet-thief"])
    with pytest.raises(UsageError) as caught:
        parse_attacks(["quite-thief", "scope-thief:0", "scope-thief:x"])
    message = str(caught.value)
    assert "did you mean quiet-thief" in message
    assert "'0'" in message
    assert "'x'" in message
    assert "\n" not in message
