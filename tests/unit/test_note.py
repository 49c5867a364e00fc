"""Signed notes: Go's published vector byte for byte, and every mangling refused."""

import string
from contextlib import suppress
from pathlib import Path

import pytest

from loadgen.ledger.note import (
    Checkpoint,
    ForgedNote,
    SigningKey,
    notes,
    opened,
    read_notes,
    read_signing,
    read_verifier,
)
from scenarios.errors import InputError

# golang.org/x/mod/sumdb/note, note_test.go
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp"
    "RZb6KE6RyyBwJnAM=\n"
)
ROOT = bytes(range(32))
BASE64 = string.ascii_letters + string.digits + "+/"


def file(folder: Path, text: str) -> Path:
    path = folder / "file"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.new("example.org/audit/00c0ffee")


def test_gos_vector_is_reproduced(tmp_path: Path) -> None:
    signing = read_signing(file(tmp_path, PRIVATE + "\n"))
    assert str(signing.verifier) == PUBLIC
    assert str(read_verifier(file(tmp_path, PUBLIC + "\n"))) == PUBLIC
    assert signing.sign(TEXT) == f"{TEXT}\n{SIGNATURE}"


def test_a_checkpoint_comes_back_from_its_note(key: SigningKey) -> None:
    of = [Checkpoint(key.name, size, ROOT) for size in (0, 1, 2**40)]
    text = "\n".join(key.sign(one.text()) for one in of)
    found = notes(text, "file")
    assert [opened(note, key.verifier, "here") for note in found] == of
    assert "\n".join(note.whole() for note in found) == text


def test_any_changed_character_of_a_note_is_refused(key: SigningKey) -> None:
    text = key.sign(Checkpoint(key.name, 12, ROOT).text())
    for place, character in enumerate(text):
        other = "A" if character != "A" else "B"
        for bad in (text[:place] + other + text[place + 1 :], text[:place] + text[place + 1 :]):
            with pytest.raises((InputError, ForgedNote)):
                [opened(note, key.verifier, "here") for note in notes(bad, "file")]


def test_of_the_spellings_of_one_signature_only_one_is_read(key: SigningKey) -> None:
    text = key.sign(Checkpoint(key.name, 12, ROOT).text())
    head, last = text[: -len("?=\n")], text[-len("?=\n")]
    assert text == f"{head}{last}=\n"
    read = []
    for character in BASE64:
        with suppress(InputError, ForgedNote):
            (note,) = notes(f"{head}{character}=\n", "file")
            read.append(opened(note, key.verifier, "here"))
    assert len(read) == 1


def test_any_part_of_a_file_of_notes_is_whole_or_refused(key: SigningKey) -> None:
    parts = [key.sign(Checkpoint(key.name, size, ROOT).text()) for size in (1, 2)]
    text = "\n".join(parts)
    for end in range(1, len(text)):
        if text[:end].rstrip("\n") == parts[0].rstrip("\n") and text[:end].endswith("\n"):
            assert len(notes(text[:end], "file")) == 1
        else:
            with pytest.raises(InputError, match=r"file: note \d \(line \d\): is not whole"):
                notes(text[:end], "file")


@pytest.mark.parametrize(
    "body", ["log\n-1\n{root}\n", "log\n01\n{root}\n", "log\n1\nAAAA\n", "log\n1\n", "log\n"]
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(body: str) -> None:
    key = SigningKey.new("log")
    (note,) = notes(key.sign(body.format(root="A" * 43 + "=")), "file")
    with pytest.raises(InputError, match="is no checkpoint"):
        opened(note, key.verifier, "here")


def test_other_signatures_beside_the_logs_own_do_no_harm(key: SigningKey) -> None:
    one = Checkpoint(key.name, 1, ROOT)
    witness = SigningKey.new("witness").sign(one.text()).splitlines()[-1]
    (note,) = notes(f"{key.sign(one.text())}{witness}\n", "file")
    assert opened(note, key.verifier, "here") == one


def test_whose_it_is_is_told(key: SigningKey) -> None:
    (note,) = notes(key.sign(Checkpoint(key.name, 1, ROOT).text()), "file")
    with pytest.raises(InputError, match=r"is of log 'example\.org/audit/00c0ffee', the key is of"):
        opened(note, SigningKey.new("other").verifier, "here")
    with pytest.raises(InputError, match="is not signed by this key"):
        opened(note, SigningKey.new(key.name).verifier, "here")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PRIVATE, "found a private key"),
        ("", "found none"),
        ("x+y", "found none"),
        (PUBLIC[:-4], "found none"),
        (PUBLIC.replace("c74f", "c74e"), "do not belong together"),
        (PUBLIC.replace("Peter", "Paul"), "do not belong together"),
    ],
)
def test_what_is_no_public_key_is_named(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as fault:
        read_verifier(file(tmp_path, text))
    assert PRIVATE[-20:] not in str(fault.value)


def test_a_private_key_is_never_repeated_in_a_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no private key") as fault:
        read_signing(file(tmp_path, PRIVATE.replace("c74f", "c74e")))
    assert PRIVATE[-20:] not in str(fault.value)


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_file_without_checkpoints_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_notes(file(tmp_path, text))
