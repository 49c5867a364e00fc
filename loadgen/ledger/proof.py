"""Proofs that leave the log: one line was in it, or one checkpoint continues another.

An inclusion proof is written as C2SP's tlog-proof: index, hashes and the signed checkpoint, which
together with the line and the public key is all that a stranger needs.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from loadgen.ledger.check import believed
from loadgen.ledger.leaves import UnreadableLine, leaves
from loadgen.ledger.merkle import HASH_BYTES, Tree, consistency_holds, inclusion_holds
from loadgen.ledger.note import (
    Checkpoint,
    ForgedNote,
    VerifierKey,
    notes,
    opened,
    read_notes,
    read_verifier,
)
from scenarios.errors import InputError, StoreError

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A line of a log with the proof that it was there at a checkpoint."""

    line: int
    """counted from 1"""
    leaf: bytes
    hashes: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str
    """the checkpoint as it was signed"""

    def text(self) -> str:
        """Return the proof in the form of C2SP's tlog-proof, without the line."""
        hashes = "".join(f"{_base64(one)}\n" for one in self.hashes)
        return f"{HEADER}\nindex {self.line - 1}\n{hashes}\n{self.note}"


@dataclass(frozen=True, slots=True)
class Consistency:
    """The proof that the lines of an older checkpoint are the first ones of a newer one."""

    first: Checkpoint
    second: Checkpoint
    hashes: tuple[bytes, ...]


def _base64(of: bytes) -> str:
    return base64.b64encode(of).decode()


def _grown(log: Iterable[bytes], path: Path, newest: Checkpoint) -> tuple[Tree, list[bytes]]:
    """Return tree and leaves up to a checkpoint; raises StoreError when it does not hold."""
    tree, kept = Tree(), []
    try:
        for leaf in log:
            if tree.size == newest.size:
                break
            tree.append(leaf)
            kept.append(leaf)
    except UnreadableLine as exc:
        raise StoreError(f"{path}: cannot be read beyond line {tree.size:,} ({exc})") from exc
    if tree.size < newest.size or tree.root(newest.size) != newest.root:
        raise StoreError(f"{path}: is not what was signed; `midas audit verify` says where")
    return tree, kept


def _newest(checkpoints: Path, key: VerifierKey) -> tuple[Checkpoint, str]:
    """Return the largest checkpoint of a file and its note."""
    found = []
    for number, note in enumerate(read_notes(checkpoints), start=1):
        where = f"{checkpoints}: checkpoint {number}"
        try:
            found.append((opened(note, key, where), note.whole()))
        except ForgedNote as exc:
            raise StoreError(str(exc)) from exc
    return max(found, key=lambda each: each[0].size)


def prove_line(log: Path, line: int, checkpoints: Path, key: Path) -> Inclusion:
    """Return the proof that a line is in a log, checked before it is given away.

    Args:
        log: of the embedded service, or of text lines.
        line: counted from 1.
        checkpoints: file; the newest is used.
        key: public key file.

    Raises:
        InputError: a file that is none, a line that no checkpoint covers.
        StoreError: the log is not what was signed.
    """
    newest, note = _newest(checkpoints, read_verifier(key))
    if not 1 <= line <= newest.size:
        raise InputError(f"line: found {line:,}, checkpoints cover lines 1 to {newest.size:,}")
    tree, kept = _grown(leaves(log), log, newest)
    path = tree.inclusion(line - 1, newest.size)
    if not inclusion_holds(kept[line - 1], line - 1, newest.size, path, newest.root):
        raise StoreError(f"{log}: the proof of line {line} does not hold")
    return Inclusion(line, kept[line - 1], tuple(path), newest, note)


def prove_growth(log: Path, first_size: int, checkpoints: Path, key: Path) -> Consistency:
    """Return the proof that the newest checkpoint continues the one over ``first_size`` lines.

    Raises:
        InputError: a file that is none, no checkpoint over so many lines.
        StoreError: the log is not what was signed.
    """
    verifier = read_verifier(key)
    newest, _ = _newest(checkpoints, verifier)
    known = [one for one in believed(checkpoints, verifier) if isinstance(one, Checkpoint)]
    first = next((one for one in known if one.size == first_size), None)
    if first is None:
        every = sorted({one.size for one in known})
        sizes = ", ".join(f"{size:,}" for size in every[:8]) + (" …" if len(every) > 8 else "")
        raise InputError(f"since: found {first_size:,}, checkpoints are over {sizes} lines")
    tree, _ = _grown(leaves(log), log, newest)
    path = tree.consistency(first.size, newest.size)
    if not consistency_holds(first.size, first.root, newest.size, newest.root, path):
        raise StoreError(f"{checkpoints}: checkpoint over {first.size:,} lines is of another log")
    return Consistency(first, newest, tuple(path))


def read_proof(text: str, name: str) -> tuple[int, list[bytes], str]:
    """Return index, hashes and note of a tlog-proof. Raises InputError."""
    fault = InputError(f"{name}: is no proof (must begin with {HEADER})")
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or lines[0] != HEADER:
        raise fault
    lines = [line for line in lines[1:] if not line.startswith("extra ")]
    try:
        index = int(lines[0].removeprefix("index "))
        hashes = [base64.b64decode(line, validate=True) for line in lines[1:]]
    except (ValueError, IndexError):
        raise fault from None
    if index < 0 or any(len(one) != HASH_BYTES for one in hashes):
        raise fault
    return index, hashes, note


def proof_holds(proof: Path, leaf: bytes, key: Path) -> tuple[int, Checkpoint] | None:
    """Return line and checkpoint of a proof that a line was in a log, None when it does not hold.

    Raises:
        InputError: a file that is none, another log's or another key's.
    """
    try:
        index, hashes, text = read_proof(proof.read_text("utf-8"), str(proof))
    except OSError as exc:
        raise InputError(f"{proof}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{proof}: is no text") from exc
    found = notes(text, str(proof))
    if len(found) != 1:
        raise InputError(f"{proof}: must end with one checkpoint")
    try:
        one = opened(found[0], read_verifier(key), f"{proof}: checkpoint")
    except ForgedNote:
        return None
    return (index + 1, one) if inclusion_holds(leaf, index, one.size, hashes, one.root) else None
