"""The logs of an endpoint: what was said last, and files that do not grow without end.

Whoever writes a log keeps its file open and knows nothing of this, so a file that is full is copied and emptied.
Writers append; what one of them writes between the last read and the emptying, some microseconds, is lost.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlctl.settings import Settings

_PAUSE = 1.0
_BLOCK = 1024 * 1024


@dataclass
class Logs:
    """The logs of one endpoint in `root`: none has more than `size` bytes for long, and there are `files` of each."""

    root: Path
    size: int
    files: int
    _next_look: float = 0.0

    def look_after(self, *, now: float) -> None:
        """Put full ones aside. Raises OSError for a disk that is full."""
        if now < self._next_look:
            return
        self._next_look = now + _PAUSE
        for path in [*self.root.glob("*.log"), *self.root.glob("deployments/*/*/replica-*.log")]:
            if path.name != "access.log":  # the router's own, which puts it aside itself
                rotate(path, size=self.size, files=self.files)


def logs_of(root: Path, settings: Settings) -> Logs:
    """The logs of the endpoint in `root`, as the settings want them."""
    size, files = limits(settings)
    return Logs(root, size, files)


def limits(settings: Settings) -> tuple[int, int]:
    """Bytes of a file, and how many files of each log are kept."""
    megabytes = settings.number("endpoints.log_megabytes") or 0.0
    return max(1, int(megabytes * 1_000_000)), max(1, settings.integer("endpoints.log_files") or 0)


def rotate(path: Path, *, size: int, files: int) -> None:
    """Put a log that has `size` bytes aside as `<name>.1`, that one as `.2`, and so on; `files` in all are kept."""
    with suppress(FileNotFoundError):
        if path.stat().st_size < size:
            return
        if files == 1:
            os.truncate(path, 0)
            return
        copied = path.with_name(f".{path.name}.copy")
        with (
            path.open("r+b") as log,
            os.fdopen(os.open(copied, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as to,
        ):
            while block := log.read(_BLOCK):
                to.write(block)
            log.truncate(0)
        for number in range(files - 1, 1, -1):
            with suppress(FileNotFoundError):
                _numbered(path, number - 1).replace(_numbered(path, number))
        copied.replace(_numbered(path, 1))


def last_lines(path: Path, count: int = 20) -> list[str]:
    """The last lines of a log, also of what was put aside, without reading the rest."""
    found, number = b"", 0
    while found.count(b"\n") <= count:
        try:
            found = _tail(_numbered(path, number), count - found.count(b"\n")) + found
        except OSError:
            break
        number += 1
    return found.decode(errors="replace").splitlines()[-count:] if count else []


def _tail(path: Path, count: int) -> bytes:
    """The end of a file that has at least `count` whole lines, or all of it."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        found = b""
        while at > 0 and found.count(b"\n") <= count:
            step = min(at, 64 * 1024)
            at = file.seek(at - step)
            found = file.read(step) + found
        return found


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
