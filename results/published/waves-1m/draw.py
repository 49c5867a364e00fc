"""Writes what this folder shows of one run: the figure, its numbers and the run's manifest.

``python results/published/waves-1m/draw.py results/runs/RUN``
"""

import shutil
import sys
from pathlib import Path

import msgspec

from analysis.figures.waves import waves as draw
from analysis.waves import waves
from scenarios.record import store

HERE = Path(__file__).parent


def main(run: Path) -> None:
    """Write ``waves.svg``, ``waves.json`` and ``manifest.json`` from a run of ``mass-restart``."""
    record = store.load(run)
    figure = draw(record)
    if figure is None:
        sys.exit(f"{run}: no herd in it: nothing to draw")
    (HERE / "waves.svg").write_text(figure.svg + "\n", encoding="utf-8")
    numbers = {"caption": figure.caption, "peak_issuances_per_s": waves(record)}
    text = msgspec.json.format(msgspec.json.encode(numbers), indent=1)
    (HERE / "waves.json").write_bytes(text + b"\n")
    shutil.copyfile(run / store.MANIFEST, HERE / "manifest.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
