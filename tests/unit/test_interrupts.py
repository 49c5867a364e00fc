"""Signals end a command once, in order."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from midas.interrupts import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_an_interrupt_and_repeated_ones_let_it_clean_up(
    number: signal.Signals,
) -> None:
    steps: list[str] = []

    def command() -> None:
        with interruptible() as interrupts:
            assert not interrupts.received
            try:
                os.kill(os.getpid(), number)
                steps.append("went on")
            finally:
                os.kill(os.getpid(), number)  # an impatient user, or a shell that signals a group
                steps.append(f"cleaned up, {interrupts.received}")

    with pytest.raises(KeyboardInterrupt):
        command()
    assert steps == ["cleaned up, True"]


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_interrupt_that_falls_into_a_finaliser_is_not_lost() -> None:
    class Unlucky:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def command() -> None:
        with interruptible():
            unlucky = Unlucky()
            del unlucky
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        command()


def test_outside_the_main_thread_nothing_changes() -> None:
    seen: list[bool] = []

    def work() -> None:
        with interruptible() as interrupts:
            seen.append(interrupts.received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_a_kernel_that_does_not_return_is_not_waited_for() -> None:
    code = (
        "import ctypes, os, signal, threading\n"
        "from midas.interrupts import interruptible\n"
        "with interruptible():\n"
        "    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        "    mutex = ctypes.create_string_buffer(64)\n"
        "    lock = ctypes.CDLL(None).pthread_mutex_lock\n"
        "    lock(mutex)\n"
        "    lock(mutex)\n"  # never returns, holds no interpreter lock, restarts after signals
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (130, "midas: interrupted\n")
