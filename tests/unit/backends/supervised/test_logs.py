"""Reading a log that grows: nothing lost, nothing twice, in order."""

from __future__ import annotations

import threading
from pathlib import Path

from mlctl.backends.base import LogCursor
from mlctl.backends.supervised.logs import read_log, sources

LOG = "user_logs/std_log.txt"


def artifacts(folder: Path, data: bytes = b"") -> Path:
    (folder / "user_logs").mkdir()
    (folder / LOG).write_bytes(data)
    return folder


def test_whole_log_of_a_finished_job_keeps_bytes_as_they_are(tmp_path: Path) -> None:
    data = b"one\n\xff\xfe\nlast without end"
    chunks = list(read_log(artifacts(tmp_path, data), ended=lambda: True))
    assert b"".join(chunk.data for chunk in chunks) == data
    assert chunks[0].first_line == 0


def test_follow_ends_with_the_job_and_takes_what_was_written_last(tmp_path: Path) -> None:
    root = artifacts(tmp_path, b"first\n")
    answers = iter([False, False, True])

    def ended() -> bool:
        answer = next(answers)
        with (root / LOG).open("ab") as log:
            log.write(b"before asking\n")
        return answer

    data = b"".join(chunk.data for chunk in read_log(root, ended=ended, follow=True))
    assert data == b"first\n" + b"before asking\n" * 3


def test_a_line_is_handed_out_when_it_is_whole(tmp_path: Path) -> None:
    root = artifacts(tmp_path, b"half")
    steps = iter([False, True])

    def ended() -> bool:
        answer = next(steps)
        if answer:
            with (root / LOG).open("ab") as log:
                log.write(b" and half\n")
        return answer

    chunks = list(read_log(root, ended=ended, follow=True))
    assert [chunk.data for chunk in chunks] == [b"half and half\n"]


def test_since_leaves_out_lines_across_blocks(tmp_path: Path) -> None:
    lines = [b"%07d\n" % number for number in range(400_000)]  # 3.2 MB: several blocks
    root = artifacts(tmp_path, b"".join(lines))
    for taken in (0, 1, 131_072, 399_999, 400_000, 500_000):
        chunks = list(read_log(root, ended=lambda: True, since=LogCursor({LOG: taken})))
        assert b"".join(chunk.data for chunk in chunks) == b"".join(lines[taken:])
        if taken < len(lines):
            assert chunks[0].first_line == taken


def test_a_line_longer_than_a_block_comes_through(tmp_path: Path) -> None:
    data = b"x" * (3 << 20) + b"\nnext\n"
    chunks = list(read_log(artifacts(tmp_path, data), ended=lambda: True))
    assert b"".join(chunk.data for chunk in chunks) == data


def test_five_readers_in_a_row_see_each_line_once(tmp_path: Path) -> None:
    root = artifacts(tmp_path)
    total = 50_000
    done = threading.Event()

    def write() -> None:
        with (root / LOG).open("ab", buffering=0) as log:
            for start in range(0, total, 100):
                log.write(b"".join(b"line %d\n" % number for number in range(start, start + 100)))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[bytes] = []
    for reader in range(5):
        for chunk in read_log(root, ended=done.is_set, follow=True, since=LogCursor({LOG: len(seen)})):
            seen += chunk.data.splitlines()
            if reader < 4 and len(seen) > total * (reader + 1) // 5:
                break
    writer.join()
    assert seen == [b"line %d" % number for number in range(total)]


def test_build_log_first_then_ranks_in_order(tmp_path: Path) -> None:
    ranks = ("user_logs/std_log_process_01.txt", "user_logs/std_log_process_00.txt")
    for name in (*ranks, "azureml-logs/20_image_build_log.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sources(tmp_path) == [
        "azureml-logs/20_image_build_log.txt",
        "user_logs/std_log_process_00.txt",
        "user_logs/std_log_process_01.txt",
    ]
    assert sources(tmp_path, rank=1) == ["user_logs/std_log_process_01.txt"]
