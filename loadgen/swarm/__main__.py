"""``python -m loadgen.swarm RUNDIR``: run the hollow agents of a plan; see ``protocol.py``."""

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec
import uvloop

from loadgen.lines import Fault, encode
from loadgen.swarm.protocol import (
    PLAN_FILE,
    Command,
    Line,
    SwarmPlan,
)
from loadgen.swarm.swarm import Swarm
from scenarios.errors import InputError

PROGRESS_S = 1.0
GRACE_S = 0.5
"""from the closing of stdin to our end"""


class _Session:
    """The conversation with the parent, around one swarm."""

    def __init__(self, swarm: Swarm, rundir: Path, output: int) -> None:
        self._swarm, self._rundir, self._output = swarm, rundir, output
        self._ended = asyncio.Event()
        self._started = False
        self.reason = ""

    def say(self, line: Line) -> None:
        os.write(self._output, encode(line))

    def obey(self, command: Command) -> None:
        swarm = self._swarm
        if command.start is not None and not self._started:
            self._started = True
            swarm.start(command.start.zero_monotonic_s)
            swarm.call_at(swarm.plan.seconds, self._ended.set)
            swarm.call_at(PROGRESS_S, self._report)
        if command.steal is not None:
            self.say(Line(stolen=swarm.steal(command.steal.agent, command.steal.id)))
        if command.restart:
            swarm.restart()
        if command.stop:
            self.end("stopped" if swarm.now_s() < swarm.plan.seconds - 0.5 else "")

    def end(self, reason: str) -> None:
        self.reason = reason
        self._ended.set()

    def _report(self) -> None:
        swarm = self._swarm
        if self._ended.is_set():
            return
        self.say(Line(progress=swarm.progress()))
        swarm.call_at(swarm.now_s() + PROGRESS_S, self._report)

    async def run(self) -> None:
        self.say(Line(ready=self._swarm.ready))
        await self._ended.wait()
        swarm = self._swarm
        if self._started:
            self.say(Line(progress=swarm.progress()))
            result = swarm.result(self.reason)
            swarm.write(self._rundir, result)
            swarm.stop()
            self.say(Line(done=result))
        else:
            self.say(Line(error=Fault("ended before the start", 1)))


def _listen(session: _Session, loop: asyncio.AbstractEventLoop) -> None:
    """Read the parent's orders in a thread; stdin's end is ours too."""
    decode = msgspec.json.Decoder(Command).decode
    rest = b""
    # not sys.stdin: its lock, held by a thread that waits, would break the interpreter's end
    while data := os.read(0, 65536):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            try:
                loop.call_soon_threadsafe(session.obey, decode(line))
            except msgspec.DecodeError:
                continue
            except RuntimeError:
                return  # the loop has ended
    time.sleep(GRACE_S)
    os._exit(1)


async def _main(plan: SwarmPlan, rundir: Path, output: int) -> None:
    loop = asyncio.get_running_loop()
    session = _Session(Swarm(plan, loop), rundir, output)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, session.end, "interrupted")
    threading.Thread(target=_listen, args=(session, loop), daemon=True).start()
    await session.run()


def _read(arguments: list[str]) -> tuple[SwarmPlan, Path]:
    if len(arguments) != 1:
        raise InputError("usage: python -m loadgen.swarm RUNDIR")
    rundir = Path(arguments[0])
    path = rundir / PLAN_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=SwarmPlan), rundir
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not a plan: {error}") from error


def main(arguments: list[str]) -> int:
    """Read the plan and run it; returns the exit code."""
    # our lines get stdout for themselves; whatever else is printed goes to stderr
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        plan, rundir = _read(arguments)
        uvloop.run(_main(plan, rundir, output))
    except InputError as error:
        os.write(output, encode(Line(error=Fault(str(error), 2))))
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
