"""The numbers of benchmark M1 as a peer's model writes them down.

They stand apart from the peer, which is not installed everywhere, so that a test can hold them
against the catalogue's ``benchmark-m1`` everywhere.
"""

from typing import Final

SWITCH_GAP_S: Final = 60.0
"""mean time between an agent's switches"""
AGE_S: Final = 1800.0
"""mean age at renewal"""
AGE_JITTER: Final = 0.1
SERVERS: Final = 16
BACKOFF_BASE_S: Final = 5.0
BACKOFF_FACTOR: Final = 2.0
BACKOFF_CAP_S: Final = 60.0
BACKOFF_JITTER: Final = 0.5
OUTAGE_BEGINS_S: Final = 1200.0
OUTAGE_S: Final = 600.0
OUTAGE_EVERY_S: Final = 21_600.0
