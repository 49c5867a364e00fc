"""The notary of a growing log: grows its tree and signs checkpoints into a second place.

A checkpoint is written after so many lines, and so long after a line that none covers yet. Only
what is on disk is signed: lines are taken after their commit.
"""

import asyncio
import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from loadgen.ledger.check import believed, check
from loadgen.ledger.leaves import is_sqlite, leaves
from loadgen.ledger.merkle import Frontier
from loadgen.ledger.note import Checkpoint, SigningKey, read_signing, read_verifier
from scenarios.errors import InputError, StoreError

EVERY_LINES = 1000
EVERY_S = 1.0
KEY_FILE = "checkpoint.key"


def public_file(checkpoints: Path) -> Path:
    """Return where the public key of a file of checkpoints lies: beside it."""
    return checkpoints.with_name(f"{checkpoints.name}.pub")


def own_key(folder: Path, checkpoints: Path, name: str) -> SigningKey:
    """Return the key of a log, made when the log is new, its public half beside the checkpoints.

    Args:
        folder: of the log; keeps the private key, readable by its owner alone.
        checkpoints: file in the second place.
        name: of the log; eight random hex digits make it this one's.

    Raises:
        InputError: the checkpoints are another log's.
        StoreError: a key cannot be written.
    """
    secret, public = folder / KEY_FILE, public_file(checkpoints)
    if secret.exists():
        key = read_signing(secret)
    else:
        key = SigningKey.new(f"{name}/{secrets.token_hex(4)}")
    if public.exists() and read_verifier(public) != key.verifier:
        raise InputError(f"{checkpoints}: are the checkpoints of another log, or of another key")
    if checkpoints.exists() and not public.exists():
        raise InputError(f"{checkpoints}: is there already, without its public key ({public.name})")
    try:
        if not secret.exists():
            handle = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(f"{key.text()}\n")
        if not public.exists():
            public.write_text(f"{key.verifier}\n")
    except OSError as exc:
        raise StoreError(f"{exc.filename}: {exc.strerror}") from exc
    return key


def seal(log: Path, checkpoints: Path, folder: Path, name: str) -> Checkpoint:
    """Sign a checkpoint of a log that somebody else writes, after checking the earlier ones.

    Args:
        log: of text lines, or of the embedded service; a last line that is not whole is left out.
        checkpoints: file in the second place; continued.
        folder: keeps the private key; made when missing.
        name: of the log, where its key is made now.

    Returns:
        The checkpoint that covers the log now.

    Raises:
        InputError: a file that is none, the checkpoints of another log, a name no key can have.
        StoreError: the log is not what was signed before, or a file cannot be written.
    """
    if not name or set(name) & {" ", "+", "\n"}:
        raise InputError(f"name: found {name!r}, must be text without blanks and plus signs")
    lines = leaves(log)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreError(f"{folder}: {exc.strerror}") from exc
    key, growing = own_key(folder, checkpoints, name), not is_sqlite(log)
    notary = Notary(checkpoints, key, lines, growing=growing)
    notary.close()
    return notary.checkpoint()


class Notary:
    """Signs checkpoints of one log; belongs to the event loop that writes it.

    Args:
        checkpoints: file that takes the notes; continued.
        key: of the log.
        log: the leaves that it has already; they must hold against the checkpoints of the file.
        every_lines: sign after so many lines.
        every_s: sign so long after the first line that no checkpoint covers.
        power_safe: fsync every checkpoint.
        growing: somebody else writes the log, so its last line may not be whole yet.

    Raises:
        InputError: the file is not whole or another log's.
        StoreError: the log is not what was signed or cannot be read, or the file cannot be written.
    """

    def __init__(
        self,
        checkpoints: Path,
        key: SigningKey,
        log: Iterable[bytes] = (),
        *,
        every_lines: int = EVERY_LINES,
        every_s: float = EVERY_S,
        power_safe: bool = False,
        growing: bool = False,
    ) -> None:
        self._path, self._key = checkpoints, key
        self._every_lines, self._every_s = every_lines, every_s
        self._power_safe = power_safe
        self._tree = Frontier()
        self._signed = self._continue(log, growing=growing)
        self._timer: asyncio.TimerHandle | None = None
        self._overdue = False
        try:
            self._file = checkpoints.open("ab", buffering=0)
        except OSError as exc:
            raise StoreError(f"{checkpoints}: cannot be written ({exc.strerror})") from exc

    def _continue(self, log: Iterable[bytes], *, growing: bool) -> int:
        """Grow the tree over what is there, and refuse to sign over a change in it."""
        new = not self._path.exists() or self._path.stat().st_size == 0
        checkpoints = [] if new else believed(self._path, self._key.verifier)
        verdict = check(log, checkpoints, self._tree)
        if verdict.broken is not None:
            raise StoreError(f"{self._path}: {verdict.broken.sentence()}")
        if verdict.fault and not growing:
            raise StoreError(verdict.fault)
        return verdict.covered

    def take(self, lines: Sequence[bytes]) -> None:
        """Take lines that have been committed; sign when it is time.

        Raises:
            StoreError: a checkpoint that is due cannot be written.
        """
        append = self._tree.append
        for line in lines:
            append(line)
        if self._overdue or self._tree.size - self._signed >= self._every_lines:
            self.sign()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._every_s, self._in_time)

    def _in_time(self) -> None:
        self._timer = None
        try:
            self.sign()
        except StoreError:  # nobody waits for it here: whoever writes next is told
            self._overdue = True

    def sign(self) -> None:
        """Write a checkpoint of all lines, if there are any that none covers.

        Raises:
            StoreError: it cannot be written.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._tree.size == self._signed:
            return
        one = self.checkpoint()
        end = self._file.tell()
        note = (b"\n" if end else b"") + self._key.sign(one.text()).encode()
        try:
            self._append(note)
        except OSError as exc:
            with contextlib.suppress(OSError):
                self._file.truncate(end)
            raise StoreError(f"{self._path}: cannot append a checkpoint ({exc.strerror})") from exc
        self._signed, self._overdue = one.size, False

    def checkpoint(self) -> Checkpoint:
        """Return what a checkpoint of all lines says."""
        return Checkpoint(self._key.name, self._tree.size, self._tree.root())

    def _append(self, note: bytes) -> None:
        if self._file.write(note) != len(note):
            raise OSError(errno.ENOSPC, "no space for a whole one")
        if self._power_safe:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Sign what is left and close the file. Raises StoreError."""
        try:
            self.sign()
        finally:
            self._file.close()
