"""What regimes are asked in a verdict, in order of weight, and what is answered either way."""

from typing import NamedTuple

from analysis import terse
from analysis.summary import Summary
from scenarios.record.estimate import Estimate


class Question(NamedTuple):
    """What a metric is asked, and the answers where a regime is better or worse."""

    metric: str
    better: int
    """-1 when less is better, +1 when more is"""
    gain: str
    loss: str
    least: float = 0.0
    """a resolved difference below this is not worth a sentence of its own"""


QUESTIONS = (
    Question(
        "residual_validity_s",
        -1,
        "A stolen credential dies sooner, whoever notices",
        "A stolen credential lives longer",
    ),
    Question(
        "thefts_in_vain_share",
        1,
        "More thieves find nothing to take: an idle agent holds no credential",
        "Fewer thieves find nothing to take",
    ),
    Question(
        "permissions_per_theft",
        -1,
        "One theft opens fewer permissions",
        "One theft opens more permissions",
    ),
    Question(
        "attribution_share",
        1,
        "The log names the workload that acted",
        "The log names the acting workload less often",
    ),
    Question(
        "detected_share",
        1,
        "More thefts are detected while the copy is still usable",
        "Fewer thefts are detected in time: the credential has gone before the alert comes",
    ),
    Question(
        "foothold",
        -1,
        "A thief who lives in the workload loses his access sooner",
        "A thief who lives in the workload keeps his access longer",
    ),
    Question(
        "auth_failures_per_agent_day",
        -1,
        "Fewer authentications fail",
        "More authentications fail",
    ),
    Question(
        "expired_s_per_agent_day",
        -1,
        "Agents sit with an expired credential for a shorter time",
        "Agents sit with an expired credential",
        least=1.0,
    ),
    Question(
        "waits_per_agent_day",
        -1,
        "Fewer tasks wait for the issuer",
        "Tasks wait for the issuer when they start",
    ),
    Question(
        "refusals_per_s",
        -1,
        "The issuer refuses fewer requests",
        "Agents meet an issuer that refuses them",
    ),
    Question(
        "peak_issuances_per_s",
        -1,
        "The issuer's peak is lower",
        "The issuer must bear a higher peak",
    ),
)


def estimate(summary: Summary, regime: str, metric: str) -> Estimate | None:
    """Return an estimate by name; ``detected_share`` and ``foothold`` are names, too."""
    of = summary.regimes[regime]
    if metric == "detected_share":
        return of.time_to_detection.detected_share
    if metric == "foothold":
        metric = summary.exposure_name.replace("exposure", "foothold")
    return of.metrics.get(metric)


def title(summary: Summary, metric: str) -> str:
    """Return what a question is about, in words."""
    if metric == "detected_share":
        return "Detected while usable"
    if metric == "foothold":
        metric = summary.exposure_name.replace("exposure", "foothold")
    return terse.title(metric, summary)
