"""The one file that carries assets to another place: the same bytes out as in, or nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.registry.bundles import Member, member_of, read_members, with_manifest, with_tree, write_members
from tests.unit.registry.conftest import make_asset
from tests.unit.registry.test_copying import add_folder, files_below, place_of

from mlctl.entities.clock import Clock
from mlctl.errors import (
    ConflictError,
    InvalidSpecError,
    MlctlError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
    UsageError,
)
from mlctl.files import large_file
from mlctl.operations.bundles import export, import_bundle
from mlctl.registry.copying import fetch, publish
from mlctl.registry.files import DamagedError
from mlctl.registry.known import OpenRegistry, Registries
from mlctl.store.workspaces import WorkspaceStore


@pytest.fixture
def filled(workspace: Callable[[str], WorkspaceStore], registry: OpenRegistry, tmp_path: Path) -> OpenRegistry:
    """A registry with two versions of files, one address, labels, and one version archived."""
    store = workspace("one")
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "b.txt").write_text("text")
    publish(add_folder(store, folder), store, registry, now=1.0)
    (folder / "a.bin").write_bytes(random.Random(1).randbytes(3_000_000))
    publish(add_folder(store, folder, version="2"), store, registry, now=2.0)
    registry.assets.add(make_asset("address", "x", kind="model", type="custom_model", stage="Production"))
    registry.assets.set_archived("data", "iris", "1", archived=True)
    registry.assets.set_label("data", "iris", "good", "2")
    registry.assets.update(registry.assets.get("data", "iris", "2"), {"tags": {"late": "yes"}}, modified_at=3.0)
    return registry


@pytest.fixture
def far(tmp_path: Path) -> OpenRegistry:
    """A registry of the same name at a place without a network."""
    registries = Registries(tmp_path / "far home", Clock())
    registries.create("team", str(tmp_path / "far"))
    return registries.open("team")


def write(registry: OpenRegistry, path: Path, *names: str) -> Path:
    export(registry, path, kinds=(), names=names)
    return path


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz"])
def test_what_is_exported_arrives_whole(
    filled: OpenRegistry, far: OpenRegistry, tmp_path: Path, name: str, workspace: Callable[[str], WorkspaceStore]
) -> None:
    written = export(filled, tmp_path / name, kinds=(), names=())
    assert written.digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert written.size == (tmp_path / name).stat().st_size
    done = import_bundle(far, tmp_path / name)
    assert done.imported == ("data iris:1", "data iris:2", "model address:x")
    assert far.assets.all() == filled.assets.all()
    assert far.assets.labels("data", "iris") == {"good": "2"}
    store = workspace("two")
    fetched = fetch(far.assets.resolve("data", "iris"), far, store)
    assert files_below(place_of(store, fetched)) == files_below(tmp_path / "data")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_the_same_assets_give_the_same_bytes(
    filled: OpenRegistry, far: OpenRegistry, tmp_path: Path, name: str
) -> None:
    first = write(filled, tmp_path / name).read_bytes()
    assert write(filled, tmp_path / name).read_bytes() == first
    import_bundle(far, tmp_path / name)
    (tmp_path / "other").mkdir()
    assert write(far, tmp_path / "other" / name).read_bytes() == first


def test_what_is_no_file_is_not_replaced_by_one(filled: OpenRegistry, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/full")
    for name in ("pipe", "link", "."):
        with pytest.raises(UsageError, match="is no file"):
            write(filled, tmp_path / name)
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_char_device()


def test_a_link_stays_one(filled: OpenRegistry, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("old")
    (tmp_path / "a.tar").symlink_to("folder/old")
    written = write(filled, tmp_path / "a.tar")
    assert written.is_symlink()
    assert tarfile.is_tarfile(tmp_path / "folder" / "old")
    assert sorted(os.listdir(tmp_path / "folder")) == ["old"]


def test_two_do_not_write_one_file_at_once(filled: OpenRegistry, tmp_path: Path) -> None:
    with large_file(tmp_path / "a.tar"), pytest.raises(ConflictError, match="another export"):
        write(filled, tmp_path / "a.tar")


def test_any_tar_reads_it(filled: OpenRegistry, tmp_path: Path) -> None:
    write(filled, tmp_path / "all.tar")
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "xf", tmp_path / "all.tar", "-C", tmp_path / "out"], check=True)
    subprocess.run(["sha256sum", "-c", "manifest.json.sha256"], check=True, cwd=tmp_path / "out", capture_output=True)
    files = list((tmp_path / "out" / "files").iterdir())
    assert len(files) == 2
    assert all(path.name == hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def test_filters_choose_what_goes_along(filled: OpenRegistry, far: OpenRegistry, tmp_path: Path) -> None:
    written = export(filled, tmp_path / "a.tar", kinds=("data",), names=("iris:1",))
    assert [item.asset.version for item in written.manifest.items] == ["1"]
    assert len(written.manifest.files) == 1
    with pytest.raises(NotFoundError, match="iris:7"):
        export(filled, tmp_path / "a.tar", kinds=(), names=("iris", "iris:7"))
    with pytest.raises(NotFoundError, match="nothing"):
        export(filled, tmp_path / "a.tar", kinds=("component",), names=())
    with pytest.raises(UsageError):
        export(filled, tmp_path / "a.tar", kinds=(), names=("iris:",))
    assert import_bundle(far, tmp_path / "a.tar").imported == ("data iris:1",)


def test_a_repetition_changes_nothing(filled: OpenRegistry, far: OpenRegistry, tmp_path: Path) -> None:
    write(filled, tmp_path / "a.tar")
    import_bundle(far, tmp_path / "a.tar")
    far.assets.set_label("data", "iris", "good", "1")
    far.assets.set_archived("data", "iris", "1", archived=False)
    before = files_below(tmp_path / "far")
    done = import_bundle(far, tmp_path / "a.tar")
    assert (done.imported, len(done.unchanged)) == ((), 3)
    assert done.warnings == ("label 'good' of data 'iris' stays at version 1",)
    assert files_below(tmp_path / "far") == before


def test_other_content_under_a_version_is_a_conflict_that_names_all(
    filled: OpenRegistry, far: OpenRegistry, tmp_path: Path
) -> None:
    write(filled, tmp_path / "a.tar")
    far.assets.add(make_asset("iris", "2"))
    far.assets.add(make_asset("address", "x", kind="model", type="mlflow_model"))
    before = files_below(tmp_path / "far")
    with pytest.raises(ConflictError) as caught:
        import_bundle(far, tmp_path / "a.tar")
    assert caught.value.details["conflicts"] == ["data iris:2", "model address:x"]
    assert files_below(tmp_path / "far") == before


def test_damaged_content_is_not_exported(filled: OpenRegistry, tmp_path: Path) -> None:
    stored = max((tmp_path / "share/files").rglob("??*/*"), key=lambda path: path.stat().st_size)
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.chmod(0o644)
    stored.write_bytes(data)
    (tmp_path / "a.tar").write_text("the one before")
    with pytest.raises(DamagedError):
        write(filled, tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_text() == "the one before"
    assert not list(tmp_path.glob(".a.tar*"))


def is_refused(far: OpenRegistry, path: Path, match: str = "refused") -> None:
    with pytest.raises(InvalidSpecError, match=match):
        import_bundle(far, path)
    assert far.assets.all() == []


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_is_cut_off_is_refused(
    filled: OpenRegistry, far: OpenRegistry, tmp_path: Path, packed: bool
) -> None:
    path = write(filled, tmp_path / ("a.tar.gz" if packed else "a.tar"))
    data = path.read_bytes()
    end = len(data) if packed else len(data.rstrip(b"\0"))
    for length in [0, 1, 100, 511, 512, 600, 4096, end // 2, end - 1]:
        path.write_bytes(data[:length])
        is_refused(far, path)
    assert far.files.names("assets") == []


def test_a_flipped_bit_is_refused_or_without_meaning(filled: OpenRegistry, far: OpenRegistry, tmp_path: Path) -> None:
    path = write(filled, tmp_path / "a.tar", "iris:1", "address")
    data = bytearray(path.read_bytes())
    chosen = random.Random(7)
    refused = 0
    for place in chosen.sample(range(len(data)), 300):
        data[place] ^= 1 << chosen.randrange(8)
        path.write_bytes(data)
        try:
            import_bundle(far, path)
        except InvalidSpecError:
            refused += 1
            assert far.assets.all() == []
        else:
            # only what fills up a block
            assert [asset.fingerprint for asset in far.assets.all()] == [
                filled.assets.get("data", "iris", "1").fingerprint,
                filled.assets.get("model", "address", "x").fingerprint,
            ]
            far.files.remove("assets")
        data = bytearray(write(filled, path, "iris:1", "address").read_bytes())
    assert refused > 100


def test_a_flipped_bit_in_a_packed_file_is_refused(filled: OpenRegistry, far: OpenRegistry, tmp_path: Path) -> None:
    path = write(filled, tmp_path / "a.tar.gz")
    whole = path.read_bytes()
    for place in random.Random(3).sample(range(10, len(whole)), 40):
        data = bytearray(whole)
        data[place] ^= 4
        path.write_bytes(data)
        is_refused(far, path)


EVIL: dict[str, Callable[[list[Member]], list[Member]]] = {
    "a file behind": lambda members: [*members, member_of("extra", b"x")],
    "a name twice": lambda members: [*members, members[-1]],
    "a path above": lambda members: [*members[:2], member_of("../evil", b"x"), *members[2:]],
    "an absolute path": lambda members: [member_of("/etc/passwd", b"x"), *members],
    "a link": lambda members: [*members[:2], member_of(members[2][0].name, type=tarfile.SYMTYPE, linkname="/etc")],
    "a hard link": lambda members: [*members[:2], member_of(members[2][0].name, type=tarfile.LNKTYPE, linkname="x")],
    "a device": lambda members: [*members[:2], member_of(members[2][0].name, type=tarfile.CHRTYPE)],
    "a pipe": lambda members: [*members[:2], member_of(members[2][0].name, type=tarfile.FIFOTYPE)],
    "a folder": lambda members: [*members[:2], member_of(members[2][0].name, type=tarfile.DIRTYPE)],
    "a long name": lambda members: [member_of("././@LongLink", b"x" * 4096, type=tarfile.GNUTYPE_LONGNAME), *members],
    "a file too short": lambda members: [*members[:2], member_of(members[2][0].name, b"x"), *members[3:]],
    "other content": lambda members: [
        *members[:2], member_of(members[2][0].name, bytes(len(members[2][1]))), *members[3:]
    ],
    "another order": lambda members: [*members[:2], *reversed(members[2:])],
    "no checksum": lambda members: [members[0], *members[2:]],
    "no manifest": lambda members: members[1:],
}  # fmt: skip


@pytest.mark.parametrize("what", EVIL)
def test_what_the_manifest_does_not_tell_is_refused(
    filled: OpenRegistry, far: OpenRegistry, tmp_path: Path, what: str
) -> None:
    path = write(filled, tmp_path / "a.tar")
    write_members(path, EVIL[what](read_members(path)))
    is_refused(far, path)


LIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda record: record.update(format=2),
    "no assets": lambda record: record.pop("assets"),
    "assets of numbers": lambda record: record.update(assets=[1]),
    "a digest that is a path": lambda record: record.update(files={"../../evil": 1}),
    "a size below zero": lambda record: record.update(files=dict.fromkeys(record["files"], -1)),
    "a size that is a text": lambda record: record.update(files=dict.fromkeys(record["files"], "1")),
    "a bomb": lambda record: record.update(files=dict.fromkeys(record["files"], 10**18)),
    "a version twice": lambda record: record["assets"].append(record["assets"][0]),
    "a name that is none": lambda record: record["assets"][0].update(name=""),
    "a name that leads out": lambda record: record["assets"][0].update(name="../../../evil"),
    "a version that leads out": lambda record: record["assets"][0].update(version="a/b"),
    "a label that leads out": lambda record: record["assets"][0].update(labels=["../x"]),
    "a name for the terminal": lambda record: record["assets"][0].update(name="a\x1b[2J"),
    "an unknown kind": lambda record: record["assets"][0].update(kind="../x"),
    "a root that leads out": lambda record: record["assets"][0].update(root="../"),
    "a root that is the folder above": lambda record: record["assets"][0].update(root=".."),
    "content that is a path": lambda record: record["assets"][0].update(content="../x"),
    "another tree": lambda record: record["assets"][0].update(content="a" * 64),
    "files that no tree needs": lambda record: record["files"].update({"f" * 64: 0}),
    "tags that are no texts": lambda record: record["assets"][0].update(tags={"a": 1}),
    "labels that are no texts": lambda record: record["assets"][0].update(labels=[1]),
    "labels that are none": lambda record: record["assets"][0].update(labels=None),
}


@pytest.mark.parametrize("what", LIES)
def test_a_manifest_that_lies_is_refused(filled: OpenRegistry, far: OpenRegistry, tmp_path: Path, what: str) -> None:
    path = write(filled, tmp_path / "a.tar", "iris:1")
    members = read_members(path)
    record = json.loads(members[0][1])
    LIES[what](record)
    write_members(path, with_manifest(members, record))
    is_refused(far, path)


PRIVATE = [
    {"path": "file:///etc/passwd"},
    {"path": "/etc/passwd"},
    {"path": "relative"},
    {"path": "azureml://datastores/workspaceblobstore/paths/x"},
    {"path": "azureml://jobs/mine/outputs/model"},
    {"path": "runs:/mine/model"},
    {"path": "azureml:mine:1"},
    {"path": "git+file:///home/me/private"},
    {"path": None, "document": {"build": {"path": "/home/me"}}, "kind": "environment"},
    {"path": None, "document": {"code": "file:///home/me"}, "kind": "component"},
    {"path": None, "document": {"code": "git+file:///home/me/private"}, "kind": "component"},
]


@pytest.mark.parametrize("fields", PRIVATE, ids=repr)
def test_a_record_that_names_files_of_its_reader_is_refused(
    filled: OpenRegistry, far: OpenRegistry, tmp_path: Path, fields: dict[str, Any]
) -> None:
    path = write(filled, tmp_path / "a.tar", "address")
    members = read_members(path)
    record = json.loads(members[0][1])
    record["assets"][0].update(fields)
    write_members(path, with_manifest(members, record))
    is_refused(far, path)
    # and who writes to the place past mlctl gets no further
    (written,) = (tmp_path / "share").rglob("versions/x.json")
    written.write_text(json.dumps({**json.loads(written.read_text()), **fields}))
    with pytest.raises(UnavailableError, match="meant to harm"):
        filled.assets.get("model", "address", "x")
    with pytest.raises(UsageError, match="only this machine or workspace has"):
        filled.assets.add(make_asset("other", **fields))


FILE = {"kind": "file", "executable": False}
TREES: dict[str, Callable[[str, int], list[dict[str, Any]]]] = {
    "above": lambda digest, size: [{"path": "../x", "digest": digest, "size": size, **FILE}],
    "deep above": lambda digest, size: [{"path": "a/../../x", "digest": digest, "size": size, **FILE}],
    "absolute": lambda digest, size: [{"path": "/tmp/x", "digest": digest, "size": size, **FILE}],
    "twice": lambda digest, size: [{"path": "x", "digest": digest, "size": size, **FILE}] * 2,
    "nul": lambda digest, size: [{"path": "x\0", "digest": digest, "size": size, **FILE}],
    "empty": lambda digest, size: [{"path": "", "digest": digest, "size": size, **FILE}],
    "device": lambda *_: [{"path": "x", "kind": "device"}],
    "link out": lambda *_: [{"path": "x", "kind": "link", "target": "../y"}],
    "absolute link": lambda *_: [{"path": "x", "kind": "link", "target": "/etc/passwd"}],
    "link by a link": lambda *_: [
        {"path": "d/x", "kind": "link", "target": ".."},
        {"path": "y", "kind": "link", "target": "d/x/../../etc"},
    ],
    "through a link": lambda digest, size: [
        {"path": "x", "kind": "link", "target": "y"},
        {"path": "x/z", "digest": digest, "size": size, **FILE},
    ],
    "below a file": lambda digest, size: [
        {"path": "x", "digest": digest, "size": size, **FILE},
        {"path": "x/z/z", "digest": digest, "size": size, **FILE},
    ],
    "another size": lambda digest, size: [{"path": "x", "digest": digest, "size": size + 1, **FILE}],
    "another file": lambda _, size: [{"path": "x", "digest": "a" * 64, "size": size, **FILE}],
    "no texts": lambda digest, size: [{"path": 1, "digest": digest, "size": size, **FILE}],
    "other fields": lambda *_: [{"path": "x", "mode": 1}],
}


@pytest.mark.parametrize("what", TREES)
def test_a_tree_that_leads_out_is_refused(filled: OpenRegistry, far: OpenRegistry, tmp_path: Path, what: str) -> None:
    path = write(filled, tmp_path / "a.tar", "iris:1")
    members = read_members(path)
    ((digest, size),) = json.loads(members[0][1])["files"].items()
    write_members(path, with_tree(members, TREES[what](digest, size)))
    is_refused(far, path)


def test_a_tree_in_a_registry_is_not_trusted_either(
    filled: OpenRegistry, tmp_path: Path, workspace: Callable[[str], WorkspaceStore]
) -> None:
    data = json.dumps([{"path": "../../evil", "kind": "link", "target": "x"}]).encode()
    digest = hashlib.sha256(data).hexdigest()
    filled.content.put_tree(digest, data)
    filled.assets.add(make_asset("evil", content=digest))
    with pytest.raises(DamagedError, match="leads out"):
        fetch(filled.assets.resolve("data", "evil"), filled, workspace("two"))
    with pytest.raises(DamagedError, match="leads out"):
        write(filled, tmp_path / "a.tar")


def test_a_gzip_bomb_is_stopped_by_the_manifest(filled: OpenRegistry, far: OpenRegistry, tmp_path: Path) -> None:
    path = write(filled, tmp_path / "a.tar", "iris:1")
    data = path.read_bytes()
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(data + bytes(200_000_000), 1))
    is_refused(far, tmp_path / "bomb.tar.gz")
    header, _ = member_of("manifest.json")
    header.size = 10**12
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_000_000), 1))
    is_refused(far, tmp_path / "bomb.tar.gz", match="manifest has")
    header.size = -512
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(10_000_000), 1))
    is_refused(far, tmp_path / "bomb.tar.gz")


def test_other_files_are_told(far: OpenRegistry, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        import_bundle(far, tmp_path / "nothing.tar")
    (tmp_path / "text").write_text("text\n" * 1000)
    is_refused(far, tmp_path / "text")
    (tmp_path / "a.zst").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    with pytest.raises(UnsupportedError, match="zstd"):
        import_bundle(far, tmp_path / "a.zst")
    with pytest.raises(MlctlError):
        import_bundle(far, tmp_path)


_IMPORT = """
import os, sys
from pathlib import Path
from mlctl.entities.clock import Clock
from mlctl.files import large_file
from mlctl.operations.bundles import import_bundle
from mlctl.registry.known import Registries

