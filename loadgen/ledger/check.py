"""A log held against its checkpoints: is every line still what was signed?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadgen.ledger.leaves import UnreadableLine, leaves
from loadgen.ledger.merkle import Frontier
from loadgen.ledger.note import (
    Checkpoint,
    ForgedNote,
    VerifierKey,
    opened,
    read_notes,
    read_verifier,
)


@dataclass(frozen=True, slots=True)
class Break:
    """The first checkpoint that does not hold, and where the change is."""

    checkpoint: int
    """counted from 1, in the order of the file"""
    size: int | None
    """lines that it is about; None when its own signature does not hold"""
    first_line: int
    last_line: int | None
    """the change lies in these lines, counted from 1; None: up to the end"""
    why: str

    def sentence(self) -> str:
        """Say it in one line."""
        last = "the end" if self.last_line is None else f"{self.last_line:,}"
        return (
            f"checkpoint {self.checkpoint} does not hold: {self.why}; "
            f"what is not proven is lines {self.first_line:,} to {last}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found."""

    lines: int
    """that the log has"""
    covered: int
    """from the first on, that a checkpoint vouches for"""
    checkpoints: int
    """that hold"""
    broken: Break | None
    fault: str = ""
    """why the log could not be read to its end"""

    @property
    def ok(self) -> bool:
        """Whether every checkpoint holds."""
        return self.broken is None


def check(
    log: Iterable[bytes],
    checkpoints: Sequence[Checkpoint | ForgedNote],
    tree: Frontier | None = None,
) -> Verdict:
    """Hold a log against checkpoints in one pass, with O(log n) memory.

    Args:
        log: its leaves in order.
        checkpoints: in the order of their file.
        tree: an empty one, which is grown over all lines that could be read.

    Returns:
        The verdict. A log that ends before a checkpoint, one that cannot be read so far, and a
        checkpoint that is forged, are breaks.
    """
    tree, walk = Frontier() if tree is None else tree, _Walk(log)
    numbered = list(enumerate(checkpoints, start=1))
    due = [(one.size, number, one) for number, one in numbered if isinstance(one, Checkpoint)]
    covered, broken = 0, None
    for size, number, one in sorted(due, key=lambda each: each[:2]):
        walk.grow(tree, size)
        why = walk.fault or _why(tree, one)
        if why:
            broken = Break(number, size, covered + 1, size, why)
            break
        covered = size
    walk.grow(tree, None)
    forged = next((number for number, one in numbered if isinstance(one, ForgedNote)), None)
    if forged is not None and (broken is None or forged < broken.checkpoint):
        covered = max((size for size, number, _ in due if number < forged), default=0)
        broken = Break(forged, None, covered + 1, None, "its signature is not the key's")
    held = sum(size <= covered for size, *_ in due)
    return Verdict(tree.size, covered, held, broken, walk.fault)


class _Walk:
    """The way along a log."""

    def __init__(self, log: Iterable[bytes]) -> None:
        self._log = iter(log)
        self.fault = ""
        """why it ends before its end"""

    def grow(self, tree: Frontier, size: int | None) -> None:
        """Grow a tree to a size, or to the end of the log."""
        try:
            while size is None or tree.size < size:
                leaf = next(self._log, None)
                if leaf is None:
                    return
                tree.append(leaf)
        except UnreadableLine as exc:
            self.fault = f"the log cannot be read beyond line {tree.size:,} ({exc})"


def _why(tree: Frontier, one: Checkpoint) -> str:
    if tree.size < one.size:
        return f"it is about {one.size:,} lines, the log has {tree.size:,}"
    if tree.root() != one.root:
        return "a line was changed, added, removed or moved"
    return ""


def verify(log: Path, checkpoints: Path, key: Path) -> Verdict:
    """Hold a log against the checkpoints that a second place kept.

    Args:
        log: of the embedded service, or of text lines.
        checkpoints: file of notes.
        key: public key file.

    Raises:
        InputError: a file that is none, a checkpoint of another log or of another key.
    """
    return check(leaves(log), believed(checkpoints, read_verifier(key)))


def believed(path: Path, key: VerifierKey) -> list[Checkpoint | ForgedNote]:
    """Return the checkpoints of a file, each believed only if its signature holds.

    Raises:
        InputError: a file that is none, a note of another log or of another key.
    """
    found: list[Checkpoint | ForgedNote] = []
    for number, note in enumerate(read_notes(path), start=1):
        try:
            found.append(opened(note, key, f"{path}: checkpoint {number}"))
        except ForgedNote as forged:
            found.append(forged)
    return found
