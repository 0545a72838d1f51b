"""Assets between workspaces and a registry: the same bytes, checked, and nothing half-done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.registry.conftest import make_asset

from mlctl.assets.registration import keep_files
from mlctl.entities.asset import Asset, fingerprint_of
from mlctl.entities.clock import Clock
from mlctl.errors import ConflictError
from mlctl.registry.copying import fetch, publish, workspace_content
from mlctl.registry.files import DamagedError
from mlctl.registry.known import OpenRegistry, Registries
from mlctl.store.workspaces import WorkspaceStore

Make = Callable[[str], WorkspaceStore]


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def add_folder(store: WorkspaceStore, folder: Path, name: str = "iris", version: str = "1") -> Asset:
    """A data asset of a folder's files."""
    kept = keep_files(store, folder)
    asset = make_asset(name, version, path=kept.path, content=kept.content)
    return store.assets.add(asset)


def place_of(store: WorkspaceStore, asset: Asset) -> Path:
    assert asset.path is not None
    return store.datastore_folder("workspaceblobstore") / asset.path.partition("/paths/")[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with odd names, an empty file, the same content twice, and more than one piece."""
    folder = tmp_path / "my data"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.bin").write_bytes(os.urandom(3 * 1024 * 1024 + 1))
    (folder / "deep" / "er" / "ü ñ.txt").write_text("text")
    (folder / "deep" / "copy.txt").write_text("text")
    (folder / "empty").touch()
    return folder


@pytest.mark.parametrize("url", [False, True])
def test_a_second_workspace_gets_the_same_bytes(
    workspace: Make, registries: Registries, tmp_path: Path, folder: Path, url: bool
) -> None:
    if url:
        pytest.importorskip("fsspec")
    registries.create("team", f"memory://copies/{tmp_path.name}" if url else str(tmp_path / "share"))
    registry = registries.open("team")
    one, two = workspace("one"), workspace("two")
    shared = publish(add_folder(one, folder), one, registry, now=5.0)
    assert (shared.path, shared.created_at, shared.registry) == (shared.reference, 5.0, "team")
    fetched = fetch(registry.assets.resolve("data", "iris"), registry, two)
    assert fetched.path is not None
    assert fetched.path.endswith("/my data/")
    assert files_below(place_of(two, fetched)) == files_below(folder)
    assert fetched.content == shared.content
    assert fingerprint_of(fetched) == shared.fingerprint
    again = fetch(registry.assets.resolve("data", "iris"), registry, two)
    assert again == fetched


def test_a_single_file_stays_a_file(workspace: Make, registry: OpenRegistry, tmp_path: Path) -> None:
    one, two = workspace("one"), workspace("two")
    (tmp_path / "model.pkl").write_bytes(b"weights")
    shared = publish(add_folder(one, tmp_path / "model.pkl"), one, registry, now=1.0)
    fetched = fetch(shared, registry, two)
    assert str(fetched.path).endswith("/model.pkl")
    assert place_of(two, fetched).read_bytes() == b"weights"


def test_what_the_registry_has_is_not_copied_again(
    workspace: Make, registry: OpenRegistry, tmp_path: Path, folder: Path
) -> None:
    one = workspace("one")
    publish(add_folder(one, folder), one, registry, now=1.0)
    before = {path: path.stat().st_ino for path in (tmp_path / "share/files").rglob("*") if path.is_file()}
    (folder / "new").write_text("new")
    publish(add_folder(one, folder, version="2"), one, registry, now=2.0)
    after = {path: path.stat().st_ino for path in (tmp_path / "share/files").rglob("*") if path.is_file()}
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()


def test_the_registry_has_copies_and_no_links(
    workspace: Make, registry: OpenRegistry, tmp_path: Path, folder: Path
) -> None:
    one = workspace("one")
    asset = add_folder(one, folder)
    publish(asset, one, registry, now=1.0)
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "share/files").rglob("*") if path.is_file())


def test_repeating_changes_nothing_and_other_content_is_a_conflict(
    workspace: Make, registry: OpenRegistry, tmp_path: Path, folder: Path
) -> None:
    one = workspace("one")
    asset = add_folder(one, folder)
    first = publish(asset, one, registry, now=1.0)
    assert publish(asset, one, registry, now=2.0) == replace(first, modified_at=1.0)
    (folder / "new").write_text("new")
    other = replace(add_folder(one, folder, version="2"), version="1")
    before = files_below(tmp_path / "share")
    with pytest.raises(ConflictError):
        publish(other, one, registry, now=3.0)
    assert files_below(tmp_path / "share") == before


def test_damaged_files_are_neither_shared_nor_fetched(
    workspace: Make, registry: OpenRegistry, tmp_path: Path, folder: Path
) -> None:
    one, two = workspace("one"), workspace("two")
    asset = add_folder(one, folder)
    stored = max((one.folder / "content/files").rglob("??*/*"), key=lambda path: path.stat().st_size)
    whole = stored.read_bytes()
    stored.chmod(0o644)
    stored.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DamagedError):
        publish(asset, one, registry, now=1.0)
    assert registry.assets.find("data", "iris", "1") is None
    stored.write_bytes(whole)
    shared = publish(asset, one, registry, now=1.0)
    copy = tmp_path / "share" / stored.relative_to(one.folder / "content")
    copy.chmod(0o644)
    copy.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DamagedError):
        fetch(shared, registry, two)
    assert not (two.datastore_folder("workspaceblobstore") / "LocalUpload").exists()
    assert not workspace_content(two).has_tree(str(shared.content))


_SHARE = """
import os, sys
from pathlib import Path
from mlctl.entities.clock import Clock
from mlctl.registry.copying import publish
from mlctl.registry.known import Registries
from mlctl.store.workspaces import Workspaces

home, steps = Path(sys.argv[1]), int(sys.argv[2])

def counted(action):
    def count(*words, **named):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), 9)
        return action(*words, **named)
    return count

