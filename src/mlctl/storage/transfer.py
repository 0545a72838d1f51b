"""Trees of files between this machine and a datastore: in parallel, taken up again, checked, in bounded memory.

A file that is there already with the same content stays. A file appears under its name whole or not at all: downloads
are written beside the target in `.mlctl-parts` and renamed, uploads become visible by the service's last request.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mlctl.errors import ConflictError, NotFoundError, UnavailableError
from mlctl.storage.datastores import Remote
from mlctl.storage.remote_files import (
    CHUNK,
    Checksums,
    Hasher,
    RemoteFile,
    checksums_of,
    current_etag,
    find_files,
    known_checksums,
    nothing_there,
    read_part,
    write_file,
)
from mlctl.store.database import translate_os_error

WORKERS = 8
"""Files on their way at once; each needs one chunk of memory, or two."""

PARTS = ".mlctl-parts"
"""Folder beside the target with what an interrupted download left."""

Progress = Callable[[int, int], None]
"""Bytes done, bytes in all."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Transfer:
    """What was done: files in all, those that were there already, bytes in all, sentences for the user."""

    files: int
    skipped: int
    size: int
    warnings: tuple[str, ...] = ()


@dataclass
class _Tally:
    """Counts over all workers; `stop` ends them."""

    total: int
    progress: Progress | None
    done: int = 0
    skipped: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self, count: int) -> None:
        """Some bytes are done."""
        if self.stop.is_set():
            raise InterruptedError
        with self._lock:
            self.done += count
            if self.progress is not None:
                self.progress(self.done, self.total)

    def skip(self, count: int) -> None:
        """A file was there already."""
        with self._lock:
            self.skipped += 1
        self.told(count)


def download(remote: Remote, path: str, folder: Path, *, progress: Progress | None = None) -> Transfer:
    """Bring the file at `path`, or all files below it, into `folder`, which is made.

    One file lands under its name, a tree with its paths. Raises NotFoundError when there is nothing, AuthError,
    UnavailableError, ConflictError when a folder is in the way, UnsupportedError for names that lead out.
    """
    return download_files(remote, path, find_files(remote, path), folder, progress=progress)


def download_files(
    remote: Remote, path: str, files: list[RemoteFile], folder: Path, *, progress: Progress | None = None
) -> Transfer:
    """As `download`, of files that `find_files` found at that path."""
    if not files:
        raise nothing_there(remote, path)
    _refuse_file_and_folder(files, remote)
    skip = 0 if not path.strip("/") else len(path.strip("/")) + 1
    single = len(files) == 1 and files[0].path == path.strip("/")
    tally = _Tally(sum(file.size for file in files), progress)

    def fetch(file: RemoteFile) -> None:
        name = file.path.rpartition("/")[2] if single else file.path[skip:]
        _fetch(remote, file, folder, name, tally)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        _in_parallel(fetch, files, tally)
        shutil.rmtree(folder / PARTS, ignore_errors=True)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise ConflictError(f"{error.filename} is in the way", hint="name another folder, or move it away") from error
    except OSError as error:
        raise translate_os_error(error, folder) from error
    return Transfer(len(files), tally.skipped, tally.total)


def upload(source: Path, remote: Remote, path: str, *, progress: Progress | None = None) -> Transfer:
    """Bring a file, or what a folder holds, to `path` of a datastore: the file becomes `path` itself.

    Links and what is no file are left out with a warning. Raises NotFoundError when the source is not there, and as
    `download`.
    """
    path = path.strip("/")
    warnings: list[str] = []
    if source.is_file():
        sources = [(source, path)]
    elif source.is_dir():
        sources = [(file, f"{path}/{name}".lstrip("/")) for file, name in _local_files(source, warnings)]
    else:
        raise NotFoundError(f"{source} is not there")
    there = {file.path: file for file in find_files(remote, path)}
    tally = _Tally(sum(file.stat().st_size for file, _ in sources), progress)

    def send(pair: tuple[Path, str]) -> None:
        file, name = pair
        if _is_there(remote, there.get(name), file):
            tally.skip(file.stat().st_size)
        else:
            write_file(remote, file, name, tally.told)

    try:
        _in_parallel(send, sources, tally)
    except OSError as error:
        raise translate_os_error(error, source, writing=False) from error
    return Transfer(len(sources), tally.skipped, tally.total, tuple(warnings))


def _refuse_file_and_folder(files: list[RemoteFile], remote: Remote) -> None:
    """In an object store `a` and `a/b` can both be there; here the one is a file and the other needs a folder."""
    names = {file.path for file in files}
    for file in files:
        end = file.path.rfind("/")
        while end > 0:
            if file.path[:end] in names:
                raise ConflictError(
                    f"datastore '{remote.name}' has both {file.path[:end]!r} and {file.path!r}: "
                    "one name cannot be a file and a folder here",
                    hint="rename one of them there, or name a folder with one of them only",
                )
            end = file.path.rfind("/", 0, end)


def _fetch(remote: Remote, file: RemoteFile, folder: Path, name: str, tally: _Tally) -> None:
    """One file; what an earlier run left of this very version is gone on with."""
    target = folder / name
    known = known_checksums(remote, file)
    if _is_same(target, file, known):
        tally.skip(file.size)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256("\0".join((remote.identity, file.path, file.etag, str(file.size))).encode()).hexdigest()
    part = folder / PARTS / key[:32]
    part.parent.mkdir(exist_ok=True)
    hasher, offset = Hasher(), 0
    with part.open("a+b") as out:
        out.truncate(min(out.tell(), file.size))
        out.seek(0)
        while data := out.read(CHUNK):
            hasher.update(data)
            offset += len(data)
            tally.told(len(data))
        while offset < file.size:
            data = read_part(remote, file, offset, min(offset + CHUNK, file.size))
            out.write(data)
            hasher.update(data)
            offset += len(data)
            tally.told(len(data))
    fits = known.fit(hasher.checksums)
    if fits is None:
        fits = file.size <= CHUNK or current_etag(remote, file) == file.etag
    if not fits:
        part.unlink(missing_ok=True)
        raise UnavailableError(
            f"{file.path!r} of datastore '{remote.name}' is not what its checksum says",
            hint="try again: it may have changed",
        )
    part.replace(target)


def _is_same(target: Path, file: RemoteFile, known: Checksums) -> bool:
    if not target.is_file() or target.stat().st_size != file.size:
        return False
    return bool(known.fit(checksums_of(target)))


def _is_there(remote: Remote, there: RemoteFile | None, source: Path) -> bool:
    if there is None or there.size != source.stat().st_size:
        return False
    return bool(known_checksums(remote, there).fit(checksums_of(source)))


def _local_files(folder: Path, warnings: list[str]) -> Iterable[tuple[Path, str]]:
    """The files below a folder with their paths in it. A link may point to anything of this machine."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names + [name for name in folders if Path(place, name).is_symlink()]):
            file = Path(place, name)
            if name == PARTS:
                continue
            if file.is_symlink() or not file.is_file():
                warnings.append(f"{file} is no plain file and was left out")
            else:
                yield file, file.relative_to(folder).as_posix()
        folders[:] = [name for name in folders if name != PARTS]


def _in_parallel(action: Callable[[Item], None], items: Iterable[Item], tally: _Tally) -> None:
    """Do it for each item; the first error ends all of it."""
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="transfer")
    try:
        futures = [pool.submit(action, item) for item in items]
        wait(futures, return_when=FIRST_EXCEPTION)
        errors = [error for future in futures if future.done() and (error := future.exception())]
        for error in errors:
            raise error
    finally:
        tally.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
