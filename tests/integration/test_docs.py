"""Docs cannot rot: their commands parse, their links lead somewhere, their examples run."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer

from midas.commands import app
from tests.command_line import ROOT, command_names, midas, understood

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(?:console|sh|bash|shell)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(?:\.venv/bin/)?(midas [^`…]+)`")
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
QUICK = {"scenario", "runs"}
"""commands that are run as they stand, because they start nothing and write nothing"""


def console_lines(page: Path) -> list[str]:
    """Return the command lines of a page's shell blocks, continuation lines joined."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(_BLOCK.findall(text)).replace("\\\n", " ")
    return [line.removeprefix("$ ").strip() for line in blocks.splitlines() if line.strip()]


def documented() -> list[list[str]]:
    """Return every midas command line that a page or a command's own help shows, as words."""
    found = [line for page in PAGES for line in console_lines(page)]
    found += [m for page in PAGES for m in _INLINE.findall(page.read_text(encoding="utf-8"))]
    for path in (ROOT / "midas" / "commands").glob("*.py"):
        found += _INLINE.findall(path.read_text(encoding="utf-8"))
    words = [shlex.split(line.split(" | ")[0], comments=True) for line in found]
    words = [w[: w.index(">")] if ">" in w else w for w in words]  # where to is the shell's affair
    ours = [w[1:] for w in words if w and w[0] in {"midas", ".venv/bin/midas"}]
    unique = dict.fromkeys(tuple(w) for w in ours)
    return [list(w) for w in unique if not any(part.isupper() and len(part) > 1 for part in w)]


def _matching(pattern: str) -> list[str]:
    """Return the files that a shell would put in place of a pattern."""
    return sorted(str(path) for path in ROOT.glob(pattern))


def is_a_name(words: list[str]) -> bool:
    """Return whether a text only names a command, as in "see `midas simulate`"."""
    return words in command_names()


@pytest.mark.parametrize("words", [w for w in documented() if not is_a_name(w)], ids=" ".join)
def test_every_documented_command_is_understood(words: list[str]) -> None:
    understood(words)


@pytest.mark.parametrize(
    "words", [w for w in documented() if w[0] in QUICK and not is_a_name(w)], ids=" ".join
)
def test_quick_documented_commands_run(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDAS_RESULTS", str(tmp_path / "results"))
    mine = tmp_path / "my-scenario.toml"
    mine.write_text((ROOT / "scenarios/catalog/customer-service.toml").read_text())
    shown = [str(mine) if word == mine.name else word for word in words]
    done = midas(*(w for word in shown for w in (_matching(word) if "*" in word else [word])))
    empty = "holds no run yet" in done.stderr or "no such run" in done.stderr
    assert done.returncode == 0 or (words[0] == "runs" and empty), done.stderr


def test_the_audit_how_to_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run its commands in its order, in a folder with the log that it shows."""
    page = ROOT / "docs/howto/audit-a-log.md"
    text = page.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (lines,) = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    Path("audit.jsonl").write_text(lines)
    said = []
    for line in console_lines(page):
        words, _, into = line.partition(" > ")
        command = shlex.split(words)
        if command[0] == "mkdir":
            Path(command[1]).mkdir()
        elif command[1] == "audit":
            done = midas(*command[1:])
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
            if into:
                Path(into).write_text(done.stdout)
    sealed, verified, proof, checked, who = said
    assert sealed.startswith("5 lines of log example.org/orders/")
    assert verified.strip() in text
    assert proof.startswith("c2sp.org/tlog-proof@v1")
    assert checked.startswith("it is line 3 of 5")
    assert "4 of 5 lines" in who
    assert "2 lines (50.0%): the line names a secret" in who


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    lines = console_lines(ROOT / "README.md")
    used = {line.split()[1] for line in lines if line.startswith("make ")}
    assert used
    assert used <= targets


def test_the_readme_names_no_command_that_is_not_documented_by_help() -> None:
    named = {words[0] for words in documented() if words and not words[0].startswith("-")}
    known = set(getattr(typer.main.get_command(app), "commands", {}))
    assert named <= known


def block(page: str, language: str) -> str:
    """Return the first block of a language in a how-to."""
    text = (ROOT / "docs/howto" / page).read_text(encoding="utf-8")
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


def test_the_regime_of_the_how_to_stands_beside_those_of_midas(tmp_path: Path) -> None:
    lines = (ROOT / "scenarios/catalog/which-lifetime.toml").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("regimes = ")]
    file = tmp_path / "my-scenario.toml"
    file.write_text("".join(kept) + block("compare-your-own-regime.md", "toml"))
    words = ["scenario", "window", str(file), "--regime", "static-key", "--regime", "x509-svid-15m"]
    done = midas(*words, "--rate-hz", "20", "--seconds", "5", "--json")
    assert done.returncode == 0, done.stderr
    assert [one["regime"] for one in json.loads(done.stdout)] == ["static-key", "x509-svid-15m"]


def test_the_log_of_the_how_to_raises_an_alert(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text(block("watch-an-audit-log.md", "json"))
    done = midas("watch", "lines", "--audit", str(log), "--once", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    alert = json.loads(done.stdout)
    assert {"detector", "identity", "evidence"} <= set(alert)
    assert alert["detector"] == "two-origins"
