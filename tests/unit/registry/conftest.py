"""Fixtures of the registry's tests: every place that can hold a registry, and workspaces that share it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.asset import Asset, fingerprint_of
from mlctl.entities.clock import Clock
from mlctl.registry.files import Files, FolderFiles
from mlctl.registry.known import OpenRegistry, Registries
from mlctl.store.workspaces import Workspaces, WorkspaceStore

_numbers = itertools.count()


@pytest.fixture(params=["folder", "url"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """An empty place, once a folder and once behind a URL."""
    if request.param == "folder":
        return FolderFiles(tmp_path / "place")
    pytest.importorskip("fsspec")
    from mlctl.registry.remote import RemoteFiles

    return RemoteFiles(f"memory://place{next(_numbers)}")


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    """The registries of a fresh home."""
    return Registries(tmp_path / "home", Clock())


@pytest.fixture
def registry(registries: Registries, tmp_path: Path) -> OpenRegistry:
    """A registry in a folder."""
    registries.create("team", str(tmp_path / "share"))
    return registries.open("team")


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[[str], WorkspaceStore]:
    """`workspace("name")` makes a workspace and opens it."""
    workspaces = Workspaces(tmp_path / "home", Clock())

    def make(name: str) -> WorkspaceStore:
        workspaces.create(name)
        return workspaces.open(name)

    return make


def make_asset(name: str = "iris", version: str = "1", kind: str = "data", **fields: Any) -> Asset:
    """A version with its fingerprint."""
    given = {"type": "uri_folder", "path": "https://example.com/x", "created_at": 1.0, "modified_at": 1.0}
    asset = Asset(kind, name, version, **{**given, **fields})
    return Asset(**{**{name: getattr(asset, name) for name in Asset.__slots__}, "fingerprint": fingerprint_of(asset)})
