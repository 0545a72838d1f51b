"""A lock between processes of one machine, held on a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.05


@contextmanager
def hold_lock(
    path: Path, *, waiting: Callable[[], None] | None = None, check: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold the lock `path` (an empty file that stays). The kernel lets go of it when the process dies.

    `waiting` is called once when another process holds it; `check` again and again while waiting, and may raise.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if waiting is not None:
                    waiting()
                    waiting = None
            if check is not None:
                check()
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
