"""A heist that was measured, as a record and beside its simulation; here the thefts are made up."""

from pathlib import Path

import pytest

from analysis.summary import summarise
from loadgen.swarm.protocol import Stolen
from loadgen.swarm.records import theft_record
from loadgen.swarm.theft_report import CERTAIN, UNCERTAIN, Heist, Heisted, Seen, tell
from loadgen.swarm.thief import Theft
from loadgen.swarm.window import theft_window
from midas.heists import predict
from scenarios.detection.audit import Alert, AuditEvent
from scenarios.record import store
from scenarios.spec.resolve import dump, load_resolved

ASKED = Heist(victims=4, bystanders=2, agent_ttl_s=60)
SECONDS = 170.0


def agent_id(number: int) -> str:
    return f"spiffe://swarm.example/spire/agent/{number}"


def alert(detector: str, number: int, alert_s: float) -> Alert:
    event = AuditEvent(
        occurred_s=alert_s - 0.25,
        observed_s=alert_s,
        identity=agent_id(number),
        workload="spire-agent",
        task="",
        serial=str(number),
        issued_s=0.0,
        origin="127.200.0.2",
        operation="use",
        permission="",
        outcome="ok",
    )
    return Alert(detector, agent_id(number), alert_s, event, "")


def heisted() -> Heisted:
    """Four thefts at 10, 20, 30, 40 s: seen for certain 5, 15, 25 s after first use, one not."""
    thefts = []
    for n in range(4):
        theft = Theft(n, "127.200.0.2", stolen_s=10.0 * (n + 1), first_use_s=10.0 * (n + 1))
        theft.stolen = Stolen(str(n), 0.0, "pem", agent_id(n), str(n), 0)
        theft.expires_s = theft.stolen_s + 50.0
        theft.last_accepted_s, theft.accepted = theft.stolen_s + 4.0, 5
        theft.end = "refused" if n < 3 else "expired"
        thefts.append(theft)
    alerts = [alert(UNCERTAIN, n, 10.0 * (n + 1) + 0.01) for n in range(4)]
    alerts += [alert(CERTAIN, n, 10.0 * (n + 1) + 5.0 + 10.0 * n) for n in range(3)]
    alerts += [alert(UNCERTAIN, 5, 60.0)]  # nobody robbed that one
    bans = {agent_id(n): (15.0 + 20.0 * n, 15.5 + 20.0 * n) for n in range(3)}
    return tell(ASKED, thefts, Seen(alerts, [0.25] * len(alerts), bans), SECONDS)


def test_a_report_says_what_each_sign_showed() -> None:
    report = heisted().report
    assert report.detected == {CERTAIN: 3, UNCERTAIN: 4}
    assert report.time_to_detection_s[CERTAIN] == pytest.approx([5.0, 15.0, 25.0])
    assert report.time_to_containment_s == pytest.approx([5.5, 15.5, 25.5])
    assert report.false_alarms == 1
    assert report.accepted_after_ban == 0
    assert report.ends == {"refused": 3, "expired": 1, "open": 0}


def test_the_record_is_kept_and_its_incidents_carry_the_alert_that_was_answered(
    tmp_path: Path,
) -> None:
    record = theft_record(heisted(), {"cores": "2"})
    kept = store.load(store.save(record, tmp_path / record.manifest.run_id))
    assert kept == record
    answered = [(theft.detector, theft.alert_s) for theft in kept.incidents]
    assert answered == [(CERTAIN, 15.0), (CERTAIN, 35.0), (CERTAIN, 55.0), (None, None)]
    assert len(kept.alerts) == 8
    assert [a.incident for a in kept.alerts].count(None) == 1
    summary = summarise(kept).regimes["x509-svid-60s"]
    share = summary.time_to_detection.detected_share.value
    assert share == pytest.approx(0.75)  # of four, three were seen before the document expired
    assert summary.thefts == 4


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("sign", [CERTAIN, UNCERTAIN])
def test_every_heists_window_is_a_scenario(sign: str, after: bool) -> None:
    asked = Heist(respond_to=frozenset({sign}), after_renewal=after)
    scenario = theft_window(asked, SECONDS)
    assert load_resolved(dump(scenario)) == scenario


def test_the_simulated_theft_follows_the_law_of_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A uniform phase of a renewal interval: its rest has mean E[r²]/2E[r].

    Here r is between 0.45·(60 + 10) − 10 and 0.55·(60 + 10) − 10 + 5, so between 21.5 and 33.5 s:
    half of it is between 10.75 and 16.75 s. To that come the owner's first call (0.1 s on average)
    and the wait for the thief's next one (1 s). The margin covers four standard errors of the
    median of a hundred thefts, each uniform over about 28 s: 4 · 28 / (2·√100) s = 5.6 s.
    """
    monkeypatch.setattr("midas.heists.REPLICATIONS", 4)
    said = predict(Heist(victims=40, bystanders=0, agent_ttl_s=60))
    assert said.detected_share.value == 1.0
    assert said.median_s.n >= 100
    assert said.median_s.value is not None
    assert 10.75 + 1.1 - 5.6 < said.median_s.value < 16.75 + 1.1 + 5.6
    assert said.run_median_low_s < said.median_s.value < said.run_median_high_s


def test_the_uncertain_sign_is_there_at_once_and_late_thieves_are_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("midas.heists.REPLICATIONS", 1)
    for asked in (
        Heist(victims=20, respond_to=frozenset({UNCERTAIN})),
        Heist(victims=20, after_renewal=True),
    ):
        assert predict(asked).median_s.value == 0.0
