"""``python -m midas`` is ``midas``; the console script enters here, too.

Until ``main`` has its handlers, an early Ctrl-C ends the process without a traceback.
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

import sys  # noqa: E402  (the line above comes first)

from midas.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
