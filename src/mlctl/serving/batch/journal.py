"""The journal of a batch job: one line for each mini batch that is done, so that a job that was killed can go on.

A line is a checksum, a space and JSON; it counts only when it is whole. Only the driver writes, each line with one
write at the end of the file. A kill at any moment leaves a half line at most, a power cut the last second.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from mlctl.serving.batch.items import Item, MiniBatch

NAME = "journal.jsonl"
SUMMARY = "summary.json"
_SYNC_EVERY = 1.0


class Journal:
    """Results of mini batches, in the folder of a job. `scored` and `rows` count what is in it."""

    def __init__(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.path = os.path.join(folder, NAME)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC, 0o644)
        self._places: list[tuple[int, int, int]] = []
        self._end = 0
        self._synced = time.monotonic()
        self.scored = 0
        self.rows = 0

    def add(self, batch: MiniBatch, count: int, text: str) -> None:
        """Keep the result of a mini batch: `count` results, `text` for the output file."""
        record = {"files": [[item.name, item.size] for item in batch.items], "count": count, "text": text}
        self._append(encode(record), batch.position, record)

    def take_over(self, folder: str, items: Sequence[Item]) -> list[bool]:
        """Copy what an earlier job has done; returns a mark for each item that is done.

        A mini batch of which a file is gone or has another size now is scored anew; no file is taken twice.
        """
        positions = {item.name: place for place, item in enumerate(items)}
        done = [False] * len(items)
        for line, record in read_records(os.path.join(folder, NAME)):
            places = [positions.get(name, -1) for name, _ in record["files"]]
            sizes = [size for _, size in record["files"]]
            if any(place < 0 or done[place] or items[place].size != size for place, size in zip(places, sizes)):
                continue
            for place in places:
                done[place] = True
            self._append(line, min(places), record)
        return done

    def texts(self) -> Iterator[str]:
        """The text of each mini batch, in the order of the input."""
        with open(self.path, "rb") as stream:
            for _, start, length in sorted(self._places):
                stream.seek(start)
                record = decode(stream.read(length))
                assert record is not None, "a line that was written cannot be read"
                yield record["text"]

    def sync(self) -> None:
        """Bring what was written to the disk."""
        os.fsync(self._file)
        self._synced = time.monotonic()

    def remove(self) -> None:
        """Nothing is left to go on with."""
        os.close(self._file)
        os.unlink(self.path)

    def _append(self, line: bytes, position: int, record: dict[str, Any]) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._places.append((position, self._end, len(line)))
        self._end += len(line)
        self.scored += len(record["files"])
        self.rows += record["count"]
        if time.monotonic() - self._synced > _SYNC_EVERY:
            self.sync()


def encode(record: dict[str, Any]) -> bytes:
    """A record as a line."""
    text = json.dumps(record, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None for one that is not whole."""
    checksum, _, text = line.partition(b" ")
    if not text.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text[:-1]):
        return None
    record: dict[str, Any] = json.loads(text)
    return record


def read_records(path: str) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """The whole lines of a journal, with their records; nothing when there is no journal."""
    try:
        stream: BinaryIO = open(path, "rb")  # noqa: SIM115  # closed below, or by nobody when there is none
    except FileNotFoundError:
        return
    with stream:
        for line in stream:
            record = decode(line)
            if record is not None:
                yield line, record


def write_whole(path: str, texts: Iterator[str]) -> None:
    """A file that appears complete or not at all."""
    temporary = f"{path}.part-{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", newline="") as stream:
        for text in texts:
            stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
