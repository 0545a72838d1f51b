"""Stored files, shown in the workspace's own datastore as read-only hard links."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mlctl.store.content import ContentStore

FOLDER = "LocalUpload"


def expose(content: ContentStore, datastore: Path, digest: str, name: str) -> Path:
    target = datastore / FOLDER / digest / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    entries = content.entries(digest)
    temporary = target.parent / f".{os.urandom(6).hex()}"
    content.materialise(digest, temporary, link=True)
    single = [entry for entry in entries if entry.path == name and entry.kind == "file"]
    try:
        (temporary / name if len(entries) == 1 and single else temporary).rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target
