"""Keeps those who add content and those who remove it apart, by one lock on a file (flock(2)).

Whoever adds holds the lock shared, from before the first byte until the record that names the content is written;
whoever removes holds it alone. So nothing can be removed between the moment when content is found to be there and the
record that relies on it. The kernel lets go of the lock when a process ends, however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlctl.errors import UnavailableError

PATIENCE = 600.0
"""Seconds to wait for others."""

_POLL = 0.02
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


class Guard:
    """The lock in the file `path`, which is made on first use and stays. Used by any number of threads."""

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience
        self._lock = threading.RLock()
        self._mine = threading.local()
        self._descriptor: int | None = None
        self._users = 0
        self._kept = False
        self._owner = os.getpid()

    @contextmanager
    def adding(self) -> Iterator[None]:
        """Keep everybody who removes content away for the length of the block. Blocks may be nested."""
        self._take()
        self._mine.depth = self._depth() + 1
        try:
            yield
        finally:
            self._mine.depth -= 1
            self._leave()

    def keep(self) -> None:
        """The same until `release`, the end of this process, or of the object; nothing within a block."""
        if self._depth() or (self._kept and self._owner == os.getpid()):
            return
        self._take()
        self._kept = True

    def release(self) -> None:
        """End what `keep` began: the records are written."""
        if self._kept and self._owner == os.getpid():
            self._kept = False
            self._leave()

    @contextmanager
    def alone(self, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Keep everybody who adds away for the length of the block.

        `waiting` is called once when others are at it. Raises UnavailableError when they still are after the patience,
        and where the file system has no locks.
        """
        self.release()
        descriptor = self._open()
        try:
            if not self._acquire(descriptor, fcntl.LOCK_EX, waiting):
                raise UnavailableError(
                    f"the file system of {self._path.parent} has no locks, so nobody can say that nothing is in use",
                    hint="move the workspace to a local disk to clean it up",
                )
            yield
        finally:
            os.close(descriptor)

    def __del__(self) -> None:
        if self._descriptor is not None and self._owner == os.getpid():
            os.close(self._descriptor)

    def _take(self) -> None:
        with self._lock:
            if self._owner != os.getpid():
                # came over a fork: the parent's lock is the parent's
                self._descriptor, self._users, self._kept, self._owner = None, 0, False, os.getpid()
            if self._descriptor is None:
                descriptor = self._open()
                try:
                    self._acquire(descriptor, fcntl.LOCK_SH, None)
                except BaseException:
                    os.close(descriptor)
                    raise
                self._descriptor = descriptor
            self._users += 1

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._descriptor is not None:
                os.close(self._descriptor)  # not LOCK_UN: a forked child has the same lock
                self._descriptor = None

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, 0o666)
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._path, flags, 0o666)

    def _acquire(self, descriptor: int, kind: int, waiting: Callable[[], None] | None) -> bool:
        """Whether there is a lock now; False where the file system has none."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._occupied(kind) from None
                if waiting is not None:
                    waiting()
                    waiting = None
                time.sleep(_POLL)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                return False
            else:
                return True

    def _occupied(self, kind: int) -> UnavailableError:
        what = "others are adding to" if kind == fcntl.LOCK_EX else "'mlctl gc' is removing from"
        return UnavailableError(
            f"{what} {self._path.parent} for more than {self._patience:.0f} seconds", hint="try again later"
        )

    def _depth(self) -> int:
        return getattr(self._mine, "depth", 0)
