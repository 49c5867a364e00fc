"""What a shell offers after TAB. Nothing here imports a room: a shell waits for it."""

from pathlib import Path

from midas.provenance import results_folder

_SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"


def scenarios(incomplete: str) -> list[str]:
    """Return catalogue scenarios, and the TOML files and folders that begin so."""
    names = catalogue(incomplete)
    folder = Path(incomplete).parent if not incomplete.endswith("/") else Path(incomplete)
    try:
        beside = [path for path in folder.iterdir() if path.is_dir() or path.suffix == ".toml"]
    except OSError:
        beside = []
    files = [f"{path}/" if path.is_dir() else str(path) for path in beside]
    return names + _begins(incomplete, files)


def catalogue(incomplete: str) -> list[str]:
    """Return the scenarios that come with midas."""
    return _begins(incomplete, [path.stem for path in (_SCENARIOS / "catalog").glob("*.toml")])


def regimes(incomplete: str) -> list[str]:
    """Return the regimes that come with midas."""
    return _begins(incomplete, [path.stem for path in (_SCENARIOS / "regimes").glob("*.toml")])


def runs(incomplete: str) -> list[str]:
    """Return the runs of the results folder."""
    folder = results_folder()
    found = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return _begins(incomplete, ["latest", *(name for name in found if name[0] != ".")])


def _begins(incomplete: str, words: list[str]) -> list[str]:
    return sorted(word for word in words if word.startswith(incomplete))
