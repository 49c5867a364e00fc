"""``summarise`` on records whose numbers are known."""

from math import inf

import msgspec
import pytest

from analysis.summary import Summary, summarise
from scenarios.errors import RecordError
from scenarios.record.record import RunRecord
from scenarios.record.tables import AlertRow, Count, Sample
from tests.records import AGENTS, HORIZON_S, counts, manifest, measured, simulated, theft


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarise(simulated())


def test_means_are_over_replications(summary: Summary) -> None:
    issued = summary.regimes["svid"].metrics["issuances_per_s"]
    assert issued.value == pytest.approx(0.2, rel=0.1)
    assert (issued.n, issued.unit) == (4, "1/s")
    assert issued.low is not None
    assert issued.low < 0.2
    peak = summary.regimes["svid"].metrics["peak_issuances_per_s"]
    assert peak.value == 5.5
    failures = summary.regimes["svid"].metrics["auth_failures_per_agent_day"]
    assert failures.value == pytest.approx(3 / (AGENTS * HORIZON_S) * 86400, rel=0.1)


def test_an_interval_of_counts_is_cut_at_zero() -> None:
    record = RunRecord(
        manifest(),
        counts=[
            *counts("svid", 0, peak_issuances_per_s=3),
            *counts("svid", 1, peak_issuances_per_s=4),
        ],
    )
    peak = summarise(record).regimes["svid"].metrics["peak_issuances_per_s"]
    assert (peak.value, peak.low, peak.n) == (3.5, 0.0, 2)
    assert peak.high == pytest.approx(3.5 + 12.706 * 0.5, rel=1e-3)


def test_a_key_without_end_is_infinitely_valid_and_an_svid_is_not(summary: Summary) -> None:
    assert summary.regimes["static-key"].metrics["residual_validity_s"].infinite
    residual = summary.regimes["svid"].metrics["residual_validity_s"]
    assert residual.value == pytest.approx(750, rel=0.1)
    assert residual.n == 4


def test_one_replication_takes_its_interval_from_its_probes() -> None:
    record = RunRecord(
        manifest(replications=1),
        counts=counts(
            "svid",
            0,
            probes=400,
            residual_validity_sum_s=400 * 700.0,
            residual_validity_sq_s2=400 * (700.0**2 + 100**2),
        ),
    )
    residual = summarise(record).regimes["svid"].metrics["residual_validity_s"]
    assert (residual.value, residual.n) == (700.0, 400)
    assert residual.low == pytest.approx(700 - 1.9659 * 100 / 20, rel=1e-3)


def test_time_to_detection_is_a_curve_and_not_a_mean(summary: Summary) -> None:
    key = summary.regimes["static-key"].time_to_detection
    svid = summary.regimes["svid"].time_to_detection
    assert key.within_s == svid.within_s
    # 1 − e^{−μt} without competition; 1 − (1 − e^{−μT})/(μT) = 0.0535 before an expiry of U(0, T)
    truth = 1 - 2.718281828 ** (-key.within_s / 9000)
    assert key.detected_share.low < truth < key.detected_share.high
    assert svid.detected_share.low < 0.0535 < svid.detected_share.high
    assert key.detected_share.n == 200
    assert key.median_s.value == pytest.approx(6238, rel=0.25)
    assert svid.median_s.value is None
    assert svid.competing["expired"][-1][1] > 0.85
    assert set(svid.competing) == {"detected", "expired", "revoked", "evicted", "refused"}


def test_exposure_says_its_horizon_in_its_name_and_the_mean_only_where_there_is_one(
    summary: Summary,
) -> None:
    name = summary.exposure_name
    assert name.startswith("exposure_within_")
    key, svid = (summary.regimes[regime].metrics for regime in ("static-key", "svid"))
    assert key["exposure_s"].value is None
    assert (
        "were still open at the end; see exposure_within_"
        in summary.not_estimable["static-key.exposure_s"]
    )
    assert svid[name].high < key[name].low


def test_exposure_is_a_plain_mean_when_every_theft_has_ended() -> None:
    record = RunRecord(
        manifest(regimes=["svid"]),
        incidents=[
            theft(stolen_s=100.0 * k, end="expired", expires_s=100.0 * k + 10 * (k + 1))
            for k in range(5)
        ],
    )
    assert summarise(record).regimes["svid"].metrics["exposure_s"].value == pytest.approx(30)


def test_injected_thefts_never_count_towards_a_frequency(summary: Summary) -> None:
    found = summary.regimes["svid"].metrics["incidents_per_agent_year"]
    assert (found.value, found.n) == (0.0, 0)
    assert found.high > 0
    assert found.covers == "sampling+parameters"
    natural = simulated(n=10)
    natural.incidents.append(theft(injected=False))
    natural.incidents.append(theft(injected=False, stolen_s=-5.0))  # open before the run began
    again = summarise(natural).regimes["svid"].metrics["incidents_per_agent_year"]
    years = 4 * AGENTS * HORIZON_S / (365.25 * 86400)
    assert (again.value, again.n) == (pytest.approx(1 / years), 1)


