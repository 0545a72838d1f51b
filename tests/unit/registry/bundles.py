"""Bundles as a malicious or careless sender might make them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from mlctl.registry.bundle import CHECKSUM, MANIFEST, checksum_of

Member = tuple[tarfile.TarInfo, bytes]


def read_members(path: Path) -> list[Member]:
    """The members of a bundle with their content."""
    with tarfile.open(path) as tar:
        found = []
        for member in tar.getmembers():
            content = tar.extractfile(member)
            found.append((member, content.read() if content else b""))
        return found


def write_members(path: Path, members: list[Member]) -> None:
    """A tar with these members, whatever they are."""
    path.write_bytes(
        b"".join(
            member.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE) for member, data in members
        )
        + bytes(tarfile.RECORDSIZE)
    )


def member_of(name: str, data: bytes = b"", **fields: Any) -> Member:
    """A member; `fields` as of TarInfo."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, data


def with_manifest(members: list[Member], record: dict[str, Any]) -> list[Member]:
    """The members with another manifest, and the checksum that belongs to it."""
    data = json.dumps(record).encode()
    return [member_of(MANIFEST, data), member_of(CHECKSUM, checksum_of(data)), *members[2:]]


def with_tree(members: list[Member], entries: list[dict[str, Any]]) -> list[Member]:
    """A bundle of one version whose tree is another one, with all checksums right."""
    record = json.loads(members[0][1])
    data = json.dumps(entries).encode()
    digest = hashlib.sha256(data).hexdigest()
    record["assets"][0]["content"] = digest
    record["trees"] = {digest: len(data)}
    changed = with_manifest(members, record)
    return [*(one for one in changed if not one[0].name.startswith("trees/")), member_of(f"trees/{digest}.json", data)]
