"""A file is there whole, old or new, whatever goes wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlctl.files import replace_file


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    replace_file(path, b"one")
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == [path.name]


def test_rights_are_kept_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o640)
    replace_file(path, b"new", like=path.stat())
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)


def test_the_old_file_stays_when_it_is_not_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def refuse() -> None:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        replace_file(path, b"new", ready=refuse)
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "nowhere" / "a", b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]
