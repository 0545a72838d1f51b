"""Build contexts: what is sent, and that the same content gives the same digest."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from mlctl.errors import NotFoundError
from mlctl.images.context import (
    context_digest,
    context_files,
    ignore_rules,
    mirror_dockerfile,
    write_files_tar,
    write_tar,
)


def _context(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"Dockerfile": "FROM scratch\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def _digest(folder: Path, dockerfile: str = "Dockerfile", **more: object) -> str:
    return write_tar(folder, context_files(folder, dockerfile), io.BytesIO(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "path", "ignored"),
    [
        ("*.log", "a.log", True),
        ("*.log", "d/a.log", False),
        ("**/*.log", "a.log", True),
        ("**/*.log", "d/e/a.log", True),
        ("d", "d/e/a.log", True),
        ("/d/", "d", True),
        ("d/*", "d", False),
        ("d/*", "d/e/f", True),
        ("# d\n\n", "d", False),
        ("*\n!keep", "keep", False),
        ("*\n!keep", "other", True),
        ("!keep\n*", "keep", True),
        ("d\n!d/keep", "d/keep/x", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "b.txt", True),
        ("[^ab].txt", "b.txt", False),
        (r"\*.txt", "x.txt", False),
        (r"\*.txt", "*.txt", True),
        (".", "x", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
    ],
)
def test_ignore_rules(rules: str, path: str, ignored: bool) -> None:
    assert ignore_rules(rules)(path) is ignored


def test_ignored_files_stay_here_but_the_dockerfile_goes(tmp_path: Path) -> None:
    _context(tmp_path, {"a": "1", "big/x": "2", "big/keep": "3", ".dockerignore": "*\n!a\n!big/keep\n"})
    assert context_files(tmp_path, "Dockerfile") == [".dockerignore", "Dockerfile", "a", "big/keep"]


def test_a_folder_that_is_left_out_is_not_entered(tmp_path: Path) -> None:
    _context(tmp_path, {".dockerignore": "closed\n", "a": ""})
    (tmp_path / "closed").mkdir(mode=0)
    assert "closed" not in context_files(tmp_path, "Dockerfile")


def test_digest_depends_on_content_and_nothing_else(tmp_path: Path) -> None:
    folder = _context(tmp_path, {"a": "1", "d/b": "2"})
    first = _digest(folder)
    os.utime(folder / "a", (1, 1))
    assert _digest(folder) == first
    (folder / "a").chmod(0o755)
    executable = _digest(folder)
    (folder / "a").write_text("2")
    assert len({first, executable, _digest(folder), _digest(folder, salt="other")}) == 4


def test_the_digest_of_a_context_is_that_of_its_tar_and_not_of_what_is_ignored(tmp_path: Path) -> None:
    folder = _context(tmp_path, {"a": "1", ".dockerignore": "b\n"})
    assert context_digest(folder, "Dockerfile") == _digest(folder, salt="Dockerfile")
    before = context_digest(folder, "Dockerfile")
    (folder / "b").write_text("ignored")
    assert context_digest(folder, "Dockerfile") == before
    (folder / "a").write_text("2")
    assert context_digest(folder, "Dockerfile") != before


def test_links_are_sent_as_links_and_hard_links_as_files(tmp_path: Path) -> None:
    folder = _context(tmp_path, {"a": "text"})
    (folder / "soft").symlink_to("a")
    (folder / "away").symlink_to("/etc")
    os.link(folder / "a", folder / "hard")
    with socket.socket(socket.AF_UNIX) as bound:
        old = Path.cwd()
        os.chdir(folder)  # the path of a socket is short
        bound.bind("sock")
        os.chdir(old)
        data = io.BytesIO()
        write_tar(folder, context_files(folder, "Dockerfile"), data, replaced={"Dockerfile": b"FROM other\n"})
    data.seek(0)
    with tarfile.open(fileobj=data) as tar:
        assert sorted(tar.getnames()) == ["Dockerfile", "a", "away", "hard", "soft"]
        assert tar.getmember("soft").issym()
        assert tar.getmember("away").linkname == "/etc"
        assert tar.extractfile("hard").read() == b"text"  # type: ignore[union-attr]
        assert tar.extractfile("Dockerfile").read() == b"FROM other\n"  # type: ignore[union-attr]
        assert {member.uid for member in tar} == {0}


def test_missing_folder_and_dockerfile_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"environment\.build\.path"):
        context_files(tmp_path / "gone", "Dockerfile")
    with pytest.raises(NotFoundError, match="no file docker/Dockerfile in"):
        context_files(tmp_path, "docker/Dockerfile")


def test_files_in_memory_make_a_readable_tar() -> None:
    data = io.BytesIO()
    write_files_tar({"b": b"2", "a": b"1"}, data)
    data.seek(0)
    with tarfile.open(fileobj=data) as tar:
        assert tar.getnames() == ["a", "b"]
        assert tar.getmember("a").mode == 0o644


def test_from_lines_go_through_mirrors_but_stages_do_not() -> None:
    text = (
        "ARG V=1\nFROM --platform=linux/amd64 python:3.11 AS Build\nRUN FROM x\n"
        "from build\nFROM scratch\nFROM x:$V\nFROM alpine # no comment\nFROM last"
    )
    changed = mirror_dockerfile(text, lambda name: f"m/{name}")
    assert changed.splitlines() == [
        "ARG V=1",
        "FROM --platform=linux/amd64 m/python:3.11 AS Build",
        "RUN FROM x",
        "from build",
        "FROM scratch",
        "FROM x:$V",
        "FROM m/alpine # no comment",
        "FROM m/last",
    ]
