"""Read-only inputs without the right to mount: a copy nobody may write to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mlctl.backends.local import mounts
from mlctl.errors import UnavailableError


@pytest.fixture(autouse=True)
def no_right_to_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_may_mount", lambda: False)


def _mount(source: Path, target: Path, *, read_only: bool = True) -> dict[str, object]:
    return {"source": str(source), "target": str(target), "read_only": read_only}


def test_a_folder_and_a_file_are_copied_without_write_rights_and_removed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep/a.txt").write_text("a")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    folder, file = tmp_path / "job/inputs/d", tmp_path / "job/inputs/f/a.txt"
    view = mounts.ReadOnlyView([_mount(source, folder), _mount(source / "deep/a.txt", file)])
    assert view.enter is None
    view.prepare()
    assert (folder / "deep/a.txt").read_text() == file.read_text() == "a"
    for path in (folder, folder / "deep", folder / "deep/a.txt", file):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o222, path
    assert os.access(folder / "run.sh", os.X_OK)
    view.close()
    assert not folder.exists()
    assert not file.exists()
    assert (source / "deep/a.txt").stat().st_mode & 0o200


def test_writable_places_are_not_touched(tmp_path: Path) -> None:
    view = mounts.ReadOnlyView([_mount(tmp_path, tmp_path / "out", read_only=False)])
    view.prepare()
    view.close()
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_went_away_is_named(tmp_path: Path) -> None:
    view = mounts.ReadOnlyView([_mount(tmp_path / "gone", tmp_path / "target")])
    with pytest.raises(UnavailableError, match="gone"):
        view.prepare()


def test_closing_twice_or_before_preparing_is_harmless(tmp_path: Path) -> None:
    view = mounts.ReadOnlyView([_mount(tmp_path / "source", tmp_path / "target")])
    view.close()
    view.close()
