"""The stated answers about whom one trusts: issuer key, tenants; the rule is in ``answers``."""

from math import exp

from scenarios.spec.schema import Scenario
from simulator import theory
from tests.verification.answers import counts, equals, mean, run, scenario, share, thefts

MINUTE_S, HOUR_S = 60.0, 3600.0


def test_ca_compromise() -> None:
    """First use 100 s·e^(0.7²/2), forgeries at 12/h of which 47.1 % are read, 300 s of delivery."""
    asked = scenario("ca-compromise")
    unseen_s = theory.forgery_alert(100.0 * exp(0.7**2 / 2), 0.471, 12 / HOUR_S)
    seen_s = unseen_s + 300.0
    record = run(asked, 150, ["x509-svid-1h"])
    stolen = thefts(record, "x509-svid-1h", "issuer-key")
    whole = [t for t in stolen if t.stolen_s < asked.horizon_s - 20_000]  # who had time to end
    alert_s = [t.alert_s - t.stolen_s for t in whole if t.alert_s is not None]
    access_s = [t.evicted_s - t.stolen_s for t in whole if t.evicted_s is not None]
    assert len(alert_s) == len(access_s) == len(whole)
    equals(mean(alert_s), seen_s, 0.25 * seen_s)
    # triage, then the hour to the new key and the hour of overlap; "two and a half hours"
    equals(mean(access_s), seen_s + 900.0 + 2 * HOUR_S, 0.05 * (seen_s + 900.0 + 2 * HOUR_S))
    assert {t.permissions for t in stolen} == {4}
    late = overtaken(asked, "x509-svid-24h", 24)
    age_s = theory.polled_age(24 * HOUR_S, 0.5, 0.1, 5.0).mean
    equals(late, theory.overtaken_share(age_s, 1.0, HOUR_S), 0.03)
    new = asked.response.new_issuer.model_copy(update={"reissue_s": 600.0})
    reissuing = asked.response.model_copy(update={"new_issuer": new})
    renewed = asked.model_copy(update={"response": reissuing})
    assert overtaken(renewed, "x509-svid-24h", 9).value == 0.0
    for short in ("x509-svid-1h", "jwt-svid-5m"):
        assert overtaken(asked, short, 9).value == 0.0, "0.55 T < V, or expired by then"


def overtaken(asked: Scenario, regime: str, replications: int):  # noqa: ANN201
    found = counts(run(asked, replications, [regime]), regime)
    late = sum(c["overtaken_agents"] for c in found)
    return share(int(late), int(sum(c["agents"] * c["issuer_replacements"] for c in found)))


def test_nobody_sees_a_forgery_without_an_issue_log() -> None:
    asked = scenario("ca-compromise")
    detection = asked.detection.model_copy(update={"issue_log": False, "coverage": 1.0})
    record = run(asked.model_copy(update={"detection": detection}), 12, ["x509-svid-1h"])
    assert len(record.incidents) == 12
    assert not record.alerts
