"""What a job reads and leaves, copied."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mlctl.backends.supervised.materials import copy


@pytest.mark.parametrize("follow_links", [False, True])
def test_pipes_and_sockets_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, follow_links: bool
) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    os.mkfifo(source / "a")
    (source / "b").write_text("kept")
    (source / "link").symlink_to("b")
    monkeypatch.chdir(source / "sub")  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as open_socket:
        open_socket.bind("s")
        said = copy(source, tmp_path / "target", follow_links=follow_links)
        assert copy(source / "a", tmp_path / "one", follow_links=follow_links) == [said[0]]
    assert said == [f"{source}/a is no file and was left out", f"{source}/sub/s is no file and was left out"]
    kept = sorted(str(path.relative_to(tmp_path / "target")) for path in (tmp_path / "target").rglob("*"))
    assert kept == ["b", "link", "sub"]
    assert (tmp_path / "target" / "link").is_symlink() is not follow_links
    assert not (tmp_path / "one").exists()
