"""One quantity that was simulated and is known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEED = 20_261_124
"""of every check: a suite that fails, fails again"""


@dataclass(frozen=True, slots=True)
class Finding:
    """Independent observations of a quantity, and what their mean should be.

    Attributes:
        quantity: what it is, in words.
        unit: of observations, theory and margin.
        observed: independent and identically distributed, shape (n,).
        theory: the expected mean, from ``simulator.theory``.
        margin: how far the mean may lie off and still count as the same.
        margin_words: why that much.
    """

    quantity: str
    unit: str
    observed: NDArray[np.float64]
    theory: float
    margin: float
    margin_words: str
