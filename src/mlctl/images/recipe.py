"""Recipes of images: every file that an engine needs to build one, as one reproducible tar or as a folder.

What an image of an environment, and one of a model with its code, have in common: folders of this machine below a
prefix each, and files that are made here, the Dockerfile first of all.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from mlctl.entities.image import TAG_LENGTH
from mlctl.errors import AuthError, ConflictError, UsageError

REPOSITORY = "mlctl/environment"
"""Repository of the images that are built here; the tag is the fingerprint's beginning."""


@dataclass(frozen=True, slots=True)
class Part:
    """Files of a folder (paths relative to it, with `/`) that stand below `prefix` in the context; "" is its root."""

    folder: Path
    files: tuple[str, ...]
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """What to build. `files` are made here and win over those of `parts`; one of all is `dockerfile`.

    `build_args`: by name; they may hold secrets, so they are in no file and not in the fingerprint. `salt`: what else
    makes another image. `unmarked`: names in `files` that do not.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    dockerfile: str = "Dockerfile"
    build_args: Mapping[str, str] = field(default_factory=dict)
    salt: str = ""
    unmarked: frozenset[str] = frozenset()


def tag_of(fingerprint: str) -> str:
    """The name of the image on an engine."""
    return f"{REPOSITORY}:{fingerprint[:TAG_LENGTH]}"


def pack(recipe: ImageRecipe, target: BinaryIO) -> str:
    """Write the whole context as a tar that is the same for the same content; returns the fingerprint, SHA-256 in hex.

    Owners and times are left out; of the mode counts, as in git, whether a file can be executed, so that a context
    that a workspace keeps gives the image that the user's own folder gives.
    """
    hashing = _Hashing(target, f"{recipe.dockerfile}\0{recipe.salt}\0")
    with tarfile.open(fileobj=hashing, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(recipe.files):
            hashing.counts = name not in recipe.unmarked
            _add_data(tar, name, recipe.files[name])
        hashing.counts = True
        for part in recipe.parts:
            for path in part.files:
                if part.prefix + path not in recipe.files:
                    _add_file(tar, part.folder / path, part.prefix + path)
        hashing.counts = False  # the padding at the end depends on the size of what does not count
    return hashing.digest.hexdigest()


def unpack(recipe: ImageRecipe, folder: Path) -> None:
    """Write the context into a folder. Raises as `new_folder`."""
    with new_folder(folder):
        for part in recipe.parts:
            for path in part.files:
                _copy(part.folder / path, folder / (part.prefix + path))
        for name, data in recipe.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


@contextmanager
def new_folder(folder: Path) -> Iterator[None]:
    """A folder for what a command writes, unless an empty one is there; gone again when the command writes nothing.

    Raises ConflictError for one that holds something, AuthError where nothing may be written, UsageError where there
    can be no folder.
    """
    try:
        if os.path.lexists(folder) and not folder.is_dir():
            raise ConflictError(f"{folder} is there already and is no folder", hint="name a new folder")
        if folder.is_dir() and any(folder.iterdir()):
            raise ConflictError(f"{folder} is there already and not empty", hint="name a new folder, or empty this one")
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    except OSError as error:
        kind = AuthError if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else UsageError
        raise kind(f"cannot write to {folder}: {error.strerror}", hint="name another folder") from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        target.mkdir(parents=True, exist_ok=True)
    elif source.is_symlink() or source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target, follow_symlinks=False)
        if not source.is_symlink() and os.access(source, os.X_OK):
            target.chmod(0o755)


def _add_data(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


def _add_file(tar: tarfile.TarFile, source: Path, name: str) -> None:
    if source.is_socket():
        return  # no tar can hold it
    info = tar.gettarinfo(str(source), arcname=name)
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    if info.islnk():
        # a hard link to an earlier file of the context; sent as a file, so that the tar does not depend on links
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", source.stat().st_size
    info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
    if not info.isreg():
        tar.addfile(info)
        return
    with source.open("rb") as stream:
        tar.addfile(info, stream)


class _Hashing(io.RawIOBase):
    """Writes through to `target`, and into the digest while `counts` is set."""

    def __init__(self, target: BinaryIO, salt: str) -> None:
        self._target = target
        self._written = 0
        self.digest = hashlib.sha256(salt.encode())
        self.counts = True

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if self.counts:
            self.digest.update(data)
        self._written += len(data)
        return self._target.write(data)
