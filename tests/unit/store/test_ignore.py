from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlctl.store.ignore import parse_ignore_rules, read_ignore_rules
from mlctl.store.snapshot import walk

# pattern, path, is_folder, whether it is ignored. Each row was checked against git 2.39.
CASES = [
    ("*.log", "a.log", False, True),
    ("*.log", "deep/down/a.log", False, True),
    ("*.log", "a.logs", False, False),
    ("data/", "data", True, True),
    ("data/", "data", False, False),
    ("data/", "deep/data", True, True),
    ("/data", "data", False, True),
    ("/data", "deep/data", True, False),
    ("deep/data", "deep/data", True, True),
    ("deep/data", "more/deep/data", True, False),
    ("**/data", "deep/down/data", True, True),
    ("**/data", "data", True, True),
    ("deep/**", "deep", True, False),
    ("deep/**", "deep/a/b", False, True),
    ("a/**/b", "a/b", False, True),
    ("a/**/b", "a/x/y/b", False, True),
    ("a**b", "a/b", False, False),
    ("a/*", "a/b", False, True),
    ("a/*", "a/b/c", False, False),
    ("f?o", "foo", False, True),
    ("x/f?o", "x/f/o", False, False),
    ("[ab].txt", "b.txt", False, True),
    ("[!ab].txt", "b.txt", False, False),
    ("[^ab].txt", "c.txt", False, True),
    ("[a-c]x", "bx", False, True),
    ("[]a]x", "]x", False, True),
    ("[a-]x", "-x", False, True),
    ("[[:digit:]]x", "7x", False, True),
    ("[[:nonsense:]]x", "7x", False, False),
    ("[abc", "[abc", False, False),
    ("x[a/b]y", "x/y", False, False),
    ("# note", "# note", False, False),
    ("\\#note", "#note", False, True),
    ("\\!important", "!important", False, True),
    ("trail   ", "trail", False, True),
    ("trail\\ ", "trail ", False, True),
    ("crlf\r", "crlf", False, True),
    ("ends\\", "ends", False, False),
    ("/", "a", False, False),
    ("", "a", False, False),
    ("star\\*", "star*", False, True),
    ("star\\*", "starry", False, False),
]


@pytest.mark.parametrize(("pattern", "path", "is_folder", "ignored"), CASES)
def test_patterns_mean_what_they_mean_to_git(pattern: str, path: str, is_folder: bool, ignored: bool) -> None:
    assert parse_ignore_rules([pattern]).ignores(path, is_folder=is_folder) is ignored


@pytest.mark.parametrize(
    ("lines", "ignored"),
    [
        (["*.log", "!keep.log"], False),
        (["!keep.log", "*.log"], True),
        (["*.log", "!keep.log", "keep*"], True),
        (["*", "!*.log", "#*", ""], False),
    ],
)
def test_the_last_pattern_that_matches_decides(lines: list[str], ignored: bool) -> None:
    assert parse_ignore_rules(lines).ignores("keep.log", is_folder=False) is ignored


def test_amlignore_stands_in_for_gitignore(tmp_path: Path) -> None:
    assert read_ignore_rules(tmp_path).source is None
    (tmp_path / ".gitignore").write_text("a\n")
    assert read_ignore_rules(tmp_path).source == ".gitignore"
    (tmp_path / ".amlignore").write_bytes(b"\xef\xbb\xbfb\n\xff\n")
    rules = read_ignore_rules(tmp_path)
    assert rules.source == ".amlignore"
    assert not rules.ignores("a", is_folder=False)
    assert rules.ignores("b", is_folder=False)
    assert rules.ignores(os.fsdecode(b"\xff"), is_folder=False)


def test_a_walk_finds_what_git_finds(tmp_path: Path) -> None:
    lines = [
        "*.pyc",
        "/build",
        "data/*",
        "!data/keep",
        "**/tmp/",
        "doc/**/draft",
        "[Nn]otes",
        "!sub/x.pyc",
        "logs/",
        "!logs/a",
    ]
    paths = ["a.py", "a.pyc", "sub/x.pyc", "sub/build/b", "build/b", "data/keep", "data/big", "data/sub/keep", "tmp/t"]
    paths += [
        "x/tmp/t",
        "doc/draft",
        "doc/a/b/draft",
        "notes",
        "x/Notes/n",
        "logs/a",
        "x/logs",
        "späße.txt",
        "odd name ",
    ]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / ".gitignore").write_text("\n".join(lines))
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    command = ["git", "-C", str(tmp_path), "ls-files", "-z", "--others", "--exclude-from=.gitignore"]
    listed = subprocess.run(command, check=True, capture_output=True).stdout
    assert {entry.path for entry in walk(tmp_path) if entry.kind == "file"} == set(os.fsdecode(listed).split("\0")) - {
        ""
    }
