"""A datastore in memory, with the faults of a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.clock import Clock
from mlctl.storage import remote_files
from mlctl.storage.datastores import Remote
from mlctl.store.workspaces import Workspaces, WorkspaceStore


class FakeFiles:
    """What transfers use of fsspec. `faults`: errors that the next reads raise, in order."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = {f"root/{name}": content for name, content in contents.items()}
        self.faults: list[Exception] = []
        self.reads: list[tuple[str, int, int]] = []
        self.with_md5 = True

    def find(self, path: str, detail: bool = True) -> dict[str, Any]:
        assert detail
        names = [name for name in self.contents if name == path or name.startswith(f"{path}/")]
        return {name: self.info(name) for name in names}

    def info(self, name: str) -> dict[str, Any]:
        content = self.contents[name]
        md5 = hashlib.md5(content)
        settings = {"content_md5": bytearray(md5.digest())} if self.with_md5 else {}
        return {"type": "file", "size": len(content), "etag": md5.hexdigest(), "content_settings": settings}

    def cat_file(self, name: str, start: int, end: int) -> bytes:
        if self.faults:
            raise self.faults.pop(0)
        self.reads.append((name, start, end))
        return self.contents[name][start:end]


@pytest.fixture
def files() -> FakeFiles:
    return FakeFiles()


@pytest.fixture
def remote(files: FakeFiles) -> Remote:
    return Remote("far", "azure", files, "root", "somewhere", secrets=("s3cr3t-key",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WorkspaceStore]:
    store = Workspaces(tmp_path / "home", Clock(now=lambda: 1000.0)).open("default")
    yield store
    store.database.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between attempts."""
    monkeypatch.setattr(remote_files, "_DELAY", 0)