Path.replace, Path.hardlink_to = counted(Path.replace), counted(Path.hardlink_to)
store = Workspaces(home, Clock()).open("one")
publish(store.assets.get("data", "iris", "1"), store, Registries(home, Clock()).open("team"), now=1.0)
"""


def test_killed_at_any_step_nothing_half_done_is_seen_and_a_repetition_succeeds(
    workspace: Make, registry: OpenRegistry, tmp_path: Path, folder: Path
) -> None:
    one, two = workspace("one"), workspace("two")
    asset = add_folder(one, folder)
    one.database.close()
    for steps in range(20):
        for entry in ("assets", "trees", "files"):
            registry.files.remove(entry)
        done = subprocess.run(
            [sys.executable, "-c", _SHARE, str(tmp_path / "home"), str(steps)], check=False, capture_output=True
        )
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
        assert registry.assets.find("data", "iris", "1") is None
        assert registry.assets.list_names("data") == []
        fetched = fetch(publish(asset, one, registry, now=1.0), registry, two)
        assert files_below(place_of(two, fetched)) == files_below(folder)
    assert steps >= 6


def test_killed_while_a_large_file_is_copied_a_repetition_succeeds(
    workspace: Make, registry: OpenRegistry, tmp_path: Path
) -> None:
    one, two = workspace("one"), workspace("two")
    (tmp_path / "big").mkdir()
    with (tmp_path / "big" / "file").open("wb") as file:
        for number in range(200):
            file.write(number.to_bytes(1, "big") * 1024 * 1024)
    asset = add_folder(one, tmp_path / "big")
    one.database.close()
    process = subprocess.Popen([sys.executable, "-c", _SHARE, str(tmp_path / "home"), "99"])
    incoming = tmp_path / "share" / "incoming"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if any(path.stat().st_size > 1024 * 1024 for path in incoming.iterdir()):
            break
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it was too quick to be killed"
    assert registry.assets.list_names("data") == []
    fetched = fetch(publish(asset, one, registry, now=1.0), registry, two)
    assert files_below(place_of(two, fetched)) == files_below(tmp_path / "big")


_RACE = """
import sys, time
from pathlib import Path
from mlctl.entities.clock import Clock
from mlctl.errors import ConflictError
from mlctl.registry.copying import publish
from mlctl.registry.known import Registries
from mlctl.store.workspaces import Workspaces

home, name, at = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
store = Workspaces(home, Clock()).open(name)
asset = store.assets.get("data", "iris", "1")
registry = Registries(home, Clock()).open("team")
time.sleep(max(0, at - time.time()))
try:
    publish(asset, store, registry, now=1.0)
except ConflictError as error:
    sys.exit(error.exit_code)
"""


def test_of_two_who_share_other_content_under_one_version_one_wins(
    workspace: Make, registry: OpenRegistry, tmp_path: Path
) -> None:
    contents = {}
    for name in ("one", "two"):
        store = workspace(name)
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        contents[name] = add_folder(store, tmp_path / name).content
        store.database.close()
    at = str(time.time() + 1.5)
    racers = {
        name: subprocess.Popen([sys.executable, "-c", _RACE, str(tmp_path / "home"), name, at]) for name in contents
    }
    codes = {name: process.wait() for name, process in racers.items()}
    assert sorted(codes.values()) == [0, 6]
    winner = next(name for name, code in codes.items() if code == 0)
    assert registry.assets.get("data", "iris", "1").content == contents[winner]
    third = Registries(tmp_path / "home", Clock()).open("team")
    assert files_below(place_of(store, fetch(third.assets.resolve("data", "iris"), third, store))) == {
        "file": winner.encode()
    }
