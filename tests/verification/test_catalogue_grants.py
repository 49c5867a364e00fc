"""The stated answer about over-privilege; the rule by which it is held is in ``answers``."""

import pytest

from scenarios.spec.schema import Scenario
from tests.verification.answers import apart, counts, equals, mean, run, scenario, share, thefts
from tests.verification.test_catalogue_thefts import many

CLERKS = 400
REGIMES = ["static-key", "x509-svid-1h", "task-svid"]


def least(asked: Scenario) -> Scenario:
    """Return a scenario in which every role has what its tasks need and no more."""
    workloads = tuple(w.model_copy(update={"granted": None}) for w in asked.workloads)
    return asked.model_copy(update={"workloads": workloads})


def test_over_privileged_key() -> None:
    """Thefts hit agents alike, so four in five are of clerks; permissions need no log."""
    asked = scenario("over-privileged-key")
    record = run(many(asked, 100), 12, REGIMES)
    for regime in REGIMES:
        of = [t for t in thefts(record, regime) if t.injected]
        clerks = {t.permissions for t in of if t.agent < CLERKS}
        others = {t.permissions for t in of if t.agent >= CLERKS}
        assert others == {2}, "least privilege"
        assert clerks == ({1} if regime == "task-svid" else {40})
        ratio = mean([t.permissions / 2 for t in of])
        equals(ratio, *((0.6, 0.05) if regime == "task-svid" else (16.2, 1.0)))
    keys = [t for t in thefts(record, "static-key") if t.agent < CLERKS and t.revoked_s is None]
    assert not any(t.uses_refused for t in keys), "whatever he asks for was granted"
    # the first request of a task's document, if it comes while that is valid: out of need, or not
    of = thefts(run(many(asked, 400), 12, ["task-svid"]), "task-svid")
    used = [t for t in of if t.agent < CLERKS and t.first_use_s]
    in_time = [t for t in used if (t.first_use_s or 0.0) < (t.expires_s or 0.0)]
    alone = [t for t in in_time if t.uses_accepted + t.uses_refused == 2]  # and one after its end
    equals(share(sum(t.uses_refused == 2 for t in alone), len(alone)), 0.2, 0.06)


def test_what_over_privilege_leads_to() -> None:
    """A branching process of two types, stopped by the end of the day.

    A clerk's key opens 2 doors to clerks and 4 to others, an other's 2 to its own; each leads on
    with p = 0.1 half an hour later. Of thefts at uniform instants of the day 2.2 % lack the time
    for the first step, 4.4 % for two, 6.6 % for three. Clerks, who are robbed in four cases of
    five: 0.6 · 0.978 + 0.2 · 0.956 + 0.056 · 0.934; others 0.2, 0.04, 0.008; together 0.71.
    """
    asked = many(scenario("over-privileged-key"), 100)
    wide, narrow = (
        [c["lateral_agents_of_copies"] / c["lateral_copies"] for c in counts(of, "static-key")]
        for of in (run(asked, 30, ["static-key"]), run(least(asked), 30, ["static-key"]))
    )
    expected = 0.8 * (0.6 * 0.978 + 0.2 * 0.956 + 0.056 * 0.934)
    expected += 0.2 * (0.2 * 0.978 + 0.04 * 0.956 + 0.008 * 0.934)
    assert expected == pytest.approx(0.71, abs=0.01)
    equals(mean(wide), expected, 0.12)
    equals(mean(narrow), 0.2 * 0.978 + 0.04 * 0.956 + 0.008 * 0.934, 0.06)
    apart(mean(narrow), mean(wide))
