"""Signed notes and checkpoints, as C2SP's signed-note and tlog-checkpoint write them.

A checkpoint says in three lines which log it is of (*origin*), how many lines that has and the root
of their Merkle tree; a note is such a text, an empty line and a line for each signature. Keys are
written as Go's note package does: ``NAME+ID+KEY`` to verify, ``PRIVATE+KEY+NAME+ID+KEY`` to sign.
"""

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from loadgen.ledger.merkle import HASH_BYTES
from scenarios.errors import InputError

_ED25519 = b"\x01"
_KEY_BYTES, _ID_BYTES = 32, 4
_PRIVATE = "PRIVATE+KEY+"
_DASH = "— "
_LARGEST = 2**63


class ForgedNote(Exception):  # noqa: N818  (what it is)
    """A note whose signature, made in the name of the key at hand, does not hold."""


def _key_id(name: str, key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + key).digest()[:_ID_BYTES]


def _split(text: str) -> tuple[str, bytes]:
    """Return name and key of ``NAME+ID+KEY``; raises ValueError without saying what it read."""
    name, _, encoded = text.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    if not name or " " in name or key[:1] != _ED25519 or len(key) != 1 + _KEY_BYTES:
        raise ValueError("no Ed25519 key")
    return name, key[1:]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half: who signed."""

    name: str
    """the origin of the log whose checkpoints it verifies"""
    key: bytes

    @property
    def key_id(self) -> bytes:
        """Return the four octets that signatures carry."""
        return _key_id(self.name, self.key)

    def __str__(self) -> str:
        key = base64.b64encode(_ED25519 + self.key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half; its text never belongs into a message."""

    name: str
    seed: bytes

    @classmethod
    def new(cls, name: str) -> "SigningKey":
        """Make a key for a log of this origin."""
        return cls(name, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def verifier(self) -> VerifierKey:
        """Return the public half."""
        private = Ed25519PrivateKey.from_private_bytes(self.seed)
        return VerifierKey(self.name, private.public_key().public_bytes_raw())

    def text(self) -> str:
        """Return the key as it is kept, a secret."""
        seed = base64.b64encode(_ED25519 + self.seed).decode()
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{seed}"

    def sign(self, text: str) -> str:
        """Return a note of one signature; ``text`` ends with a newline."""
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        encoded = base64.b64encode(self.verifier.key_id + signature).decode()
        return f"{text}\n{_DASH}{self.name} {encoded}\n"


def read_verifier(path: Path) -> VerifierKey:
    """Read a public key file. Raises InputError in one line."""
    text = _read(path).strip()
    try:
        name, key = _split(text)
        found = VerifierKey(name, key)
        Ed25519PublicKey.from_public_bytes(key)
    except ValueError:
        found_one = "a private key" if text.startswith(_PRIVATE) else "none"
        raise InputError(
            f"{path}: found {found_one}, must be the public key of a log, NAME+ID+KEY (Ed25519)"
        ) from None
    if str(found) != text:
        raise InputError(f"{path}: the key's name, ID and octets do not belong together")
    return found


def read_signing(path: Path) -> SigningKey:
    """Read a private key file. Raises InputError, which does not repeat what it read."""
    text = _read(path).strip()
    try:
        name, seed = _split(text.removeprefix(_PRIVATE))
    except ValueError:
        name, seed = "", b""
    if not name or SigningKey(name, seed).text() != text:
        raise InputError(f"{path}: is no private key of a log")
    return SigningKey(name, seed)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{path}: is no text") from exc


@dataclass(frozen=True, slots=True)
class Note:
    """A text with signatures, not yet believed."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]
    """name, and key ID before the signature"""
    line: int
    """where in its file it begins, counted from 1"""

    def whole(self) -> str:
        """Return the note as it was written."""
        lines = (f"{_DASH}{name} {base64.b64encode(of).decode()}\n" for name, of in self.signatures)
        return f"{self.text}\n{''.join(lines)}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits itself to: its first ``size`` lines have this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text to be signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def notes(text: str, name: str) -> list[Note]:
    """Return the notes of a file, one after the other with an empty line between them.

    Args:
        text: of the file.
        name: of the file, for messages.

    Raises:
        InputError: naming the first note that is not whole.
    """
    found: list[Note] = []
    lines = text.split("\n")
    place = 0
    while place < len(lines) - 1 or lines[-1]:
        began, fault = place, f"{name}: note {len(found) + 1} (line {place + 1}): is not whole"
        try:
            middle = lines.index("", began)
        except ValueError:
            raise InputError(fault) from None
        place = middle + 1
        signatures = []
        while place < len(lines) - 1 and lines[place]:
            signatures.append(_signature(lines[place], fault))
            place += 1
        if not signatures or (place == len(lines) - 1 and lines[-1]) or middle == began:
            raise InputError(fault)
        body = "".join(f"{line}\n" for line in lines[began:middle])
        found.append(Note(body, tuple(signatures), began + 1))
        place += 1
    return found


def _signature(line: str, fault: str) -> tuple[str, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        signature = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        signature = b""
    # The unused bits at the end of base64 are signed by nobody: only one spelling is read.
    plain = base64.b64encode(signature).decode() == encoded
    if not line.startswith(_DASH) or not name or len(signature) <= _ID_BYTES or not plain:
        raise InputError(fault)
    return name, signature


def opened(note: Note, key: VerifierKey, where: str) -> Checkpoint:
    """Return the checkpoint that a note carries, once its signature has been found to hold.

    Args:
        note: to be believed.
        key: of the log whose checkpoint it must be.
        where: begins the message of a fault.

    Raises:
        InputError: it is another log's, another key's or no checkpoint.
        ForgedNote: it is signed in this key's name, and not by it.
    """
    mine = [of for name, of in note.signatures if name == key.name and of[:_ID_BYTES] == key.key_id]
    if not mine:
        origin = note.text.partition("\n")[0]
        if origin != key.name:
            raise InputError(f"{where}: is of log {origin!r}, the key is of {key.name!r}")
        raise InputError(f"{where}: is not signed by this key ({key.name}+{key.key_id.hex()})")
    public = Ed25519PublicKey.from_public_bytes(key.key)
    for signature in mine:
        try:
            public.verify(signature[_ID_BYTES:], note.text.encode())
        except InvalidSignature:
            raise ForgedNote(f"{where}: its signature does not hold") from None
    return _checkpoint(note.text, where)


def _checkpoint(text: str, where: str) -> Checkpoint:
    origin, *rest = text.split("\n")
    try:
        size, root = int(rest[0]), base64.b64decode(rest[1], validate=True)
        plain = str(size) == rest[0] and 0 <= size < _LARGEST and len(root) == HASH_BYTES
    except (ValueError, IndexError):
        plain = False
    if not plain:
        raise InputError(f"{where}: is no checkpoint (origin, size and root, a line each)")
    return Checkpoint(origin, size, root)


def read_notes(path: Path) -> list[Note]:
    """Return the notes of a file of checkpoints.

    Raises:
        InputError: it is missing, empty, or its notes are not whole.
    """
    found = notes(_read(path), str(path))
    if not found:
        raise InputError(f"{path}: holds no checkpoint")
    return found
