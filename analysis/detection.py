"""Time to detection with competing risks: never a bare mean, which short lifetimes would censor."""

import msgspec

from analysis import estimators, survival
from analysis.survival import Curve, Point
from analysis.thefts import CAUSES, DETECTED, Followed
from scenarios.record.estimate import Estimate


class TimeToDetection(msgspec.Struct, frozen=True):
    """Cumulative incidence of detection since the theft, the other ends competing with it."""

    detected_share: Estimate
    """detected within ``within_s`` and before the credential's use had ended otherwise"""
    late_share: Estimate
    """an alert came, but after the credential had ended"""
    median_s: Estimate
    p90_s: Estimate
    curve: tuple[Point, ...]
    within_s: float
    """how far the curves go; beyond, too few thefts were watched"""
    competing: dict[str, tuple[Point, ...]]
    """every end by name, ``detected`` among them"""


def time_to_detection(followed: Followed, until_s: float) -> TimeToDetection:
    """Return what the thefts say about detection, up to ``until_s`` after each."""
    curves: dict[str, Curve] = {
        name: survival.cumulative_incidence(followed.detection, cause, until_s)
        for cause, name in CAUSES.items()
    }
    detected = curves[CAUSES[DETECTED]]
    _, value, low, high = detected.points[-1]
    n = detected.n
    share = Estimate(value, low, high, n, "1") if n else Estimate(None, None, None, 0, "1")
    return TimeToDetection(
        detected_share=share,
        late_share=estimators.share(int(followed.late.sum()), len(followed)),
        median_s=survival.quantile(detected, 0.5),
        p90_s=survival.quantile(detected, 0.9),
        curve=detected.points,
        within_s=until_s,
        competing={name: curve.points for name, curve in curves.items()},
    )
