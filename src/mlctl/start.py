"""The console entry point. It loads nothing before Ctrl-C ends the program without a word, at any moment."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` without its enums: it takes ten times as long
import atexit
import os

_INTERRUPTED = 130


def _end(_number: int, _frame: object) -> None:
    os._exit(_INTERRUPTED)


# a shell that starts a program in the background may have it ignore Ctrl-C
_handler = signal.getsignal(signal.SIGINT)
if _handler is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)
    # Python's very last steps know no handlers: what is done then stays done
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def run() -> None:
    """Run the command line. While a command works, Ctrl-C raises KeyboardInterrupt, so that it can clean up."""
    from mlctl.cli import run as run_command

    try:
        signal.signal(signal.SIGINT, _handler)
        run_command()
    except KeyboardInterrupt:
        os._exit(_INTERRUPTED)
    finally:
        if _handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, _end)
