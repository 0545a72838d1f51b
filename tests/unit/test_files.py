"""A file is there whole, old or new, whatever goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlctl.files import large_file, replace_file


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


def test_what_a_killed_writer_left_is_gone_after_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    path.write_bytes(b"old")
    killed = (
        "import os, signal, sys; from pathlib import Path; from mlctl.files import large_file\n"
        "with large_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'x' * 1_000_000); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(os.listdir(tmp_path)) == 2
    with large_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == [path.name]


def test_a_large_file_has_one_writer_and_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with large_file(path) as file:
        file.write(b"one")
        with pytest.raises(BlockingIOError), large_file(path):
            pass
        assert not path.exists()
    with pytest.raises(TypeError), large_file(path) as file:
        file.write("no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a"]
