"""Which files an input has, in which order, and how they are cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.serving.batch.items import InputError, Item, cut, list_items, table_paths


def names(place: Path, kind: str = "uri_folder") -> list[str]:
    return [item.name for item in list_items(str(place), kind)]


def items(count: int) -> list[Item]:
    return [Item(f"{number:02}", f"/in/{number:02}", 1) for number in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv", "c.txt", "deep/x.csv", "deep/er/y.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_folder_is_read_with_its_folders_sorted(folder: Path) -> None:
    assert names(folder) == ["a.csv", "b.csv", "c.txt", "deep/er/y.csv", "deep/x.csv"]
    found = list_items(str(folder), "uri_folder")[4]
    assert found == Item("deep/x.csv", str(folder / "deep/x.csv"), 10)


def test_a_file_is_an_input_of_one(folder: Path) -> None:
    assert names(folder / "a.csv", "uri_file") == ["a.csv"]


def test_what_is_no_input(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="holds no file"):
        list_items(str(folder / "empty"), "uri_folder")
    with pytest.raises(InputError, match="there is no input"):
        list_items(str(folder / "gone"), "uri_folder")


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("  - file: ./a.csv\n  - file: b.csv", ["a.csv", "b.csv"]),
        ("  - pattern: ./*.csv", ["a.csv", "b.csv"]),
        ("  - pattern: '**/*.csv'", ["a.csv", "b.csv", "deep/er/y.csv", "deep/x.csv"]),
        ("  - folder: ./deep\n  - file: a.csv  # again\n  - pattern: a*", ["a.csv", "deep/er/y.csv", "deep/x.csv"]),
        ("- folder: .", ["a.csv", "b.csv", "c.txt", "deep/er/y.csv", "deep/x.csv"]),
    ],
)
def test_a_table_names_its_files(folder: Path, paths: str, expected: list[str]) -> None:
    (folder / "MLTable").write_text(f"type: mltable\npaths:\n{paths}\ntransformations:\n  - read_delimited:\n")
    assert names(folder, "mltable") == expected


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ("  - file: ../secret", "not inside"),
        ("  - file: /etc/passwd", "not inside"),
        ("  - file: https://example.org/a", "not inside"),
        ("  - file: gone.csv", "there is no file"),
        ("  - folder: a.csv", "there is no folder"),
        ("  - what: a.csv", "MLTable:2"),
        ("", "no paths"),
    ],
)
def test_a_table_that_cannot_be_read(folder: Path, paths: str, message: str) -> None:
    (folder / "MLTable").write_text(f"paths:\n{paths}\n")
    with pytest.raises(InputError, match=message):
        list_items(str(folder), "mltable")


def test_paths_of_a_table_stand_in_lines_of_their_own() -> None:
    assert table_paths("paths:\n  # all\n  - file: a b.csv\n") == [("file", "a b.csv")]
    with pytest.raises(InputError, match="one path in a line"):
        table_paths("paths: [{file: a.csv}]")


def test_mini_batches_are_neighbours() -> None:
    batches = list(cut(items(7), 3))
    assert [(batch.position, len(batch.items)) for batch in batches] == [(0, 3), (3, 3), (6, 1)]


def test_what_is_done_is_left_out_and_parts_its_neighbours() -> None:
    done = [False, True, False, False, False, True, True]
    batches = list(cut(items(7), 2, done))
    assert [[item.name for item in batch.items] for batch in batches] == [["00"], ["02", "03"], ["04"]]
    assert list(cut(items(7), 2, [True] * 7)) == []
