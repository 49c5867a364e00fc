"""The notary: what is on disk is signed in time, continued, and never signed over a change."""

import asyncio
from pathlib import Path

import pytest

from loadgen.ledger.check import verify
from loadgen.ledger.leaves import leaves
from loadgen.ledger.notary import Notary, own_key, public_file, seal
from loadgen.ledger.note import read_notes, read_verifier
from loadgen.service.audit import AuditLog, Line
from scenarios.errors import InputError, StoreError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "safe").mkdir()
    return tmp_path


def checkpoints(place: Path) -> Path:
    return place / "safe" / "checkpoints"


def sizes(place: Path) -> list[int]:
    return [int(note.text.split("\n")[1]) for note in read_notes(checkpoints(place))]


def opened(place: Path, log: list[bytes] | None = None, **options: float) -> Notary:
    key = own_key(place / "data", checkpoints(place), "example.org/audit")
    return Notary(checkpoints(place), key, log or [], **options)  # type: ignore[arg-type]


def lines(count: int, start: int = 0) -> list[bytes]:
    return [b"line %d" % n for n in range(start, start + count)]


def test_it_signs_after_so_many_lines_and_what_is_left_at_the_end(place: Path) -> None:
    async def run() -> None:
        notary = opened(place, every_lines=10, every_s=3600.0)
        for start in range(0, 25, 5):
            notary.take(lines(5, start))
        notary.close()

    asyncio.run(run())
    assert sizes(place) == [10, 20, 25]


def test_it_signs_so_long_after_a_line_and_rests_when_none_comes(place: Path) -> None:
    async def run() -> None:
        notary = opened(place, every_lines=10, every_s=0.02)
        notary.take(lines(3))
        await asyncio.sleep(0.3)
        notary.take(lines(3))
        await asyncio.sleep(0.3)
        assert sizes(place) == [3, 6]
        notary.close()

    asyncio.run(run())
    assert sizes(place) == [3, 6]


def test_a_log_is_continued_by_the_same_key(place: Path) -> None:
    async def run() -> None:
        first = opened(place, every_lines=2)
        first.take(lines(2))
        first.close()
        second = opened(place, lines(2), every_lines=2)
        second.take(lines(2, 2))
        second.close()

    asyncio.run(run())
    assert sizes(place) == [2, 4]
    (place / "log").write_bytes(b"".join(line + b"\n" for line in lines(4)))
    verdict = verify(place / "log", checkpoints(place), public_file(checkpoints(place)))
    assert verdict.ok
    assert verdict.covered == 4


@pytest.mark.parametrize("log", [lines(3)[:2], lines(3)[::-1], [*lines(2), b"other"]])
def test_it_does_not_sign_over_a_change(log: list[bytes], place: Path) -> None:
    async def run() -> None:
        first = opened(place)
        first.take(lines(3))
        first.close()

    asyncio.run(run())
    with pytest.raises(StoreError, match="checkpoint 1 does not hold"):
        opened(place, log)


def test_it_does_not_start_over_a_log_that_cannot_be_read(place: Path) -> None:
    (place / "log").write_bytes(b"line\nhalf")
    key = own_key(place / "data", checkpoints(place), "example.org/audit")
    with pytest.raises(StoreError, match="cannot be read beyond line 1"):
        Notary(checkpoints(place), key, leaves(place / "log"))


def test_the_private_key_is_its_owners_alone_and_the_public_one_beside_the_checkpoints(
    place: Path,
) -> None:
    key = own_key(place / "data", checkpoints(place), "example.org/audit")
    secret = place / "data" / "checkpoint.key"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert read_verifier(public_file(checkpoints(place))) == key.verifier
    assert own_key(place / "data", checkpoints(place), "example.org/audit") == key
    assert key.text() not in "".join(p.read_text() for p in (place / "safe").iterdir())


def test_two_logs_cannot_share_a_file_of_checkpoints(place: Path) -> None:
    own_key(place / "data", checkpoints(place), "example.org/audit")
    (place / "other").mkdir()
    with pytest.raises(InputError, match="checkpoints of another log"):
        own_key(place / "other", checkpoints(place), "example.org/audit")


def test_checkpoints_without_their_key_are_not_adopted(place: Path) -> None:
    checkpoints(place).write_text("old\n")
    with pytest.raises(InputError, match="without its public key"):
        own_key(place / "data", checkpoints(place), "example.org/audit")


def full_disk(notary: Notary) -> None:
    """Let a notary write where nothing fits."""
    notary._file.close()
    notary._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115  (closed by it)


def test_a_second_place_that_is_full_is_an_audit_failure(place: Path) -> None:
    notary = opened(place, every_lines=1)
    full_disk(notary)

    async def run() -> None:
        log = AuditLog(place / "data" / "audit.sqlite3", notary=notary)
        with pytest.raises(StoreError, match="cannot append a checkpoint"):
            await log.write([Line(1.0, 1.0)])
        with pytest.raises(StoreError, match="cannot append a checkpoint"):
            log.close()

    asyncio.run(run())


def test_a_checkpoint_that_came_too_late_is_made_up_for(place: Path) -> None:
    async def run() -> None:
        notary = opened(place, every_lines=100, every_s=0.01)
        full_disk(notary)
        notary.take(lines(2))
        await asyncio.sleep(0.1)
        with pytest.raises(StoreError):
            notary.take(lines(1, 2))
        notary._file.close()
        notary._file = checkpoints(place).open("ab", buffering=0)
        notary.take(lines(1, 3))
        notary.close()

    asyncio.run(run())
    assert sizes(place) == [4]


def test_a_text_log_is_sealed_again_and_again(place: Path) -> None:
    log, safe, keys = place / "openbao.log", checkpoints(place), place / "keys"
    log.write_bytes(b"a\nb\nhalf")
    assert seal(log, safe, keys, "bao.example/audit").size == 2
    log.write_bytes(b"a\nb\nhalf a line\n")
    assert seal(log, safe, keys, "bao.example/audit").size == 3
    assert seal(log, safe, keys, "bao.example/audit").size == 3
    assert sizes(place) == [2, 3]
    log.write_bytes(b"a\nB\nhalf a line\n")
    with pytest.raises(StoreError, match=r"checkpoint 1 does not hold.*lines 1 to 2"):
        seal(log, safe, keys, "bao.example/audit")
    assert sizes(place) == [2, 3]


def test_a_name_that_no_key_can_have_is_refused(place: Path) -> None:
    with pytest.raises(InputError, match="name: found 'a b'"):
        seal(place / "log", checkpoints(place), place / "keys", "a b")
