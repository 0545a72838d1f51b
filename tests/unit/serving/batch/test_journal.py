"""The journal survives whatever a kill leaves, and gives back its texts in the order of the input."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.serving.batch.items import Item, MiniBatch, cut
from mlctl.serving.batch.journal import Journal, decode, encode, read_records, write_whole


def items(count: int) -> list[Item]:
    return [Item(f"{number:02}", f"/in/{number:02}", 1) for number in range(count)]


def batch(position: int, count: int = 2) -> MiniBatch:
    return MiniBatch(position, items(position + count)[position:])


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(str(tmp_path / "first"))


def test_texts_come_in_the_order_of_the_input(journal: Journal) -> None:
    for position in (4, 0, 2):
        journal.add(batch(position), 2, f"text of {position}\n")
    assert list(journal.texts()) == ["text of 0\n", "text of 2\n", "text of 4\n"]
    assert (journal.scored, journal.rows) == (6, 6)


@pytest.mark.parametrize("kept", [0, 1, 8, 20])
def test_half_a_line_does_not_count(journal: Journal, tmp_path: Path, kept: int) -> None:
    journal.add(batch(0), 2, "whole\n")
    line = encode({"files": [["02", 1], ["03", 1]], "count": 2, "text": "half\n"})
    with Path(journal.path).open("ab") as stream:
        stream.write(line[:kept])
    later = Journal(str(tmp_path / "second"))
    assert later.take_over(journal.folder, items(4)) == [True, True, False, False]
    assert list(later.texts()) == ["whole\n"]


def test_a_line_that_was_changed_does_not_count() -> None:
    line = encode({"files": [], "count": 0, "text": "näme\n"})
    assert decode(line) == {"files": [], "count": 0, "text": "näme\n"}
    assert decode(line.replace(b"count", b"Count")) is None
    assert decode(line[:-1]) is None


def test_no_file_is_taken_twice(journal: Journal, tmp_path: Path) -> None:
    journal.add(batch(0), 2, "first\n")
    journal.add(batch(1), 2, "overlaps\n")
    later = Journal(str(tmp_path / "second"))
    assert later.take_over(journal.folder, items(3)) == [True, True, False]
    assert list(later.texts()) == ["first\n"]


def test_a_file_that_is_gone_or_changed_is_scored_anew(journal: Journal, tmp_path: Path) -> None:
    for position in (0, 2, 4):
        journal.add(batch(position), 2, f"{position}\n")
    now = items(6)
    now[2] = now[2]._replace(size=9)
    del now[5]
    later = Journal(str(tmp_path / "second"))
    done = later.take_over(journal.folder, now)
    assert done == [True, True, False, False, False]
    assert [[item.name for item in found.items] for found in cut(now, 10, done)] == [["02", "03", "04"]]


def test_what_was_taken_over_can_be_taken_over_again(journal: Journal, tmp_path: Path) -> None:
    journal.add(batch(0), 2, "0\n")
    second, third = Journal(str(tmp_path / "second")), Journal(str(tmp_path / "third"))
    second.take_over(journal.folder, items(4))
    second.add(batch(2), 2, "2\n")
    assert all(third.take_over(second.folder, items(4)))
    assert list(third.texts()) == ["0\n", "2\n"]
    assert list(read_records(str(tmp_path / "none"))) == []


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    write_whole(str(path), iter(["a\n", "b\n"]))
    assert path.read_text() == "a\nb\n"

    def breaks() -> object:
        yield "c\n"
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        write_whole(str(path), breaks())  # type: ignore[arg-type]
    assert path.read_text() == "a\nb\n"
