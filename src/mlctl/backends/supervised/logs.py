"""A job's log as files with a line cursor: read from anywhere, follow, leave, and take up again without loss.

The processes of a job write their files themselves; nothing here buffers, decodes or re-orders. The order of sources is
the build log, then the user's logs by rank.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from mlctl.backends.base import LogChunk, LogCursor
from mlctl.backends.supervised.folder import BUILD_LOG, rank_log

_BLOCK = 1 << 20
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 0.5


def read_log(
    artifacts: Path,
    *,
    ended: Callable[[], bool],
    follow: bool = False,
    since: LogCursor | None = None,
    rank: int | None = None,
) -> Iterator[LogChunk]:
    """Chunks of whole lines. With `follow`, goes on until `ended()` says so and everything is read.

    `ended` is asked before a round of reading, so that lines written just before the end are not missed.
    """
    tails: dict[str, _Tail] = {}
    taken = dict(since.lines) if since else {}
    pause = _SHORTEST_PAUSE
    while True:
        last_round = not follow or ended()
        found = False
        for source in sources(artifacts, rank=rank):
            tail = tails.get(source) or tails.setdefault(source, _Tail(artifacts / source, taken.get(source, 0)))
            for first_line, data in tail.read(final=last_round):
                found = True
                yield LogChunk(source, first_line, data)
        if last_round:
            return
        pause = _SHORTEST_PAUSE if found else min(pause * 1.5, _LONGEST_PAUSE)
        time.sleep(pause)


def sources(artifacts: Path, *, rank: int | None = None) -> list[str]:
    """The log files there are now, in reading order, as paths below the artifacts."""
    if rank is not None:
        wanted = [rank_log(rank)] + (["user_logs/std_log.txt"] if rank == 0 else [])
        return [source for source in wanted if (artifacts / source).exists()]
    logs = sorted(path.name for path in (artifacts / "user_logs").glob("*.txt"))
    build = [BUILD_LOG] if (artifacts / BUILD_LOG).exists() else []
    return build + [f"user_logs/{name}" for name in logs]


class _Tail:
    """Reads one growing file in blocks of whole lines, after skipping lines that were taken before."""

    def __init__(self, path: Path, skip: int) -> None:
        self._path = path
        self._skip = skip
        self._line = 0
        self._offset = 0

    def read(self, *, final: bool) -> Iterator[tuple[int, bytes]]:
        """(first line, data) of what is new. A line without its end waits, unless this is the `final` read."""
        try:
            stream = self._path.open("rb")
        except FileNotFoundError:
            return
        with stream:
            stream.seek(self._offset)
            while block := self._whole_lines(stream.read(_BLOCK), final=final):
                self._offset += len(block)
                stream.seek(self._offset)
                first, lines = self._line, block.count(b"\n")
                self._line += lines
                kept = _without_first(block, self._skip - first)
                if kept:
                    yield max(first, self._skip), kept

    def _whole_lines(self, block: bytes, *, final: bool) -> bytes:
        end = block.rfind(b"\n") + 1
        if end == 0 and len(block) == _BLOCK:
            return block  # a line longer than a block: pass it on in pieces
        if final and len(block) < _BLOCK:
            return block
        return block[:end]


def _without_first(block: bytes, lines: int) -> bytes:
    """The block without its first `lines` lines."""
    if lines <= 0:
        return block
    position = 0
    for _ in range(lines):
        found = block.find(b"\n", position)
        if found < 0:
            return b""
        position = found + 1
    return block[position:]
