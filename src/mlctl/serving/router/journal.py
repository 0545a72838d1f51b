"""The access log: one JSON line for each request, in files that do not grow without end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "access.log"
FILE_BYTES = 16 * 1024 * 1024
OLD_FILES = 4
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Journal:
    """Appends lines to `path`; past `file_bytes` it becomes `path.1`, and so on up to `old_files`.

    Each line is one write, so that nothing is lost with a killed process and two routers can write during a hand-over.
    A disk that is full loses lines, never requests.
    """

    def __init__(self, path: Path, *, file_bytes: int = FILE_BYTES, old_files: int = OLD_FILES) -> None:
        self._path = path
        self._file_bytes = file_bytes
        self._old_files = old_files
        self._handle, self._size = self._open()
        self.lost = 0

    def write(self, record: Mapping[str, Any]) -> None:
        """Append one line."""
        line = _encode(record).encode() + b"\n"
        try:
            if self._size + len(line) > self._file_bytes:
                self._rotate()
            self._size += os.write(self._handle, line)
        except OSError:
            self.lost += 1

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _open(self) -> tuple[int, int]:
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return handle, os.fstat(handle).st_size

    def _rotate(self) -> None:
        # during a hand-over the other router may have done it already
        if self._same_file():
            for number in range(self._old_files, 0, -1):
                older = self._numbered(number - 1)
                if older.exists():
                    older.replace(self._numbered(number))
        old = self._handle
        self._handle, self._size = self._open()  # when it cannot be opened, the old one goes on
        os.close(old)

    def _same_file(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._handle), self._path.stat())
        except FileNotFoundError:
            return False

    def _numbered(self, number: int) -> Path:
        return self._path if number == 0 else self._path.with_name(f"{self._path.name}.{number}")
