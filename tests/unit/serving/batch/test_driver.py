"""The driver with real workers: retries, hangs, deaths, thresholds, results that are too few."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Run(NamedTuple):
    code: int
    log: str
    rows: list[str]
    summary: dict[str, Any]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for number in range(6):
        (tmp_path / "in" / f"{number}.txt").write_text(str(number))
    return tmp_path


def drive(folder: Path, script: str, *words: str) -> Run:
    """Score the folder `in` with a script, whose `run` gets `names` from this preamble."""
    preamble = "import os, time, sys\ndef init(): pass\ndef names(files): return [os.path.basename(f) for f in files]\n"
    (folder / "score.py").write_text(preamble + script)
    output = folder / "out"
    done = subprocess.run(
        [sys.executable, "-m", "mlctl.serving.batch", "--script", "score.py", "--input", "in", "--output", "out",
         "--journal", "journal", *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip
    found = output / "predictions.csv"
    summary = folder / "journal" / "summary.json"
    return Run(
        done.returncode,
        done.stdout,
        found.read_text().splitlines() if found.exists() else [],
        json.loads(summary.read_text()) if summary.exists() else {},
    )


ALL = [f"{number}.txt" for number in range(6)]


def test_the_order_is_that_of_the_input_whoever_is_first(data: Path) -> None:
    script = "def run(files):\n    time.sleep(0.3 if '0.txt' in names(files) else 0)\n    return names(files)\n"
    done = drive(data, script, "--workers", "3", "--mini-batch-size", "1")
    assert (done.code, done.rows) == (0, ALL)
    assert done.summary["scored"] == 6
    assert not (data / "journal/journal.jsonl").exists()


def test_what_fails_once_is_tried_again(data: Path) -> None:
    script = """
def run(files):
    mark = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "tried")
    if "2.txt" in names(files) and not os.path.exists(mark):
        open(mark, "w").close()
        raise ValueError("not yet")
    return names(files)
"""
    done = drive(data, script, "--mini-batch-size", "2", "--max-retries", "1")
    assert (done.code, done.rows, done.summary["retries"], done.summary["failed"]) == (0, ALL, 1, 0)
    assert "ValueError: not yet" in done.log


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("time.sleep(60)", "run() did not end within the timeout"),
        ("os.kill(os.getpid(), 9)", "its worker was ended by SIGKILL"),
        ("os._exit(3)", "its worker ended with exit code 3"),
        ("sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_worker_that_hangs_or_dies_is_replaced(data: Path, deed: str, reason: str) -> None:
    script = f"def run(files):\n    if '2.txt' in names(files):\n        {deed}\n    return names(files)\n"
    done = drive(data, script, "--mini-batch-size", "2", "--max-retries", "1", "--timeout", "1")
    assert done.code == 0, done.log
    assert done.rows == ["0.txt", "1.txt", "4.txt", "5.txt"]
    assert done.summary["failed"] == 2
    assert {one["file"] for one in done.summary["failures"]} == {"2.txt", "3.txt"}
    assert reason in done.log
    # what failed can be tried again
    assert (data / "journal/journal.jsonl").exists()


def test_a_child_of_a_script_does_not_keep_a_dead_worker_alive(data: Path) -> None:
    script = "def run(files):\n    if os.fork() == 0:\n        time.sleep(30)\n    os._exit(1)\n"
    done = drive(data, script, "--max-retries", "0", "--workers", "2")
    assert done.code == 1
    assert "no file was scored" in done.log


@pytest.mark.parametrize(("threshold", "code"), [(-1, 0), (2, 0), (1, 1), (0, 1)])
def test_the_threshold_counts_files(data: Path, threshold: int, code: int) -> None:
    script = "def run(files):\n    assert '0.txt' not in names(files)\n    return names(files)\n"
    words = ("--mini-batch-size", "2", "--max-retries", "0", "--error-threshold", str(threshold))
    done = drive(data, script, *words)
    assert done.code == code
    if code:
        assert done.log.splitlines()[-1].startswith("batch scoring failed: 2 files failed, more than error_threshold")
        assert done.rows == []
    else:
        assert done.rows == ALL[2:]


def test_too_few_results_are_files_that_failed(data: Path) -> None:
    done = drive(data, "def run(files):\n    return names(files)[:1]\n", "--mini-batch-size", "3")
    assert (done.rows, done.summary["failed"]) == (["0.txt", "3.txt"], 4)


def test_summary_only_writes_no_rows_and_the_script_writes_files(data: Path) -> None:
    script = """
def run(files):
    for name in names(files):
        open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], name), "w").close()
    return names(files)
"""
    done = drive(data, script, "--output-action", "summary_only")
    assert (done.code, sorted(path.name for path in (data / "out").iterdir())) == (0, ALL)
    # and what it wrote belongs to the result of the job that goes on
    resumed = drive(data, script, "--resume-output", "out", "--output", "later", "--output-action", "summary_only")
    assert resumed.code == 0
    assert sorted(path.name for path in (data / "later").iterdir()) == ALL


def test_what_the_script_prints_is_log_and_no_protocol(data: Path) -> None:
    script = "def run(files):\n    print('{\"count\": 99}')\n    os.write(1, b'raw')\n    return names(files)\n"
    done = drive(data, script)
    assert done.rows == ALL
    assert '{"count": 99}' in done.log


def test_an_init_that_fails_fails_the_job_at_once(data: Path) -> None:
    done = drive(data, "def init():\n    raise RuntimeError('no model')\ndef run(files): return files\n")
    assert done.code == 1
    assert (
        done.log.strip().splitlines()[-1] == "batch scoring failed: the script does not start: RuntimeError: no model"
    )


def test_workers_that_die_in_init_are_not_started_for_ever(data: Path) -> None:
    done = drive(data, "def init():\n    os.kill(os.getpid(), 9)\ndef run(files): return files\n", "--max-retries", "2")
    assert done.code == 1
    assert "3 workers died one after the other in init()" in done.log
