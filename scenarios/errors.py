"""Every error that midas raises on purpose, as one tree.

::

    MidasError
    ├── InputError                exit 2: what was asked for cannot be read or makes no sense
    │   ├── ScenarioError         a scenario, regime or sources file; carries every problem found
    │   ├── UsageError            a command line option
    │   └── RecordError           a results folder that is no record of ours
    └── RunError                  exit 1: what was asked for was tried and did not work
        ├── StoreError            results could not be written
        ├── ProcessError          a child process did not start, died or did not stop
        └── TargetError           the service under test
            ├── TargetUnavailable not installed, not listening, not healthy
            ├── TargetRefused     answered and said no
            └── TargetProtocol    answered something that is not its protocol

Only ``midas/cli.py`` turns them into a line and an exit code.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a file: where it is, what stands there and what may stand there."""

    key: str
    found: str
    allowed: str

    def line(self) -> str:
        """Return the fault as one line, without the file's name."""
        where = f"{self.key}: " if self.key else ""
        found = f"found {self.found}, " if self.found else ""
        return f"{where}{found}{self.allowed}"


class MidasError(Exception):
    """Anything that midas reports instead of crashing."""

    exit_code = 1


class InputError(MidasError):
    """What was asked for cannot be read or makes no sense."""

    exit_code = 2


class ScenarioError(InputError):
    """A scenario, regime or sources file with at least one fault.

    Attributes:
        path: the file, or None when the text came from elsewhere.
        problems: every fault that was found, in file order.
    """

    def __init__(self, path: Path | None, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems
        name = str(path) if path is not None else "<scenario>"
        super().__init__("\n".join(f"{name}: {problem.line()}" for problem in problems))


class UsageError(InputError):
    """A command line option that contradicts another or the scenario."""


class RecordError(InputError):
    """A results folder that is missing, incomplete or not a record of ours."""


class RunError(MidasError):
    """What was asked for was tried and did not work."""


class StoreError(RunError):
    """Results could not be written; nothing half-written is left behind."""


class ProcessError(RunError):
    """A child process did not start, died early or did not stop."""


class TargetError(RunError):
    """The service under test failed."""


class TargetUnavailable(TargetError):  # noqa: N818  (reads as what it is: the target is unavailable)
    """The target is not installed, not listening or not healthy."""


class TargetRefused(TargetError):  # noqa: N818
    """The target answered and said no to something it should have done."""


class TargetProtocol(TargetError):  # noqa: N818
    """The target answered something that is not its protocol."""
