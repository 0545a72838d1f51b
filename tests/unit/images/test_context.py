"""Build contexts: which files are sent, and mirrors in Dockerfiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.errors import NotFoundError
from mlctl.images.context import context_digest, context_files, ignore_rules, mirror_dockerfile


def _context(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"Dockerfile": "FROM scratch\n", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


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


def test_the_digest_of_a_context_is_not_that_of_what_is_ignored(tmp_path: Path) -> None:
    folder = _context(tmp_path, {"a": "1", ".dockerignore": "b\n"})
    before = context_digest(folder, "Dockerfile")
    (folder / "b").write_text("ignored")
    assert context_digest(folder, "Dockerfile") == before
    (folder / "a").write_text("2")
    assert context_digest(folder, "Dockerfile") != before


def test_missing_folder_and_dockerfile_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"environment\.build\.path"):
        context_files(tmp_path / "gone", "Dockerfile")
    with pytest.raises(NotFoundError, match="no file docker/Dockerfile in"):
        context_files(tmp_path, "docker/Dockerfile")


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
