"""Keys of a scenario that the simulator reads and does not use, each with its reason.

Held by ``tests/laws/test_every_key_matters.py``: every other key changes a record.
"""

from typing import Final

_WORDS = "words for people"

IGNORES: Final = {
    "schema_version": "one version exists",
    "name": _WORDS,
    "title": _WORDS,
    "question": _WORDS,
    "expected": _WORDS,
    "source": _WORDS,
    "engine": "how the fleet counts private switches; equal in law, and the record says which",
    "drive": "how a measured window is driven; the simulator runs the window as its own scenario",
    "regimes.title": _WORDS,
    "regimes.source": _WORDS,
    "workloads.tasks.name": "a label: lines of the simulated log name it, no table does",
}
