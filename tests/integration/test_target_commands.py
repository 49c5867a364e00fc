"""``midas target``: up returns when healthy, down leaves nothing, mistakes are one line."""

import json
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.command_line import finish, start


def test_a_target_goes_up_once_and_down_whole(tmp_path: Path) -> None:
    home = {"XDG_STATE_HOME": str(tmp_path / "state"), "TMPDIR": str(tmp_path)}
    up = finish(start("target", "up", "embedded", "--json", **home))
    assert (up.returncode, up.stderr) == (0, "")
    state = json.loads(up.stdout)
    try:
        url = f"http://{state['address']}/openapi.json"
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.status == 200
        family = psutil.Process(state["pid"]).children(recursive=True)
        assert family
        again = finish(start("target", "up", "embedded", **home))
        assert again.returncode == 2
        assert again.stderr.startswith("midas: embedded is up already, at 127.0.0.1:")
        listed = json.loads(finish(start("target", "list", "--json", **home)).stdout)
        assert {row["name"]: row["up"] for row in listed}["embedded"] == state["address"]
    finally:
        down = finish(start("target", "down", "embedded", **home))
    assert down.returncode == 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert not Path(state["data"]).exists()
    once_more = finish(start("target", "down", "embedded", **home))
    assert once_more.returncode == 2
    assert once_more.stderr == "midas: embedded is not up; start it: midas target up embedded\n"


@pytest.mark.parametrize("command", ["up", "down", "install"])
def test_an_unknown_target_is_named(command: str) -> None:
    done = finish(start("target", command, "spyre"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("midas: target: found spyre, known are embedded")
