"""Files of a datastore that is elsewhere: listing, reading a part, writing one with its checksums."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mlctl.errors import MlctlError, NotFoundError, UnavailableError, UnsupportedError
from mlctl.storage.datastores import Remote
from mlctl.storage.failures import is_transient, translated

CHUNK = 4 * 1024 * 1024
"""Bytes that are read, hashed and sent at a time."""

ATTEMPTS = 4
_DELAY = 0.5
_MD5 = re.compile(r'"?([0-9a-f]{32})"?')
_MOST_PARTS = 9000
_SMALLEST_S3_PART = 5 * 1024 * 1024

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Checksums:
    """What is known of a file's content, in hexadecimal: SHA-256 when mlctl wrote it, MD5 when the service tells it."""

    sha256: str = ""
    md5: str = ""

    def fit(self, other: Checksums) -> bool | None:
        """Whether two are of the same content; None when nothing can be compared."""
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        return self.md5 == other.md5 if self.md5 and other.md5 else None


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a datastore: path from its root, bytes, and the service's mark of this version."""

    path: str
    size: int
    etag: str
    known: Checksums = field(default_factory=Checksums)


class Hasher:
    """Both checksums of what is fed."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes) -> None:
        """More of the content."""
        self._sha256.update(data)
        self._md5.update(data)

    @property
    def checksums(self) -> Checksums:
        """Of all that was fed."""
        return Checksums(self._sha256.hexdigest(), self._md5.hexdigest())


def checksums_of(path: Path) -> Checksums:
    """The checksums of a local file, read in chunks."""
    hasher = Hasher()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            hasher.update(data)
    return hasher.checksums


def find_files(remote: Remote, path: str) -> list[RemoteFile]:
    """The file at a path, or all files below it, sorted by path; empty when there are none.

    Names that could lead out of a folder are refused (UnsupportedError). Raises AuthError, UnavailableError.
    """
    what = f"cannot list {path!r} of datastore '{remote.name}'"
    found = patiently(lambda: _find(remote, remote.full(path)), remote, what)
    skip = len(remote.root) + 1
    files = [_file(name[skip:], facts) for name, facts in found.items() if _is_file(name, facts)]
    for file in files:
        check_name(file.path, remote)
    return sorted(files, key=lambda file: file.path)


def read_part(remote: Remote, file: RemoteFile, start: int, end: int) -> bytes:
    """The bytes from `start` to `end` of a file."""
    what = f"cannot read {file.path!r} of datastore '{remote.name}'"

    def read() -> bytes:
        data = bytes(remote.files.cat_file(remote.full(file.path), start=start, end=end))
        if len(data) != end - start:
            raise UnavailableError(f"{what}: {len(data)} of {end - start} bytes came")
        return data

    return patiently(read, remote, what)


def known_checksums(remote: Remote, file: RemoteFile) -> Checksums:
    """The checksums that the service knows of a file; S3 is asked, Azure told them in the listing."""
    if remote.flavour == "azure" or file.known.sha256:
        return file.known
    what = f"cannot look at {file.path!r} of datastore '{remote.name}'"
    bucket, _, key = remote.full(file.path).partition("/")
    head = patiently(lambda: remote.files.call_s3("head_object", Bucket=bucket, Key=key), remote, what)
    # with a key of its own (KMS) or the customer's, the ETag is no MD5 (S3 API, "Object")
    plain = head.get("ServerSideEncryption") in (None, "AES256") and not head.get("SSECustomerAlgorithm")
    md5 = _MD5.fullmatch(head.get("ETag", "")) if plain else None
    return Checksums(head.get("Metadata", {}).get("sha256", ""), md5[1] if md5 else "")


def current_etag(remote: Remote, file: RemoteFile) -> str:
    """The mark of the version that is there now."""
    what = f"cannot look at {file.path!r} of datastore '{remote.name}'"
    found = patiently(lambda: remote.files.info(remote.full(file.path)), remote, what)
    return _file(file.path, found).etag


def write_file(remote: Remote, source: Path, path: str, told: Callable[[int], None]) -> Checksums:
    """Write a local file to a path of the datastore, whole or not at all, with its checksums. Returns them.

    `told` hears of bytes as they go out. Raises AuthError, NotFoundError (no such container), UnavailableError.
    """
    check_name(path, remote)
    what = f"cannot write {path!r} to datastore '{remote.name}'"
    try:
        put = _put_s3 if remote.flavour == "s3" else _put_blob
        return put(remote, source, path, told, what)
    except MlctlError:
        raise
    except Exception as error:
        raise translated(error, what, remote.secrets) from None


_LOST = "\t\n\r"
"""What Python leaves out of an address."""


def check_name(path: str, remote: Remote) -> None:
    """Refuse a name that would not be the same file below a local folder. Raises UnsupportedError."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(mark in path for mark in ("\0", "\\")):
        raise UnsupportedError(
            f"the file {path!r} of datastore '{remote.name}' has a name that leads out of a folder or is none",
            hint="rename it there, or name a folder without it",
        )
    if any(mark in path for mark in _LOST):
        raise UnsupportedError(
            f"the file {path!r} of datastore '{remote.name}' has a line break or a tab in its name",
            hint="rename it there, or name a folder without it: the SDKs cannot ask for such a name",
        )


