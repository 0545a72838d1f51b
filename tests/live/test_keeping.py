"""Assets, `mlctl gc` and `mlctl workspace verify` on disks that are full or may not be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Mlctl

Seal = Callable[[Path], None]


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_refuses_an_asset_and_leaves_nothing_half_written(mlctl: Mlctl, small_disk: Path) -> None:
    workspace = small_disk / "ws"
    mlctl("workspace", "create", "--name", "small", "--path", str(workspace))
    large = mlctl.folder / "large"
    large.mkdir()
    for number in range(4):
        (large / f"part{number}").write_bytes(os.urandom(3_000_000))
    create = ("data", "create", "--name", "large", "--path", str(large), "--type", "uri_folder", "-w", "small")
    done = mlctl(*create, code=7)
    assert "error[unavailable]" in done.stderr
    assert "is full; nothing was half-written" in done.stderr
    assert mlctl.json("data", "list", "-w", "small") == []
    assert mlctl.json("workspace", "verify", "--name", "small") == []
    assert not list((workspace / "content/incoming").iterdir())
    assert not list((workspace / "content/trees").glob("*/*"))
    # what was whole before the disk was full is of no use to anybody
    plan = mlctl.json("gc", "--plan", "-w", "small")
    assert [finding["kind"] for finding in plan] == ["content"]
    assert plan == mlctl.json("gc", "-w", "small")
    (large / "part3").unlink()
    (large / "part2").unlink()
    assert mlctl.json(*create)["version"] == "1"
    assert mlctl.json("workspace", "verify", "--name", "small") == []


def test_a_workspace_that_may_not_be_written_can_be_looked_at(mlctl: Mlctl, sealed: Seal) -> None:
    (mlctl.folder / "data").mkdir()
    (mlctl.folder / "data/a").write_text("a")
    create = ("data", "create", "--name", "kept", "--path", "data", "--type", "uri_folder")
    mlctl(*create)
    before = files_below(mlctl.workspace)
    sealed(mlctl.workspace)
    (mlctl.folder / "data/a").write_text("b")
    assert "error[auth]: no permission to write" in mlctl(*create, code=4).stderr
    assert "error[auth]: no permission to write" in mlctl("gc", code=4).stderr
    assert mlctl.json("gc", "--plan") == []
    assert mlctl.json("workspace", "verify") == []
    assert [name for name in files_below(mlctl.workspace) if not name.startswith("mlctl.db")] == [
        name for name in before if not name.startswith("mlctl.db")
    ]


def test_damage_is_told_by_the_exit_code_and_mended(mlctl: Mlctl) -> None:
    (mlctl.folder / "data").mkdir()
    (mlctl.folder / "data/a").write_text("a")
    create = ("data", "create", "--name", "kept", "--path", "data", "--type", "uri_folder", "--version", "1")
    mlctl(*create)
    (stored,) = (mlctl.workspace / "content/files").glob("*/*")
    stored.chmod(0o644)
    stored.write_text("b")
    (problem,) = mlctl.json("workspace", "verify", code=7)
    assert problem["problem"] == "its content has changed"
    assert problem["fix"].endswith("needed by data kept:1")
    mlctl("workspace", "verify", "--quick")
    mlctl("workspace", "verify", "--repair", code=7)
    mlctl(*create)
    mlctl("workspace", "verify", "--repair")
    mlctl("data", "download", "--name", "kept", "--version", "1", "--download-path", "out")
    assert [path.read_text() for path in (mlctl.folder / "out").rglob("a")] == ["a"]
