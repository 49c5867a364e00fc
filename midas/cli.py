"""The boundary: every error becomes one line on stderr and an exit code, never a traceback.

::

    0    done
    1    ran and the answer is no, or a fault at run time
    2    what was asked for cannot be read or makes no sense
    130  interrupted, by SIGINT or SIGTERM

``MIDAS_DEBUG=1`` shows the traceback above the line. Nothing heavy is imported before an option
has been understood, so that ``midas -h`` answers at once.
"""

import os
import sys
import warnings
from collections.abc import Sequence

from midas.interrupts import Interrupts, default_signals, interruptible

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; behind the console script ``midas``.

    Args:
        arguments: the command line without the program's name; ``sys.argv`` when None.
    """
    try:
        with interruptible() as interrupts:
            return _flushed(_run(arguments, interrupts))
    except KeyboardInterrupt as exc:
        return _report(exc, "interrupted", INTERRUPTED)
    finally:
        if arguments is None:  # the process is about to end: a late signal must not wake Python up
            default_signals()


def _run(arguments: Sequence[str] | None, interrupts: Interrupts) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a stream that cannot say × says ? instead of crashing
            stream.reconfigure(errors="replace")
    if not _debugging():
        warnings.simplefilter("ignore")
    try:
        return _dispatch(arguments)
    except BrokenPipeError:
        return _closed_pipe()
    except Exception as exc:
        if interrupts.received:
            raise KeyboardInterrupt from exc
        return _report(exc, *_explain(exc))


def _explain(exc: Exception) -> tuple[str, int]:
    """Return what to say about an error, and the exit code."""
    from scenarios.errors import MidasError  # not above: an interrupt must find its handler first

    if isinstance(exc, MidasError):
        return str(exc), exc.exit_code
    if isinstance(exc, OSError):
        return _os_error(exc), 1
    if isinstance(exc, MemoryError):
        return "not enough memory: ask for fewer agents or a shorter horizon", 1
    where = f"{type(exc).__name__}: {exc}".splitlines()[0]
    return f"{where} (this is a bug in midas; run again with MIDAS_DEBUG=1 for the traceback)", 1


def _dispatch(arguments: Sequence[str] | None) -> int:
    import typer

    from midas.commands import app

    try:
        code = typer.main.get_command(app)(
            args=None if arguments is None else list(arguments),
            prog_name="midas",
            standalone_mode=False,
        )
    except typer.Abort as exc:
        return _report(exc, "stopped: nothing was done", 1)
    except typer.TyperException as exc:
        return _usage(exc)
    if code == INTERRUPTED:
        say("interrupted")
    return code if isinstance(code, int) else 0


def _usage(exc: Exception) -> int:
    """Report a fault of the command line, with the command whose help explains it."""
    context = getattr(exc, "ctx", None)
    message = exc.format_message() if hasattr(exc, "format_message") else str(exc)
    if not message:  # no arguments at all: the help has been shown
        return 2
    command = context.command_path if context is not None else "midas"
    return _report(exc, f"{message.rstrip('.')} (see: {command} -h)", 2)


def _report(exc: BaseException, message: str, code: int) -> int:
    if _debugging():
        import traceback

        traceback.print_exception(exc)
    say(message)
    return code


def say(message: str) -> None:
    """Write a message to stderr, one line for each of its lines, control characters escaped."""
    for line in message.splitlines() or [""]:
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
        try:
            print(f"midas: {text}", file=sys.stderr, flush=True)
        except OSError:  # nobody listens to stderr any more
            return


def _os_error(exc: OSError) -> str:
    reason = exc.strerror or str(exc)
    return f"{exc.filename}: {reason}" if exc.filename is not None else reason


def _flushed(code: int) -> int:
    """Flush stdout while a failure can still be reported."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    except OSError as exc:
        _silence_stdout()
        return code or _report(exc, f"standard output: {_os_error(exc)}", 1)
    return code


def _closed_pipe() -> int:
    """Leave quietly when the reader of our output has gone, as in ``midas … | head``."""
    _silence_stdout()
    return 1


def _silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _debugging() -> bool:
    return os.environ.get("MIDAS_DEBUG", "") not in {"", "0"}