def test_a_hazard_known_to_a_factor_widens_the_frequency() -> None:
    record = simulated(n=10)
    record.incidents += [theft(injected=False, replication=k % 4) for k in range(100)]
    plain = summarise(record).regimes["svid"].metrics["incidents_per_agent_year"]
    sources = {"threats.leak.rate_per_secret_year": "leak.rate_per_static_credential"}
    record.manifest = manifest(sources=sources)
    wide = summarise(record).regimes["svid"].metrics["incidents_per_agent_year"]
    assert wide.value == plain.value
    assert wide.high > 4 * plain.high  # 0.3 against 0.05 a year
    assert wide.low < plain.low / 3


def test_false_alarms_are_alerts_without_an_incident() -> None:
    record = simulated(n=10)
    record.alerts += [AlertRow("0", "svid", 0, 5.0, 4.0, "x", "spiffe://x/y", None)] * 3
    found = summarise(record).regimes["svid"].metrics["false_alarms_per_identity_day"]
    assert (found.value, found.n) == (pytest.approx(3 / (4 * AGENTS * HORIZON_S / 86400)), 3)


def test_detector_latency_is_event_to_alert(summary: Summary) -> None:
    latency = summary.regimes["static-key"].metrics["detector_latency_s"]
    assert 0.5 <= latency.low <= latency.value <= latency.high <= 1.4


def test_a_measured_detection_is_split_into_what_was_assumed_and_what_was_measured() -> None:
    found = summarise(measured()).splits
    assert found is not None
    assert [(of.row, of.assumed_s, of.measured_s) for of in found.thefts] == [
        (0, 1.0, 1.0),
        (1, 1.0, 1.0),
    ]
    assert found.thefts[0].revoked_s == pytest.approx(0.01)
    assert (found.measured_s.value, found.measured_s.n) == (1.0, 2)
    assert found.added_floor_s == 300.0


def test_a_simulated_detection_has_its_delivery_inside(summary: Summary) -> None:
    assert summary.splits is None


def test_what_an_engine_does_not_count_is_named(summary: Summary) -> None:
    assert summary.regimes["svid"].metrics["attribution_share"].value is None
    reason = summary.not_estimable["svid.attribution_share"]
    assert reason == "reference does not count attributed_accesses"


def test_operations_count_every_arrival_and_time_those_after_the_warm_up() -> None:
    found = summarise(measured())
    authorize = found.regimes["svid"].operations["authorize"]
    assert (authorize.sent, authorize.ok, authorize.errors) == (8801, 8800, {"timeout": 1})
    p99 = authorize.percentiles["p99_s"]
    assert p99.low < p99.value < p99.high
    assert p99.value == pytest.approx(0.002 * 2.718 ** (0.4 * 2.326), rel=0.1)
    assert authorize.max_s == pytest.approx(10, rel=1e-3)
    assert set(found.regimes["svid"].operations) == {"authorize", "issue-x509"}
    assert found.lag_p99_s == pytest.approx(0.0023, rel=0.2)


def test_a_measured_rate_takes_its_interval_from_batches() -> None:
    record = measured()
    record.manifest.scenario["series_interval_s"] = 1.0
    record.series = [
        Sample("0", "svid", 0, float(t_s), "issued", 100.0 + (-1) ** (t_s // 2))
        for t_s in range(20)
    ]
    rate = summarise(record).regimes["svid"].metrics["issuances_per_s"]
    assert (rate.value, rate.n) == (100.0, 20)
    assert rate.low == pytest.approx(100 - 2.093 * 1.026 / 20**0.5, abs=1e-3)
    record.series = record.series[:4]
    assert summarise(record).regimes["svid"].metrics["issuances_per_s"].value is None


def test_points_of_a_sweep_are_told_apart() -> None:
    record = RunRecord(
        manifest(regimes=["svid"]),
        counts=[Count(point, "svid", 0, "issued", 10.0) for point in ("a", "b")],
    )
    with pytest.raises(RecordError, match="found points a, b"):
        summarise(record)
    assert summarise(record, "b").point == "b"
    with pytest.raises(RecordError, match="found points a, b"):
        summarise(record, "c")


def test_an_empty_record_has_no_estimates_and_no_crash() -> None:
    found = summarise(RunRecord(manifest()))
    assert found.regimes == {}
    real = summarise(RunRecord(manifest(world="measured")))
    assert real.pooled is not None
    assert real.pooled.time_to_detection.detected_share.value is None


def test_a_summary_holds_nothing_that_json_cannot_say(summary: Summary) -> None:
    encoded = msgspec.json.encode(summary)
    assert b"Infinity" not in encoded
    assert inf not in [e.value for r in summary.regimes.values() for e in r.metrics.values()]


def test_without_thefts_no_horizon_is_made_up() -> None:
    found = summarise(simulated(n=0))
    metrics = found.regimes["svid"].metrics
    assert [name for name in metrics if "within" in name] == []
    assert metrics["exposure_s"].value is None
    assert found.not_estimable["svid.exposure_s"] == "no such theft happened inside the run"
