"""The one door to stdout and stderr.

stdout takes the result, once, at the end; everything else is talk and goes to stderr. Text that the stream's encoding
cannot take is written as backslash escapes, and bytes that came in as surrogates go out as the same bytes: writing
never fails because of what is written. A closed pipe shows as BrokenPipeError, which ends in exit code 141.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TextIO

from mlctl.errors import UnavailableError


class Level(IntEnum):
    """How much is said on stderr: `--only-show-errors`, nothing, `--verbose`, `--debug`."""

    ERROR = 0
    WARNING = 1
    INFO = 2
    DEBUG = 3


class Streams:
    """stdout and stderr of this call, or stand-ins in a test. `None` stands for the process's own, looked up late."""

    def __init__(self, stdout: TextIO | None = None, stderr: TextIO | None = None) -> None:
        self._stdout = stdout
        self._stderr = stderr

    @property
    def stdout(self) -> TextIO:
        """Where the result goes."""
        if self._stdout is None and sys.stdout is None:
            self._stdout = _nowhere()
        return self._stdout or sys.stdout

    @property
    def stderr(self) -> TextIO:
        """Where talk goes."""
        if self._stderr is None and sys.stderr is None:
            self._stderr = _nowhere()
        return self._stderr or sys.stderr

    @property
    def ascii_only(self) -> bool:
        """Whether stdout's encoding is narrower than Unicode."""
        return not (self.stdout.encoding or "utf-8").lower().startswith(("utf", "cp65001"))

    def terminal_width(self) -> int | None:
        """Width of stdout in characters when it is a terminal, else None."""
        if not _is_terminal(self.stdout):
            return None
        from shutil import get_terminal_size

        return get_terminal_size().columns

    def talks_to_terminal(self) -> bool:
        """Whether stderr is a terminal."""
        return _is_terminal(self.stderr)

    def both_are_terminals(self) -> bool:
        """Whether colour makes sense: az drops it when stdout or stderr is no terminal."""
        return _is_terminal(self.stdout) and _is_terminal(self.stderr)

    def write_result(self, text: str) -> None:
        """Write to stdout. Raises BrokenPipeError when nobody reads, UnavailableError when the disk is full."""
        _write(self.stdout, text)

    def write_output(self, data: bytes) -> None:
        """Write bytes to stdout as they are and at once (a job's log). Raises as `write_result`."""
        _write_bytes(self.stdout, data)

    def write_log(self, data: bytes) -> None:
        """Write bytes to stderr as they are and at once: a log that is shown beside a result."""
        _write_bytes(self.stderr, data)

    def write_talk(self, text: str) -> None:
        """Write text to stderr."""
        _write(self.stderr, text)

    def abandon(self) -> None:
        """Point a closed stdout and stderr at nothing, so that the interpreter's last flush does not complain."""
        for stream in (self.stdout, self.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                _discard(stream)


class Say:
    """Talk on stderr, by level. `error` is always shown, `warning` unless `--only-show-errors`.

    `conceal` takes secrets out of what is said, but for notes: those are what the user asked for.
    """

    def __init__(
        self,
        streams: Streams,
        *,
        level: Level = Level.WARNING,
        colour: Callable[[], bool] = bool,
        conceal: Callable[[str], str] = str,
    ) -> None:
        self._streams = streams
        self._colour = colour
        self._conceal = conceal
        self.level = level

    def error(self, text: str) -> None:
        """An error line, as given: it brings its own `error[code]:`."""
        self._line(self._conceal(text), "31")

    def hint(self, text: str) -> None:
        """What to do about an error; shown with it at every level."""
        self._line(f"hint: {self._conceal(text)}", "")

    def warning(self, text: str) -> None:
        """Something the user should know, though the command goes on."""
        if self.level >= Level.WARNING:
            self._line(f"warning: {self._conceal(text)}", "33")

    def warnings(self, texts: Iterable[str]) -> None:
        """Each a warning."""
        for text in texts:
            self.warning(text)

    def note(self, text: str) -> None:
        """News of a command whose work is the talk itself, such as an address to open; unless `--only-show-errors`."""
        if self.level >= Level.WARNING:
            self._line(text, "")

    def info(self, text: str) -> None:
        """What is going on, with `--verbose`."""
        if self.level >= Level.INFO:
            self._line(self._conceal(text), "")

    def debug(self, text: str) -> None:
        """Everything else, with `--debug`."""
        if self.level >= Level.DEBUG:
            self._line(f"debug: {self._conceal(text)}", "2")

    @contextmanager
    def progress(self, text: str) -> Iterator[Callable[[str], None]]:
        """A spinner with `text` while the block runs, on a terminal only; the value changes the text."""
        if self.level < Level.WARNING or not self._streams.talks_to_terminal():
            yield _no_update
            return
        from rich.console import Console

        console = Console(file=self._streams.stderr, no_color=not self._colour())
        with console.status(text) as status:
            yield status.update

    def _line(self, text: str, style: str) -> None:
        if style and self._streams.talks_to_terminal() and self._colour():
            head, colon, rest = text.partition(":")
            text = f"\x1b[{style}m{head}{colon}\x1b[0m{rest}"
        self._streams.write_talk(text + "\n")


def _nowhere() -> TextIO:
    """What stands for a stream that was closed before we started (`mlctl … >&-`)."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it stays open to the end


def _no_update(text: str) -> None:
    del text


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False  # closed


def _write(stream: TextIO, text: str) -> None:
    if not hasattr(stream, "buffer"):
        stream.write(text)
        return
    encoding = stream.encoding or "utf-8"
    try:
        data = text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode(encoding, "backslashreplace")
    _write_bytes(stream, data)


def _write_bytes(stream: TextIO, data: bytes) -> None:
    if not hasattr(stream, "buffer"):
        stream.write(data.decode("utf-8", "backslashreplace"))
        return
    try:
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard(stream)  # what is left in the buffer would fail once more at exit
        raise UnavailableError(f"the output cannot be written: {error.strerror}") from error


def _discard(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):
        return  # a stand-in without a file, or closed already: nothing will be flushed
    finally:
        os.close(nowhere)
