"""Reads the file that `bundle.py` writes, and trusts nothing in it.

The members must be those of the manifest, in its order, each a plain file of the size that stands there: no other name
is ever used, so there are no paths to lead out, no links, no devices, no names twice, and nothing that grows without
end. Therefore not with `tarfile`, which also reads extended headers of any length.
"""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from mlctl.errors import InvalidSpecError, NotFoundError, UnsupportedError
from mlctl.registry.bundle import CHECKSUM, MANIFEST, checksum_of, parse_manifest
from mlctl.registry.content import tree_files
from mlctl.registry.files import DamagedError
from mlctl.store.database import translate_os_error
from mlctl.store.snapshot import CHUNK

LARGEST_MANIFEST = 256 * 1024 * 1024
"""Bytes; about a million files."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """A bundle, to be read once, from the beginning to the end.

    Raises NotFoundError, and within the block InvalidSpecError for whatever is wrong in the file.
    """
    try:
        with path.open("rb") as file:
            yield Bundle(_unpacked(file, path))
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", hint="check the path") from error
    except OSError as error:
        raise translate_os_error(error, path, writing=False) from error
    except ValueError as error:
        raise _refused(path, str(error)) from error


class Bundle:
    """A bundle that is being read: the manifest, then `files`, `trees` and `finish`, in this order.

    Raises ValueError with the reason for what is wrong in it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        size = self._begin(MANIFEST)
        if size > LARGEST_MANIFEST:
            raise ValueError(f"its manifest has {size} bytes, more than {LARGEST_MANIFEST}")
        data = b"".join(self._pieces(MANIFEST, size))
        checksum = checksum_of(data)
        if b"".join(self._pieces(CHECKSUM, self._begin(CHECKSUM, len(checksum)))) != checksum:
            raise ValueError("its manifest is damaged: it does not match its checksum")
        self.manifest = parse_manifest(data)

    def files(self) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        """Each file: digest, size and pieces, which end with ValueError when they are not what the digest says.

        What is not read of one is read, and checked, before the next one.
        """
        for digest, size in self.manifest.files.items():
            name = f"files/{digest}"
            pieces = self._checked(name, digest, self._begin(name, size))
            yield digest, size, pieces
            for _ in pieces:
                continue

    def trees(self) -> Iterator[tuple[str, bytes]]:
        """Each tree with its digest; it can only write below the folder that it is put into."""
        needed: set[tuple[str, int]] = set()
        for digest, size in self.manifest.trees.items():
            name = f"trees/{digest}.json"
            data = b"".join(self._checked(name, digest, self._begin(name, size)))
            try:
                needed |= tree_files(data, digest).items()
            except DamagedError as error:
                raise ValueError(error.message) from error
            yield digest, data
        if needed != set(self.manifest.files.items()):
            raise ValueError("its manifest has other files than its trees need")

    def finish(self) -> None:
        """Read what is behind the last member: zeros up to a full record, and the checksum of gzip."""
        rest = self._read(CHUNK) + self._read(CHUNK)
        if not 2 * tarfile.BLOCKSIZE <= len(rest) <= 2 * tarfile.BLOCKSIZE + tarfile.RECORDSIZE or any(rest):
            raise ValueError("it is cut off at its end" if not any(rest) else "it holds more than its manifest tells")

    def _begin(self, name: str, size: int | None = None) -> int:
        """Read the header of the next member, which must be this one; returns its size."""
        header = self._read(tarfile.BLOCKSIZE)
        try:
            member = tarfile.TarInfo.frombuf(header, "ascii", "replace")
        except tarfile.HeaderError as error:
            raise ValueError(f"{name} is missing: it is cut off, damaged or no bundle ({error})") from error
        if member.name != name or member.type != tarfile.REGTYPE or member.linkname:
            raise ValueError(f"it holds {member.name[:80]!r} where the file {name} belongs")
        if size not in (None, member.size) or member.size < 0:
            raise ValueError(f"{name} has {member.size} bytes, and {size} in the manifest")
        return member.size

    def _checked(self, name: str, digest: str, size: int) -> Iterator[bytes]:
        actual = hashlib.sha256()
        for piece in self._pieces(name, size):
            actual.update(piece)
            yield piece
        if actual.hexdigest() != digest:
            raise ValueError(f"{name} is damaged: it does not match its checksum")

    def _pieces(self, name: str, size: int) -> Iterator[bytes]:
        left = size + -size % tarfile.BLOCKSIZE
        while left:
            piece = self._read(min(CHUNK, left))
            if not piece:
                raise ValueError(f"it is cut off in {name}")
            padding = max(0, len(piece) - (left - -size % tarfile.BLOCKSIZE))
            left -= len(piece)
            yield piece[: len(piece) - padding]

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except (EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk, not the file
            raise ValueError(f"it is cut off or damaged ({error})") from error


def _unpacked(file: BinaryIO, path: Path) -> BinaryIO:
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(_ZSTD):
        raise UnsupportedError(f"{path} is packed with zstd", hint=f"unpack it first: zstd -d {path}")
    if not magic.startswith(_GZIP):
        return file
    import gzip

    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb"))


def _refused(path: Path, reason: str) -> InvalidSpecError:
    return InvalidSpecError(
        f"{path} is refused: {reason}", hint="nothing of it was taken; bring it again, and compare the sha256"
    )
