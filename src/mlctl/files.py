"""Files are written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


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