home, path, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def counted(action):
    def count(*words, **named):
        global steps
        steps -= 1
        if steps < 0:
            os.kill(os.getpid(), 9)
        return action(*words, **named)
    return count

Path.replace, Path.hardlink_to = counted(Path.replace), counted(Path.hardlink_to)
import_bundle(Registries(home, Clock()).open("team"), path)
"""


def test_killed_at_any_step_a_repetition_succeeds(
    filled: OpenRegistry, far: OpenRegistry, tmp_path: Path, workspace: Callable[[str], WorkspaceStore]
) -> None:
    path = write(filled, tmp_path / "a.tar")
    store = workspace("two")
    for steps in range(30):
        for entry in ("assets", "trees", "files"):
            far.files.remove(entry)
        words = [sys.executable, "-c", _IMPORT, str(tmp_path / "far home"), str(path), str(steps)]
        done = subprocess.run(words, check=False, capture_output=True)
        for asset in far.assets.all():
            fetch(asset, far, store)  # whatever is seen is whole
        import_bundle(far, path)
        assert far.assets.all() == filled.assets.all()
        assert far.assets.labels("data", "iris") == {"good": "2"}
        assert files_below(tmp_path / "far" / "files") == files_below(tmp_path / "share" / "files")
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert steps >= 10
