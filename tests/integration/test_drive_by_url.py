"""Services that run already: the how-to's recipe as it stands, and a decision point."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadgen.targets.embedded.target import EmbeddedTarget
from loadgen.targets.port import Identity
from scenarios.spec.resolve import load
from tests.command_line import ROOT, midas
from tests.conformance import rest_service
from tests.conformance.subjects import order_book

PAGE = ROOT / "docs" / "howto" / "measure-your-own-service.md"
DRIVE = [sys.executable, "-m", "midas", "drive"]


def description(url: str, log: Path) -> str:
    (text,) = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert 'url = "http://127.0.0.1:8080"' in text
    assert 'file = "/var/log/orders.jsonl"' in text
    return text.replace("http://127.0.0.1:8080", url).replace("/var/log/orders.jsonl", str(log))


def opens() -> dict[str, list[str]]:
    """Every task of the scenario and what it needs, as the service must know it."""
    scenario = load("customer-service").scenario
    tasks = [task for workload in scenario.workloads for task in workload.tasks]
    return {task.name: list(task.permissions) for task in tasks}


def drive(target: str, regime: str, folder: Path, **env: str) -> dict[str, object]:
    load_s = ["--rate-hz", "50", "--seconds", "5", "--out", str(folder / "runs"), "--json"]
    done = subprocess.run(
        [*DRIVE, "customer-service", "--target", target, "--regime", regime, *load_s],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr[-2000:]
    found = json.loads(done.stdout)
    if not found["valid"]:  # a busy machine spoils the measurement, not the adapter
        assert "saturated" in found["reason"], found["reason"]
    return found


def sent(found: object, name: str) -> int:
    """Look an operation up wherever the document holds it."""
    if isinstance(found, dict):
        if name in found and isinstance(found[name], dict) and "sent" in found[name]:
            assert found[name]["ok"] > 0.5 * found[name]["sent"], found[name]["errors"]
            return int(found[name]["sent"])
        return sum(sent(inner, name) for inner in found.values())
    return 0


def test_the_recipe_measures_a_service_that_midas_has_never_heard_of(tmp_path: Path) -> None:
    log = tmp_path / "orders.jsonl"
    with order_book(opens=opens(), log=log) as url:
        file = tmp_path / "orders.toml"
        file.write_text(description(url, log))
        secret = rest_service.CLIENT_SECRET
        found = drive(f"http:{file}", "jwt-svid-5m", tmp_path, ORDER_BOOK_SECRET=secret)
    assert sent(found, "issue-jwt") > 0
    assert sent(found, "authorize") > 0
    assert any(theft["alert_s"] is not None for theft in found["thefts"]), "nobody was seen"


def test_a_missing_secret_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "orders.toml"
    file.write_text(description("http://127.0.0.1:1", tmp_path / "none"))
    monkeypatch.delenv("ORDER_BOOK_SECRET", raising=False)
    done = midas("drive", "customer-service", "--target", f"http:{file}")
    assert done.returncode == 2
    assert done.stderr.strip().count("\n") == 0
    assert "export ORDER_BOOK_SECRET" in done.stderr


@pytest.fixture
def decision_point(tmp_path: Path) -> Iterator[EmbeddedTarget]:
    """The embedded service, which knows more agents than the window has."""
    service = EmbeddedTarget()
    scenario = load("customer-service").scenario
    agents = [
        Identity(n, f"spiffe://{scenario.trust_domain}/{one.name}/{n}", one.name, permissions)
        for one in scenario.workloads
        for permissions in [{task.name: task.permissions for task in one.tasks}]
        for n in range(3000)
    ]
    try:
        service.setup(tmp_path / "service", scenario.trust_domain)
        service.provision(agents, None, task_scope=False)
        yield service
    finally:
        service.teardown()


def test_a_decision_point_is_asked_about_uses_alone(
    decision_point: EmbeddedTarget, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{decision_point.endpoint().port}"
    token = decision_point.admin_token
    found = drive(f"authzen:{url}", "x509-svid-1h", tmp_path, MIDAS_AUTHZEN_TOKEN=token)
    assert sent(found, "authorize") > 0
    assert sent(found, "issue-x509") == 0
    assert found["thefts"] == []
