"""``python -m midas`` is ``midas``."""

import sys

from midas.cli import main

if __name__ == "__main__":
    sys.exit(main())
