"""argv in, exit code out. The only place that maps errors to exit codes, and the only package that imports typer."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlctl.context import Context
from mlctl.errors import InvalidSpecError, MlctlError, UnavailableError

if TYPE_CHECKING:
    from mlctl.cli.command import Result

INTERRUPTED = 130
CLOSED_PIPE = 141


def run() -> None:
    """The console entry point.

    A command is short. Little that it makes is garbage in circles, so that is sought seldom; and not at all at the end,
    where looking through everything once more, to free what ends with the process, took a sixth of its time.
    """
    gc.set_threshold(100_000, 50, 100)
    lost: list[object] = []

    def raise_again(caught: sys.UnraisableHookArgs) -> None:
        # Python drops what is raised while an object is destroyed: a Ctrl-C at that moment must end the command too
        if caught.exc_type is not KeyboardInterrupt:
            sys.__unraisablehook__(caught)
            return
        import signal

        lost.append(caught.exc_type)
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        timer = threading.Timer(0.01, signal.pthread_kill, (main_thread, signal.SIGINT))
        timer.daemon = True
        timer.start()

    sys.unraisablehook = raise_again
    code = main()
    gc.freeze()
    _end_at_once(INTERRUPTED if lost else code)
    sys.exit(INTERRUPTED if lost else code)


def _end_at_once(code: int) -> None:
    """End the process without taking the interpreter apart.

    What is left to do is done before: what was registered for the end, and what waits in the streams. Where threads
    still run or a stream fails, the interpreter has to end as usual.
    """
    if threading.active_count() > 1:
        return
    atexit._run_exitfuncs()  # there is no public way
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(code)


def main(argv: Sequence[str] | None = None, *, context: Context | None = None) -> int:
    """Run one command line and return its exit code (the table is in `docs/`, and in `mlctl.errors`)."""
    words = list(sys.argv[1:] if argv is None else argv)
    context = context or Context()
    try:
        return _guarded(words, context)
    except BrokenPipeError:
        context.streams.abandon()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED


def _guarded(words: list[str], context: Context) -> int:
    try:
        return _run(words, context)
    except MlctlError as error:
        _report(error, context)
        return error.exit_code
    except (BrokenPipeError, KeyboardInterrupt):
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return _report_crash(error, words, context)
        place = f": {error.filename}" if error.filename else ""
        full = UnavailableError(f"{error.strerror}{place}", hint="free some space; mlctl doctor says how much there is")
        _report(full, context)
        context.streams.abandon()
        return full.exit_code
    except Exception as error:  # the last net: anything that comes here is a bug of ours
        if getattr(error, "exit_code", None) is not None:
            return _report_parser_error(error, context)
        return _report_crash(error, words, context)


def _run(words: list[str], context: Context) -> int:
    from mlctl.cli.lazy import build_root

    started = time.monotonic()
    root = build_root()
    with root.make_context("mlctl", words or ["--help"], obj=context, help_option_names=["--help", "-h"]) as parser:
        result = root.invoke(parser)
    _present(result, context)
    context.say.info(f"Command ran in {time.monotonic() - started:.3f} seconds")
    code: int = result.exit_code
    return code


def _present(result: Result, context: Context) -> None:
    """Write the result: a log as it comes, then the value, queried and formatted."""
    for data in result.log:
        context.streams.write_output(data)
    if result.value is None:
        return
    from mlctl.output.encode import to_plain

    value: Any = to_plain(result.value)
    if context.query is not None:
        from mlctl.output.query import apply_query

        value = apply_query(context.query, value)
        if value is None:
            return
    from mlctl.output.formats import Look, render

    streams = context.streams
    look = Look(
        view=result.view,
        queried=context.query is not None,
        colour=streams.both_are_terminals() and not context.settings.flag("core.no_color"),
        terminal_width=streams.terminal_width(),
        ascii_only=streams.ascii_only,
    )
    streams.write_result(render(value, context.settings.text("core.output") or "json", look))


def _report(error: MlctlError, context: Context) -> None:
    """`error[code]: message`, every problem of a document, and the hint, on stderr."""
    usage = error.details.get("usage")
    if usage:
        context.streams.write_talk(f"{usage}\n")
    if isinstance(error, InvalidSpecError) and error.problems:
        _report_problems(error, context)
    else:
        context.say.error(f"error[{error.code}]: {error.message}")
    if error.hint:
        context.say.hint(error.hint)
    if error.__cause__ is not None:
        context.say.debug(f"caused by {type(error.__cause__).__name__}: {error.__cause__}")


def _report_crash(error: Exception, words: list[str], context: Context) -> int:
    from mlctl.cli.crash import report_crash

    report_crash(error, words, context)
    return MlctlError.exit_code


def _report_problems(error: InvalidSpecError, context: Context) -> None:
    """The error and every problem of the document. The message may quote one of them."""
    from mlctl.operations.concealing import concealed_problem
    from mlctl.spec.problems import render_problem

    message, shown = error.message, [concealed_problem(problem) for problem in error.problems]
    for before, after in zip(error.problems, shown, strict=True):
        message = message.replace(before.message, after.message)
    context.say.error(f"error[{error.code}]: {message}")
    for problem in shown:
        context.streams.write_talk(f"{render_problem(problem)}\n")


def _report_parser_error(error: Any, context: Context) -> int:
    """What the parser raises: its Exit (help was shown), or a usage error that knows its command."""
    code: int = error.exit_code
    if not hasattr(error, "format_message"):
        return code
    place = getattr(error, "ctx", None)
    if place is not None:
        context.streams.write_talk(f"{place.get_usage()}\n")
    context.say.error(f"error[usage]: {error.format_message()}")
    if place is not None:
        context.say.hint(f"{place.command_path} --help")
    return code
