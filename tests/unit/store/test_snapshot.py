from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from mlctl.errors import AuthError, NotFoundError
from mlctl.store import snapshot
from mlctl.store.snapshot import folder_hash, walk


def test_the_tree_comes_in_a_fixed_order_with_empty_folders(tmp_path: Path) -> None:
    _write(tmp_path, {"b.py": "b", "a/z.py": "z", "a/deep/x": "x", "B.py": ""})
    (tmp_path / "void/inner").mkdir(parents=True)
    (tmp_path / "b.py").chmod(0o755)
    entries = list(walk(tmp_path))
    assert [(entry.path, entry.kind, entry.size) for entry in entries] == [
        ("B.py", "file", 0),
        ("b.py", "file", 1),
        ("a/z.py", "file", 1),
        ("a/deep/x", "file", 1),
        ("void/inner", "folder", 0),
    ]
    assert [entry.path for entry in entries if entry.executable] == ["b.py"]


def test_ignored_folders_are_never_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, {f"data/{folder}/f": "x" for folder in range(90)})
    _write(tmp_path, {f"src/{folder}/f": "x" for folder in range(9)})
    _write(tmp_path, {".git/objects/x": "", ".amlignore": "data/\n", ".gitignore": "src\n"})
    entered: list[str] = []
    scandir = os.scandir

    def watched(path: str) -> object:
        entered.append(str(path))
        return scandir(path)

    monkeypatch.setattr(snapshot.os, "scandir", watched)
    paths = [entry.path for entry in walk(tmp_path)]
    assert len(paths) == 11
    assert len(entered) == 11
    assert not [path for path in entered if "data" in path or ".git" in path]


# The digests are those of azure-ai-ml 1.35.2: get_content_hash(folder, get_ignore_file(folder)).
def test_the_folder_hash_is_azures(tmp_path: Path) -> None:
    _write(tmp_path / "t1", {"train.py": "print(1)\n", "empty.txt": ""})
    _write(tmp_path / "t2", {"B.txt": "b\n", "a.txt": "a\n", "Sub/x.bin": "x", "Sub/deep/Ünï.txt": "deep"})
    (tmp_path / "t2/void").mkdir()
    _write(tmp_path / "t3", {".amlignore": "*.log\ndata/\n!keep.log\n", ".gitignore": "src\n", "a.log": "l"})
    _write(tmp_path / "t3", {"keep.log": "k", "data/big": "d", "src/s.py": "s"})
    _write(tmp_path / "t4", {"real/r.txt": "r", ".gitignore": "__pycache__\n"})
    (tmp_path / "t4/linked").symlink_to("real")
    (tmp_path / "t4/file_link").symlink_to("real/r.txt")
    assert [folder_hash(tmp_path / name) for name in ("t1", "t2", "t3", "t4")] == [
        "3ea92318610c42ea53346ca245403028cd8e720dae6542a018eaa02f5fa25e3f",
        "2c1bd64bf6a7be1927a48dbcf7532954412a1a7ae9e7a043e78155297c050fe3",
        "89b5f9807e7a2ac9ac30459d00bee947311a0909038d1d132e8147bffcf34a32",
        "e778de767cf7d0a69bcd56f4eaaa70c6a280ab36264c75541b50bc20f5d87742",
    ]


def test_links_are_what_they_point_to(tmp_path: Path) -> None:
    _write(tmp_path / "outside", {"lib/l.py": "lib"})
    _write(tmp_path / "code", {"main.py": "m", ".gitignore": "skip/\n"})
    (tmp_path / "code/lib").symlink_to(tmp_path / "outside/lib")
    (tmp_path / "code/skip").symlink_to(tmp_path / "outside/lib")
    (tmp_path / "code/nowhere").symlink_to("not/there")
    (tmp_path / "code/self").symlink_to("self")
    found = {entry.path: (entry.kind, entry.size, entry.target) for entry in walk(tmp_path / "code")}
    assert found == {
        ".gitignore": ("file", 6, ""),
        "main.py": ("file", 1, ""),
        "lib/l.py": ("file", 3, ""),
        "nowhere": ("link", 0, "not/there"),
        "self": ("link", 0, "self"),
    }


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    _write(tmp_path, {"a/f": "x", "b/g": "y"})
    (tmp_path / "a/up").symlink_to("..")
    (tmp_path / "a/b").symlink_to("../b")
    (tmp_path / "b/a").symlink_to("../a")
    skipped: list[str] = []
    paths = {entry.path for entry in walk(tmp_path, skipped=skipped)}
    assert paths == {"a/f", "a/b/g", "b/g", "b/a/f"}
    assert "the link a/up leads back into a folder that holds it; it was left out" in skipped


def test_what_is_no_file_is_left_out_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, {"f": "x"})
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        skipped: list[str] = []
        assert [entry.path for entry in walk(tmp_path, skipped=skipped)] == ["f"]
    assert skipped == [
        "pipe is not a file but a named pipe; it was left out",
        "sock is not a file but a socket; it was left out",
    ]


def test_odd_names_survive(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n'.txt")
    (tmp_path / name).write_text("x")
    assert [entry.path for entry in walk(tmp_path)] == [name]
    assert len(folder_hash(tmp_path)) == 64


def test_deep_folders_need_no_deep_stack(tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(300):
        place = place / "d"
    place.mkdir(parents=True)
    assert [entry.path.count("/") for entry in walk(tmp_path)] == [299]


def test_a_single_file_is_a_tree(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("x")
    assert [(entry.path, entry.size) for entry in walk(tmp_path / "train.py")] == [("train.py", 1)]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        list(walk(tmp_path / "gone"))


def test_what_may_not_be_read_is_named(tmp_path: Path, run_unprivileged: Callable[..., object]) -> None:
    _write(tmp_path, {"code/secret.txt": "x", "outer/closed/f": "x"})
    (tmp_path / "code/secret.txt").chmod(0)
    (tmp_path / "outer/closed").chmod(0)
    for folder, closed in (("code", "code/secret.txt"), ("outer", "outer/closed")):
        error = run_unprivileged(tmp_path, _hash, tmp_path / folder)
        assert error == (AuthError.code, f"no permission to read {tmp_path / closed}")
    (tmp_path / "outer/closed").chmod(0o755)


def _hash(folder: Path) -> None:
    folder_hash(folder)


def _write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
