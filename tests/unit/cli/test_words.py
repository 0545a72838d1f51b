"""az's way of reading words."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from mlctl.cli.words import FLAG, LIST, UPDATE, VALUE, Option, rewrite
from mlctl.errors import UsageError

OPTIONS = (
    Option(("--name", "-n"), VALUE, reads_files=True),
    Option(("--endpoint-name", "-e"), VALUE),
    Option(("--output", "-o", "--out"), VALUE),
    Option(("--set",), LIST, reads_files=True),
    Option(("--tags",), LIST),
    Option(("--yes", "-y"), FLAG),
    Option(("--web", "-w"), FLAG),
    Option(("--all-results",), FLAG),
    Option(("--all",), FLAG),
)
UPDATES = (Option(("--set", "--add", "--remove"), UPDATE), Option(("--yes",), FLAG))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--name x", ["--name=x"]),
        ("--name=x=y", ["--name=x=y"]),
        ("-n x", ["--name=x"]),
        ("-nx", ["--name=x"]),
        ("-n=x", ["--name=x"]),
        ("--endpoint x", ["--endpoint-name=x"]),
        ("--out tsv", ["--output=tsv"]),
        ("--outp tsv", ["--output=tsv"]),
        ("--set a=1 b=2 -y", ["--set=a=1", "--set=b=2", "--yes"]),
        ("--set a=1 --set b=2", ["--set=a=1", "--set=b=2"]),
        ("--set a=-1 -5 --tags x", ["--set=a=-1", "--set=-5", "--tags=x"]),
        ("--set=a=1 b=2", ["--set=a=1", "--set=b=2"]),
        ("-yw", ["--yes", "--web"]),
        ("-yo json", ["--yes", "--output=json"]),
        ("--all-results true", ["--all-results"]),
        ("--all-results false", []),
        ("--all-results --all-results=false", []),
        ("--all", ["--all"]),
        ("key=value --name x other", ["key=value", "--name=x", "other"]),
        ("-n x -- --name y", ["--name=x", "--", "--name", "y"]),
        ("-n -5", ["--name=-5"]),
    ],
)
def test_rewrite(words: str, expected: list[str]) -> None:
    assert rewrite(words.split(), OPTIONS) == expected


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("--al", "--al could be any of --all, --all-results", "letters"),
        ("--nmae x", "no such option: --nmae", "--name"),
        ("-z", "no such option: -z", ""),
        ("--name", "--name needs a value", ""),
        ("--name --yes", "--name needs a value, but --yes follows", "--name=--yes"),
        ("--set", "--set needs a value", ""),
        ("--yes=perhaps", "--yes is a flag", "--yes"),
    ],
)
def test_wrong_words(words: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        rewrite(words.split(), OPTIONS)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_text_options_read_files_and_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "name.txt").write_text("from-file\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("from-stdin\n"))
    assert rewrite(["-n", "@name.txt"], OPTIONS) == ["--name=from-file"]
    assert rewrite(["-n", "@-"], OPTIONS) == ["--name=from-stdin"]
    assert rewrite(["-n", "@missing"], OPTIONS) == ["--name=@missing"]
    assert rewrite(["-e", "@name.txt"], OPTIONS) == ["--endpoint-name=@name.txt"]


def test_a_file_that_is_no_text_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UsageError, match="--name: cannot read"):
        rewrite(["-n", f"@{tmp_path / 'binary'}"], OPTIONS)


def test_update_operations_keep_their_order_and_groups() -> None:
    words = rewrite("--set a=1 b=2 --add c x=1 y=2 --rem d 0 --add c z".split(), UPDATES)
    assert [json.loads(word.removeprefix("--set=")) for word in words] == [
        ["set", "a=1", "b=2"],
        ["add", "c", "x=1", "y=2"],
        ["remove", "d", "0"],
        ["add", "c", "z"],
    ]
