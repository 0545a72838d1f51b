"""One child process whose output goes to a log, line by line."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_KEPT_LINES = 60
_POLL_SECONDS = 0.2
_SECRET = re.compile(r"(://)[^/@\s:]+(:[^/@\s]*)?@")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a child ended: its exit code and its last lines, in order."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The last lines as one text."""
        return "\n".join(self.lines)


def run_logged(
    command: Sequence[str],
    log: BinaryIO,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    check: Callable[[], None] | None = None,
) -> Outcome:
    """Run `command` to its end; both its streams go to `log`, with passwords in addresses masked.

    `check` is called a few times a second and may raise; the child is then killed and the exception goes on.
    Raises OSError when the program cannot be started.
    """
    import os
    import select
    import subprocess

    write_line(log, "$ " + " ".join(command))
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(environ), cwd=cwd
    ) as child:
        assert child.stdout is not None
        try:
            rest = b""
            while True:
                if check is not None:
                    check()
                if not select.select([child.stdout], [], [], _POLL_SECONDS)[0]:
                    continue
                data = os.read(child.stdout.fileno(), 65536)
                *lines, rest = (rest + data).split(b"\n")
                if not data:
                    lines = [rest] if rest else []
                for line in lines:
                    kept.append(write_line(log, line.decode("utf-8", "replace")))
                if not data:
                    break
        except BaseException:
            child.kill()
            raise
    return Outcome(child.returncode, tuple(kept))


def write_line(log: BinaryIO, text: str) -> str:
    """Write one line to the log, at once, and return it as written."""
    line = mask_secrets(text.rstrip())
    log.write(line.encode() + b"\n")
    log.flush()
    return line


def mask_secrets(text: str) -> str:
    """`text` with the user and password of each address replaced by stars."""
    return _SECRET.sub(r"\1****@", text)
