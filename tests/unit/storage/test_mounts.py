"""Files shown at another path, with and without the right to mount."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.errors import ConflictError, UnavailableError
from mlctl.storage import mounts
from mlctl.storage.mounts import COPIED, RO_MOUNT, RW_MOUNT, show_at


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "sub").mkdir(parents=True)
    (tmp_path / "tree" / "sub" / "file").write_text("content")
    return tmp_path / "tree"


def test_without_the_right_to_mount_read_only_is_a_copy_without_write_rights(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_bind", lambda *_words, **_options: False)
    shown, how = show_at(tree, tmp_path / "point", mode=RO_MOUNT)
    assert (shown, how) == (tmp_path / "point", COPIED)
    assert (shown / "sub" / "file").read_text() == "content"
    assert not any(path.stat().st_mode & 0o222 for path in (shown, *shown.rglob("*")))
    shown, _ = show_at(tree / "sub" / "file", tmp_path / "other", mode=RO_MOUNT)
    assert shown == tmp_path / "other" / "file"
    assert shown.stat().st_mode & 0o777 == 0o444
    with pytest.raises(UnavailableError, match="only root may"):
        show_at(tree, tmp_path / "third", mode=RW_MOUNT)


def test_a_point_in_use_is_refused(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "point").mkdir()
    (tmp_path / "point" / "mine").touch()
    with pytest.raises(ConflictError, match="not empty"):
        show_at(tree, tmp_path / "point", mode=RO_MOUNT)
