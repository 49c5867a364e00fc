"""``midas audit`` as an auditor types it: seal, verify, prove, check, who."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import conforms, midas

LINES = [
    {"occurred_s": 60.0 * n, "identity": f"spiffe://example.org/support/{n % 3}"}
    | {"workload": "support", "task": "routine" if n % 2 else "", "permission": "ticket:read"}
    for n in range(20)
] + [
    {"occurred_s": 1200.0, "identity": "key://support/0", "permission": "ticket:read"},
    {"occurred_s": 1201.0, "identity": "", "permission": "ticket:read", "outcome": "denied"},
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


@pytest.fixture
def sealed(log: Path) -> list[str | Path]:
    """Return the options that name the checkpoints of a log, sealed at 10 and at all lines."""
    safe = log.parent / "cp"
    whole = log.read_bytes()
    log.write_bytes(b"".join(whole.splitlines(keepends=True)[:10]))
    seal = ("audit", "seal", log, "--checkpoints", safe, "--secrets", log.parent / "keys")
    assert midas(*seal).returncode == 0
    log.write_bytes(whole)
    assert json.loads(midas(*seal, "--json").stdout)["size"] == len(LINES)
    return ["--checkpoints", safe, "--key", log.parent / "cp.pub"]


def test_a_whole_log_is_one_line_and_exit_code_0(log: Path, sealed: list[str | Path]) -> None:
    done = midas("audit", "verify", log, *sealed)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("22 lines are as 2 checkpoints say")
    assert conforms("audit-verify", midas("audit", "verify", log, *sealed, "--json"))["ok"]


def test_a_change_names_checkpoint_and_lines(log: Path, sealed: list[str | Path]) -> None:
    log.write_bytes(log.read_bytes().replace(b'"occurred_s": 720.0', b'"occurred_s": 721.0'))
    done = midas("audit", "verify", log, *sealed)
    assert done.returncode == 1
    assert "checkpoint 2 does not hold" in done.stdout
    assert "lines 11 to 22" in done.stdout
    document = conforms("audit-verify", midas("audit", "verify", log, *sealed, "--json"))
    assert document["broken"]["first_line"] == 11
    assert document["covered"] == 10


def test_a_last_line_that_is_being_written_is_said_and_not_vouched_for(
    log: Path, sealed: list[str | Path]
) -> None:
    with log.open("a") as file:
        file.write('{"half":')
    done = midas("audit", "verify", log, *sealed)
    assert done.returncode == 0
    assert "the log cannot be read beyond line 22 (line 23 is not whole)" in done.stdout


def test_a_proof_convinces_who_has_no_log(
    log: Path, sealed: list[str | Path], tmp_path: Path
) -> None:
    done = midas("audit", "prove", log, "--line", "13", *sealed)
    assert done.returncode == 0
    proof = tmp_path / "line.tlog-proof"
    proof.write_text(done.stdout)
    text = log.read_text().splitlines()[12]
    assert text in done.stderr
    key = sealed[2:]
    good = midas("audit", "check", proof, "--line", text, *key)
    assert (good.returncode, good.stdout.split(" of log")[0]) == (0, "it is line 13 of 22")
    assert midas("audit", "check", proof, "--line", f"{text} ", *key).returncode == 1
    proof.write_text(done.stdout.replace("index 12", "index 11"))
    assert midas("audit", "check", proof, "--line", text, *key).returncode == 1
    conforms("audit-prove", midas("audit", "prove", log, "--line", "13", *sealed, "--json"))


def test_growth_is_proven_between_two_checkpoints(log: Path, sealed: list[str | Path]) -> None:
    document = json.loads(midas("audit", "prove", log, "--since", "10", *sealed, "--json").stdout)
    assert (document["first"]["size"], document["second"]["size"]) == (10, 22)
    assert len(document["hashes"]) >= 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--line", "23"), "line: found 23, checkpoints cover lines 1 to 22"),
        (("--since", "11"), "since: found 11, checkpoints are over 10, 22"),
        (("--line", "1", "--since", "10"), "either --line or --since"),
        ((), "either --line or --since"),
    ],
)
def test_what_cannot_be_proven_is_one_line(
    arguments: tuple[str, ...], says: str, log: Path, sealed: list[str | Path]
) -> None:
    done = midas("audit", "prove", log, *arguments, *sealed)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "rubbish", "c2sp.org/tlog-proof@v1\nindex x\n\nnote\n"])
def test_what_is_no_proof_is_named(text: str, sealed: list[str | Path], tmp_path: Path) -> None:
    path = tmp_path / "proof"
    path.write_text(text)
    done = midas("audit", "check", path, "--line", "x", *sealed[2:])
    assert done.returncode == 2
    assert "is no proof" in done.stderr


def who(log: Path, *arguments: str) -> Any:  # noqa: ANN401  (any JSON)
    return conforms("audit-who", midas("audit", "who", log, *arguments, "--json"))


def test_who_touched_what_between_two_instants(log: Path) -> None:
    found = who(log, "--permission", "ticket:read", "--from", "600", "--to", "1970-01-01T00:20:01Z")
    assert found["lines"] == 11  # lines 10 … 19, and the key's
    assert found["named"] == {"workload": 10 / 11, "task": 5 / 11, "on_behalf_of": 0.0}
    assert found["unattributed_share"] == pytest.approx(1 / 11)
    assert {actor["identity"] for actor in found["who"] if actor["shared_secret"]} == {
        "key://support/0"
    }
    assert sum(actor["lines"] for actor in found["who"]) == 11


def test_people_read_what_the_log_does_not_say(log: Path) -> None:
    done = midas("audit", "who", log)
    assert done.returncode == 0
    assert "22 of 22 lines, answered in" in done.stdout
    assert "Not to be attributed: 1 lines (4.5%): the line names a secret" in done.stdout
    assert "Not to be attributed: 1 lines (4.5%): the line names nobody" in done.stdout


def test_half_a_line_is_one_line_and_exit_code_2(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-10])
    done = midas("audit", "who", log)
    assert (done.returncode, done.stdout) == (2, "")
    assert "line 22: is not whole" in done.stderr
    assert done.stderr.count("\n") == 1
