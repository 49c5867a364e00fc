"""One theft in progress, and the ground truth that it leaves.

Everything before the first use (when to steal, how long to wait, how often to use) is *assumed*,
chosen by a persona and drawn by key; what happens after it is measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from loadgen.personas.stage import Mark, Stage
from loadgen.targets.port import Stolen
from scenarios.errors import TargetError

UNDETECTED, EXPIRED = "undetected", "expired"
ACCEPTED, DENIED = "ok", "denied"
"""answers to a use: accepted; the credential is good but not for this permission. Anything else
that is no transport failure means that the credential is refused."""
NO_ANSWER = frozenset(
    {"timeout", "refused", "connect-timeout", "closed", "half", "protocol", "tls"}
)
PEEK_S = 0.1
"""how often a thief who waits for a renewal looks"""


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a stolen credential, on the run clock."""

    sent_s: float
    answered_s: float
    origin: str
    permission: str
    code: str


@dataclass(slots=True)
class Theft:
    """The ground truth of one theft, written by the thief alone."""

    number: int
    persona: str
    identity: str
    mark: Mark
    stolen: Stolen | None = None
    stolen_s: float | None = None
    uses: list[Use] = field(default_factory=list)
    end: str = "open"
    """``refused``, ``expired`` or ``open``, as the thief knows it"""


class Thief:
    """One theft in progress: steals, waits, uses, and writes down what happened.

    Args:
        theft: the truth to write.
        stage: where it happens.
        steal: copies what (agent, task) holds: (run time, credential), or None.
        use: presents a credential for a permission from an address and returns the answer.
        now_s: the run clock.
        wait: sleeps for at most so many seconds; True when the run is being stopped.
    """

    def __init__(
        self,
        theft: Theft,
        stage: Stage,
        *,
        steal: Callable[[int, int], tuple[float, Stolen] | None],
        use: Callable[[Stolen, str, str], str],
        now_s: Callable[[], float],
        wait: Callable[[float], bool],
    ) -> None:
        self.theft = theft
        self.stage = stage
        self._steal, self._use, self._now_s, self._wait = steal, use, now_s, wait

    def sleep_until(self, t_s: float) -> bool:
        """Sleep until run time ``t_s``; False when the run ends before."""
        end_s = self.stage.plan.seconds
        stopped = self._wait(max(0.0, min(t_s, end_s) - self._now_s()))
        return not stopped and t_s < end_s

    def steal(self) -> bool:
        """Take a copy at the marked time, trying again while the owner holds nothing."""
        mark = self.theft.mark
        t_s = mark.steal_s
        while self.sleep_until(t_s):
            taken = self._steal(mark.agent, mark.task)
            if taken is not None:
                self.theft.stolen_s, self.theft.stolen = taken
                return True
            t_s = self._now_s() + PEEK_S
        return False

    def wait_for_renewal(self) -> bool:
        """Wait until the owner holds another document than the stolen one."""
        mark, stolen = self.theft.mark, self.theft.stolen
        while stolen is not None and self.sleep_until(self._now_s() + PEEK_S):
            held = self._steal(mark.agent, mark.task)
            if held is not None and held[1].serial != stolen.serial:
                return True
        return False

    def use(self, permission: str, origin: str) -> str:
        """Use the stolen credential once; return and note the answer."""
        stolen = self.theft.stolen
        if stolen is None:
            raise ValueError("nothing was stolen")
        sent_s = self._now_s()
        try:
            code = self._use(stolen, permission, origin)
        except TargetError:
            code = "closed"
        self.theft.uses.append(Use(sent_s, self._now_s(), origin, permission, code))
        return code

    def expired(self) -> bool:
        """Return whether the stolen document has reached its end."""
        stolen = self.theft.stolen
        return (
            stolen is not None
            and stolen.expires_s is not None
            and self._now_s() >= stolen.expires_s
        )

    def use_until_refused(
        self, permissions: tuple[str, ...], origin: str, pace_s: float | None = None
    ) -> None:
        """Use it again and again until it is refused or expires or the run ends.

        Args:
            permissions: asked for in turn.
            origin: address.
            pace_s: between uses; the stage's when None.
        """
        count = 0
        pace_s = self.stage.pace_s if pace_s is None else pace_s
        t_s = self._now_s()
        while self.sleep_until(t_s):
            if self.expired():
                self.theft.end = "expired"
                return
            code = self.use(permissions[count % len(permissions)], origin)
            if code not in (ACCEPTED, DENIED) and code not in NO_ANSWER:
                self.theft.end = "expired" if self.expired() else "refused"
                return
            count += 1
            t_s = self._now_s() + pace_s

    def rest_until_expiry(self) -> None:
        """Keep the credential unused until it expires or the run ends."""
        stolen = self.theft.stolen
        if stolen is not None and stolen.expires_s is not None:
            if self.sleep_until(stolen.expires_s):
                self.theft.end = "expired"
        else:
            self.sleep_until(self.stage.plan.seconds)
