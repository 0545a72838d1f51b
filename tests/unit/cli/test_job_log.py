"""Labels of ranks in a merged log."""

from __future__ import annotations

from mlctl.backends.base import LogChunk
from mlctl.cli.job_log import _Labels


def test_each_line_of_a_rank_is_labelled_once_however_it_is_cut() -> None:
    labels = _Labels()
    source = "user_logs/std_log_process_01.txt"
    pieces = [b"one\n10%\r20%\nlong", b" long", b" end\nnext\n"]
    put = b"".join(labels.put(LogChunk(source, 0, piece)) for piece in pieces)
    assert put == b"[rank 1] one\n[rank 1] 10%\r20%\n[rank 1] long long end\n[rank 1] next\n"


def test_the_log_of_a_single_process_stays_as_it_is() -> None:
    assert _Labels().put(LogChunk("user_logs/std_log.txt", 0, b"a\nb")) == b"a\nb"
