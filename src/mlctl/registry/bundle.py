"""One file that carries assets of a registry to a place without a network: a tar, whose first member tells all.

    manifest.json          versions, labels, and every file and tree with its SHA-256 and size
    manifest.json.sha256   its own, as sha256sum writes it
    files/<digest>         files, by digest
    trees/<digest>.json    folder trees, by digest

The rest is exactly what the manifest says, in its order; `unbundle.py` accepts nothing else. The same assets give the
same bytes.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from mlctl.entities.asset import Asset, can_be_named
from mlctl.errors import ConflictError, UsageError
from mlctl.files import large_file
from mlctl.registry.content import is_digest, read_checked, tree_files
from mlctl.registry.files import damaged
from mlctl.registry.known import OpenRegistry
from mlctl.registry.records import asset_from_record, record_of_asset
from mlctl.store.database import translate_os_error

FORMAT = 1
MANIFEST, CHECKSUM = "manifest.json", "manifest.json.sha256"


@dataclass(frozen=True, slots=True)
class Item:
    """A version on its way. `root` as in a record; `labels` point to it."""

    asset: Asset
    root: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle holds. `files` and `trees`: digest -> bytes, in the order they stand in it."""

    registry: str
    items: tuple[Item, ...]
    files: dict[str, int]
    trees: dict[str, int]


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle that was written: what is in it, its bytes and their SHA-256."""

    manifest: Manifest
    size: int
    digest: str


def write_bundle(registry: OpenRegistry, assets: Sequence[Asset], path: Path) -> Written:
    """Write versions of a registry into the file `path`, packed with gzip when it ends with .gz or .tgz.

    It appears complete, in place of one that is there. Raises DamagedError for content that is not what it was,
    UsageError for a path where something else than a file is, ConflictError while another process writes it.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is there already, and is no file", hint="name a file: a new one, or one to replace")
    manifest, trees = _collect(registry, assets)
    try:
        with large_file(path.resolve()) as file:  # a link stays one: it may be that of /dev/stdout
            counted = _Counted(file)
            with _packed(counted, path) as packed:
                _write(packed, manifest, trees, registry)
    except BlockingIOError as error:
        raise ConflictError(f"another export is writing {path} at this moment", hint="wait for it to end") from error
    except OSError as error:
        raise translate_os_error(error, path.parent) from error
    return Written(manifest, counted.size, counted.digest.hexdigest())


def checksum_of(manifest: bytes) -> bytes:
    """What stands in the second member."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def parse_manifest(data: bytes) -> Manifest:
    """A manifest, checked. Raises ValueError with the reason."""
    try:
        record = json.loads(data)
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r}, and this mlctl knows {FORMAT}: update mlctl")
        items = tuple(_item(one) for one in record["assets"])
        trees, files = _sizes(record["trees"]), _sizes(record["files"])
        registry = str(record["registry"])
    except (KeyError, TypeError, AttributeError, RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError("its manifest cannot be read") from error
    names = [(item.asset.kind, item.asset.name, item.asset.version) for item in items]
    if len(set(names)) != len(names):
        raise ValueError("its manifest names a version twice")
    if {item.asset.content for item in items} - {None} != set(trees):
        raise ValueError("its manifest has other trees than its versions need")
    return Manifest(registry, items, files, trees)


def _item(record: dict[str, Any]) -> Item:
    try:
        asset, root = asset_from_record(record)
    except ValueError as error:
        raise ValueError(f"its manifest has a version that means nothing: {error}") from error
    labels = record["labels"]
    if type(record["archived"]) is not bool or not all(
        isinstance(label, str) and can_be_named(label) for label in labels
    ):
        raise ValueError(f"its manifest has a version that means nothing: {asset.reference}")
    return Item(replace(asset, archived=record["archived"]), root, tuple(labels))


def _sizes(record: dict[str, int]) -> dict[str, int]:
    for digest, size in record.items():
        if not is_digest(digest) or type(size) is not int or size < 0:
            raise ValueError(f"its manifest tells what cannot be: {digest[:80]!r}: {size!r}")
    return record


def _collect(registry: OpenRegistry, assets: Iterable[Asset]) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest of versions in the order given, and their trees."""
    table = registry.assets
    labels: dict[tuple[str, str], dict[str, str]] = {}
    items = []
    trees: dict[str, bytes] = {}
    files: dict[str, int] = {}
    for asset in assets:
        known = labels.setdefault((asset.kind, asset.name), table.labels(asset.kind, asset.name))
        mine = tuple(sorted(label for label, version in known.items() if version == asset.version))
        items.append(Item(asset, table.root(asset), mine))
        if asset.content is not None and asset.content not in trees:
            trees[asset.content] = registry.content.read_tree(asset.content)
            files.update(tree_files(trees[asset.content], asset.content))
    sizes = {digest: len(trees[digest]) for digest in sorted(trees)}
    return Manifest(registry.name, tuple(items), dict(sorted(files.items())), sizes), trees


def _write(file: Any, manifest: Manifest, trees: dict[str, bytes], registry: OpenRegistry) -> None:
    data = _to_json(manifest)
    checksum = checksum_of(data)
    written = _add(file, MANIFEST, len(data), [data]) + _add(file, CHECKSUM, len(checksum), [checksum])
    for digest, size in manifest.files.items():
        with registry.content.open_file(digest) as content:
            pieces = read_checked(content, digest, f"content in {registry.content.address}")
            written += _add(file, f"files/{digest}", size, pieces)
    for digest, size in manifest.trees.items():
        written += _add(file, f"trees/{digest}.json", size, [trees[digest]])
    end = 2 * tarfile.BLOCKSIZE
    file.write(bytes(end + -(written + end) % tarfile.RECORDSIZE))


def _add(file: Any, name: str, size: int, pieces: Iterable[bytes]) -> int:
    """Write a member; returns its bytes. Time, owner and mode are the same for everybody."""
    member = tarfile.TarInfo(name)
    member.size = size
    header = member.tobuf(tarfile.GNU_FORMAT)  # also for files of more than 8 GiB
    file.write(header)
    length = 0
    for piece in pieces:
        file.write(piece)
        length += len(piece)
    if length != size:
        raise damaged(f"a tree: {name} has {length} bytes and not {size}", name)
    padding = -size % tarfile.BLOCKSIZE
    file.write(bytes(padding))
    return len(header) + size + padding


def _to_json(manifest: Manifest) -> bytes:
    assets = [
        {**record_of_asset(item.asset, item.root), "archived": item.asset.archived, "labels": item.labels}
        for item in manifest.items
    ]
    record = {"format": FORMAT, "registry": manifest.registry, "assets": assets}
    return json.dumps({**record, "trees": manifest.trees, "files": manifest.files}, indent=1, sort_keys=True).encode()


@contextmanager
def _packed(file: Any, path: Path) -> Iterator[Any]:
    if path.suffix not in (".gz", ".tgz"):
        yield file
        return
    import gzip

    # neither name nor time: the same content gives the same bytes
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed:
        yield packed


class _Counted:
    """A file that is written, with the bytes and their digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.size += len(data)
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()
