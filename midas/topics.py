"""What the questions of the catalogue are about: ``scenarios/topics.toml``."""

import tomllib
from pathlib import Path
from typing import Final

from scenarios.spec import resolve

FILE: Final = resolve.ROOT / "topics.toml"
OTHER: Final = "Other questions"


def by_topic() -> dict[str, dict[str, Path]]:
    """Return the catalogue's scenarios under their topics, both in the order of reading."""
    catalog = resolve.catalog()
    named = tomllib.loads(FILE.read_text(encoding="utf-8"))
    found = {
        topic: {name: catalog.pop(name) for name in table["scenarios"] if name in catalog}
        for topic, table in named.items()
    }
    return {topic: of for topic, of in {**found, OTHER: catalog}.items() if of}
