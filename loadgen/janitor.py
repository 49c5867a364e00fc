"""``python janitor.py FOLDER``: remove FOLDER once stdin closes, whatever became of the starter.

The starter removes its folder itself; this is for the case that it was killed outright. Run by its
path, it imports nothing of ours and is there in a few hundredths of a second.
"""

import shutil
import sys
import time
from pathlib import Path

PREFIX = "midas-drive-"
TRIES, PAUSE_S = 60, 0.1
"""the other children may still be writing while they end"""


def main(folder: Path) -> int:
    """Wait for the end of stdin, then remove the folder; 1 when something of it stays."""
    if not folder.name.startswith(PREFIX):
        sys.stderr.write(f"{folder}: not a folder of a measured run\n")
        return 2
    sys.stdin.buffer.read()
    for _ in range(TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return 0
        time.sleep(PAUSE_S)
    return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