def patiently(action: Callable[[], Result], remote: Remote, what: str) -> Result:
    """What the action returns; what may pass is tried again. Raises an error of ours, without secrets."""
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except Exception as error:
            if attempt == ATTEMPTS - 1 or not is_transient(error):
                raise translated(error, what, remote.secrets) from None
            time.sleep(_DELAY * 2**attempt)
    raise AssertionError


def _find(remote: Remote, full: str) -> dict[str, Any]:
    found = remote.files.find(full, detail=True)
    # adlfs answers with a list when the path is one file
    return found if isinstance(found, dict) else {name: remote.files.info(name) for name in found}


def _is_file(name: str, facts: dict[str, Any]) -> bool:
    """Empty objects whose name ends in a slash stand for folders."""
    return facts["type"] == "file" and not name.endswith("/")


def _file(path: str, facts: dict[str, Any]) -> RemoteFile:
    settings = facts.get("content_settings") or {}
    md5 = bytes(settings.get("content_md5") or b"").hex()
    sha256 = (facts.get("metadata") or {}).get("sha256", "")
    etag = str(facts.get("etag") or facts.get("ETag") or "")
    return RemoteFile(path, int(facts["size"] or 0), etag, Checksums(sha256, md5))


def _put_blob(remote: Remote, source: Path, path: str, told: Callable[[int], None], what: str) -> Checksums:
    """A small file in one request, a large one in blocks that appear together at the end; read once."""
    from azure.storage.blob import BlobBlock, ContentSettings
    from fsspec.asyn import sync

    container, _, name = remote.full(path).partition("/")
    client = remote.files.service_client.get_blob_client(container, name)
    loop, hasher = remote.files.loop, Hasher()
    blocks: list[Any] = []
    size = source.stat().st_size
    step = max(CHUNK, size // _MOST_PARTS + 1)

    def facts() -> dict[str, Any]:
        md5 = bytearray.fromhex(hasher.checksums.md5)
        return {
            "metadata": {"sha256": hasher.checksums.sha256},
            "content_settings": ContentSettings(content_md5=md5, content_type="application/octet-stream"),
        }

    with source.open("rb") as file:
        data = file.read(step)
        while data and size > step:
            hasher.update(data)
            block = f"{len(blocks):08d}"
            send = _sender(loop, sync, client.stage_block, block, data, validate_content=True)
            patiently(send, remote, what)
            blocks.append(BlobBlock(block_id=block))
            told(len(data))
            data = file.read(step)
        if blocks:
            patiently(_sender(loop, sync, client.commit_block_list, blocks, **facts()), remote, what)
            return hasher.checksums
        hasher.update(data)
        send = _sender(loop, sync, client.upload_blob, data, overwrite=True, validate_content=True, **facts())
        patiently(send, remote, what)
        told(len(data))
    return hasher.checksums


def _sender(loop: Any, sync: Any, method: Any, *words: Any, **options: Any) -> Callable[[], Any]:
    return lambda: sync(loop, method, *words, **options)


def _put_s3(remote: Remote, source: Path, path: str, told: Callable[[int], None], what: str) -> Checksums:
    """S3 wants the checksums before the content, so the file is read twice."""
    sums, size = checksums_of(source), source.stat().st_size
    step = max(_SMALLEST_S3_PART, size // _MOST_PARTS + 1)

    def send() -> None:
        remote.files.put_file(
            str(source), remote.full(path), chunksize=step, max_concurrency=1, Metadata={"sha256": sums.sha256}
        )

    patiently(send, remote, what)
    told(size)
    written = next((file for file in find_files(remote, path) if file.path == path), None)
    if written is None or written.size != size or known_checksums(remote, written).fit(sums) is False:
        raise UnavailableError(f"{what}: what arrived is not what was sent", hint="try again")
    return sums


def nothing_there(remote: Remote, path: str) -> NotFoundError:
    """The error for a path without files."""
    return NotFoundError(f"datastore '{remote.name}' has nothing at {path!r}", hint="paths are case-sensitive")
