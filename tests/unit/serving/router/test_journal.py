"""The access log does not grow without end and loses no line to its own turning."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from mlctl.serving.router.journal import Journal


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def test_files_are_turned_over_and_bounded(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "access.log", file_bytes=100, old_files=2)
    for number in range(100):
        journal.write({"n": number})
    journal.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["access.log", "access.log.1", "access.log.2"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    kept = [number for name in reversed(files) for number in numbers(tmp_path / name)]
    assert kept == list(range(kept[0], 100))
    assert stat.S_IMODE((tmp_path / "access.log").stat().st_mode) == 0o600


def test_two_routers_write_one_log_during_a_hand_over(tmp_path: Path) -> None:
    old = Journal(tmp_path / "access.log", file_bytes=200, old_files=9)
    new = Journal(tmp_path / "access.log", file_bytes=200, old_files=9)
    for number in range(40):
        (old, new)[number % 2].write({"n": number})
    old.close()
    new.close()
    assert sorted(number for path in tmp_path.iterdir() for number in numbers(path)) == list(range(40))


def test_a_disk_that_takes_nothing_costs_lines_and_no_requests() -> None:
    journal = Journal(Path("/dev/full"))
    journal.write({"n": 1})
    assert journal.lost == 1
    journal.close()


def test_a_log_that_cannot_be_opened_anew_goes_on_in_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "access.log", file_bytes=20)
    journal.write({"n": 1})

    def none_left(*_: object) -> int:
        raise OSError(24, "too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", none_left)
        journal.write({"n": 2, "long": "x" * 20})
    assert journal.lost == 1
    journal.write({"n": 3})
    journal.close()
    assert [number for path in sorted(tmp_path.iterdir()) for number in numbers(path)] == [1, 3]
