"""How the ends of processes become the end of a job."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from mlctl.backends.supervised.runner import Exit, Launch
from mlctl.backends.supervised.verdict import judge, last_lines, refusal
from mlctl.errors import InvalidSpecError


def launch(folder: Path, rank: int = 0, *, log: str = "", essential: bool = True) -> Launch:
    path = folder / f"{rank}.txt"
    path.write_text(log)
    return Launch(rank, "command", {}, path, folder, essential)


def test_all_zero_is_completed(tmp_path: Path) -> None:
    verdict = judge([launch(tmp_path)], [Exit(0, 0)], "done", None)
    assert (verdict.status, verdict.exit_code, verdict.error) == ("Completed", 0, None)


def test_the_first_rank_that_failed_is_named_with_its_last_lines(tmp_path: Path) -> None:
    planned = [launch(tmp_path, 0, log="stopped\n"), launch(tmp_path, 1, log="Traceback\nValueError: no\n")]
    verdict = judge(planned, [Exit(1, 3), Exit(0, 143)], "failure", None)
    assert verdict.status == "Failed"
    assert verdict.exit_code == 3
    assert verdict.error is not None
    assert verdict.error["rank"] == 1
    assert verdict.error["last_lines"] == ["Traceback", "ValueError: no"]
    assert verdict.error["message"] == "rank 1 of 2 ended with exit code 3"


@pytest.mark.parametrize(
    ("code", "log", "message"),
    [
        (127, "/bin/bash: line 1: frobnicate: command not found\n", "frobnicate: command not found"),
        (127, "sh: 1: frobnicate: not found\n", "frobnicate: command not found"),
        (127, "", "a command: command not found"),
        (126, "", "cannot be executed"),
        (137, "", "was ended by signal SIGKILL"),
        (1, "", "ended with exit code 1"),
        (None, "", "ended in an unknown way"),
    ],
)
def test_what_an_exit_code_means(tmp_path: Path, code: int | None, log: str, message: str) -> None:
    verdict = judge([launch(tmp_path, log=log)], [Exit(0, code)], "failure" if code else None, None)
    assert verdict.status == "Failed"
    assert message in (verdict.error or {})["message"]


def test_a_script_that_sets_another_experiment_gets_the_way_out(tmp_path: Path) -> None:
    said = "MlflowException: Cannot start run with ID a because active run ID does not match environment run ID.\n"
    verdict = judge([launch(tmp_path, log=said)], [Exit(0, 1)], "failure", None)
    assert "experiment_name" in (verdict.error or {})["hint"]


def test_a_reason_of_the_back_end_is_the_code(tmp_path: Path) -> None:
    found = Exit(0, 137, "OutOfMemory", "the container ran out of memory (64 MB)")
    verdict = judge([launch(tmp_path)], [found], "failure", None)
    assert verdict.error == {"code": "OutOfMemory", "last_lines": [], "message": found.message}


def test_cancel_and_timeout_are_canceled(tmp_path: Path) -> None:
    assert judge([launch(tmp_path)], [Exit(0, 143)], "cancel", None).status == "Canceled"
    verdict = judge([launch(tmp_path)], [Exit(0, 143)], "timeout", 5)
    assert verdict.status == "Canceled"
    assert (verdict.error or {})["code"] == "TimeoutExceeded"
    assert "5 s" in (verdict.error or {})["message"]


def test_helpers_that_are_stopped_after_the_workers_do_not_fail_the_job(tmp_path: Path) -> None:
    planned = [launch(tmp_path, 0), launch(tmp_path, 1, essential=False)]
    assert judge(planned, [Exit(0, 0), Exit(1, 143)], "done", None).status == "Completed"


def test_last_lines_of_a_large_file_with_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"line\n" * 200_000 + b"\xff end\n")
    assert last_lines(path, 2) == ["line", "\\xff end"]
    assert last_lines(tmp_path / "missing", 2) == []


def test_a_refusal_keeps_code_and_hint() -> None:
    verdict = refusal(InvalidSpecError("no such package", hint="look again"))
    assert verdict.error == {"code": "invalid_spec", "message": "no such package", "hint": "look again"}
    assert "no space left" in (refusal(OSError(errno.ENOSPC, "full")).error or {})["message"]


@pytest.mark.parametrize("before", ["", "half a line of the script"])
def test_a_scoring_job_says_itself_why_it_failed(tmp_path: Path, before: str) -> None:
    log = f"1 of 9 files scored\n{before}batch scoring failed: 3 files failed\n"
    error = judge([launch(tmp_path, log=log)], [Exit(0, 1)], "failure", None).error or {}
    assert (error["code"], error["message"]) == ("BatchScoringFailed", "batch scoring failed: 3 files failed")
