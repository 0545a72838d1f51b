"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def replace_file(
    path: Path, content: bytes, *, like: os.stat_result | None = None, ready: Callable[[], None] | None = None
) -> None:
    """Put a file with this content into the place of the one at `path`, or where there is none yet.

    The content is written beside it and then takes its place in one step, so nobody reads a half. `like`: whose owner
    and rights the new file gets, which then outlives a loss of power too. `ready` is asked at the last moment, and may
    raise. Raises OSError; the old file is then as it was.
    """
    # a name of its own length: that of the file may be the longest there can be
    fresh = path.with_name(f".mlctl-{os.urandom(8).hex()}.tmp")
    try:
        with fresh.open("xb") as stream:
            stream.write(content)
            if like is not None:
                stream.flush()
                with suppress(OSError):  # who may write to a file of somebody else may not always give one away
                    os.fchown(stream.fileno(), like.st_uid, like.st_gid)
                os.fchmod(stream.fileno(), stat.S_IMODE(like.st_mode))
                os.fsync(stream.fileno())
        if ready is not None:
            ready()
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextmanager
def large_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of the one at `path` when the block ends well.

    Until then it stands beside it under a name that depends on `path` alone, so what a killed process left is written
    over by the next one. Raises BlockingIOError while another process writes it, and OSError.
    """
    fresh = path.with_name(f".mlctl-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.part")
    with _open_alone(fresh) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


def _open_alone(path: Path) -> BinaryIO:
    """An empty file that nobody else has open here; file systems without locks have to do without."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                file.close()
                raise
        # whoever had it until now may have given it its name for good, or removed it
        with suppress(FileNotFoundError):
            if os.path.samestat(path.lstat(), os.fstat(file.fileno())):
                file.truncate()
                return file
        file.close()
