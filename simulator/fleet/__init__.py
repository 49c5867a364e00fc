"""The compiled population: lazy agents, a time wheel and one issuer, in a few numba kernels.

``layout`` is the memory, ``wheel`` the order of time, ``issuer`` the shared stage, ``slots`` what
an agent holds, ``switching`` its task switches, ``agents`` what it does when it is touched;
``build`` allocates, ``population`` is the port.

Numba's disk cache does not notice that a function in another file changed, so compiled kernels are
kept under a name that is the hash of everything that is compiled into them.
"""

import hashlib
from pathlib import Path
from typing import Any

import numba
import platformdirs

_ROOT = Path(__file__).parents[2]
SOURCES = (
    "scenarios/spec/rules.py",
    "scenarios/demand/streams.py",
    "scenarios/demand/switches.py",
    "scenarios/demand/initial.py",
    "simulator/population.py",
    "simulator/restarts.py",
    *sorted(f"simulator/fleet/{path.name}" for path in Path(__file__).parent.glob("*.py")),
)


def kernel_cache() -> Path:
    """Return the folder of the kernels compiled from the present sources."""
    digest = hashlib.sha256(f"numba {numba.__version__}".encode())
    for source in SOURCES:
        digest.update(source.encode())
        digest.update((_ROOT / source).read_bytes())
    return platformdirs.user_cache_path("midas") / digest.hexdigest()[:16]


_config: Any = numba.config
_config.CACHE_DIR = str(kernel_cache())
