"""What a stored folder tree says: a JSON list with one object for each file, empty folder and broken link.

The text is the same for the same tree, so its digest names the tree. A tree may come from somewhere else (a shared
registry, a backup), and the digest says only that it is whole: so paths that would lead out of a folder are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry of a stored tree; fields as of `TreeEntry`, with the `digest` of a file's content."""

    path: str
    kind: str
    digest: str = ""
    size: int = 0
    executable: bool = False
    target: str = ""


def is_digest(text: str) -> bool:
    """Whether the text can name stored content: 64 hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


def encode_tree(entries: Iterable[StoredEntry]) -> bytes:
    """The text of a tree. Its SHA-256 is the digest of the tree."""
    return f"[{','.join(sorted(json.dumps(_fields(entry), sort_keys=True) for entry in entries))}]".encode("ascii")


def decode_tree(data: bytes) -> list[StoredEntry]:
    """The entries of a tree. Raises ValueError for what is no tree, or one that would write outside its folder."""
    try:
        entries = [StoredEntry(**fields) for fields in json.loads(data)]
    except TypeError as error:
        raise ValueError(str(error)) from error
    links = {entry.path for entry in entries if entry.kind == "link"}
    for entry in entries:
        parts = entry.path.split("/")
        if not all(parts) or {".", ".."} & set(parts) or "\0" in entry.path:
            raise ValueError(f"the path {entry.path!r} leads out of its folder")
        if links and any("/".join(parts[:depth]) in links for depth in range(1, len(parts))):
            raise ValueError(f"the path {entry.path!r} leads through a link")
        if entry.kind not in ("file", "folder", "link") or (entry.kind == "file" and not is_digest(entry.digest)):
            raise ValueError(f"the entry {entry.path!r} is no file, folder or link")
    return entries


def _fields(entry: StoredEntry) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": entry.path, "kind": entry.kind}
    if entry.kind == "file":
        fields |= {"digest": entry.digest, "size": entry.size, "executable": entry.executable}
    elif entry.kind == "link":
        fields["target"] = entry.target
    return fields
