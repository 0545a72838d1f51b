"""Processes of one job, without a supervisor and without building an environment."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlctl import settings
from mlctl.backends.local.runner import LocalRunner
from mlctl.backends.supervised.runner import Exit, Launch, Run, Wakeup


class Job:
    """A runner on a folder of its own."""

    def __init__(self, folder: Path, variables: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.wakeup = Wakeup()
        known = settings.load(overrides={"home": str(folder / "home")}, environ={}, cwd=folder)
        payload: dict[str, Any] = {"environment": {}}
        run = Run("j", payload, folder, folder / "cache", known, self.wakeup, {"mounts": []})
        self.runner = LocalRunner(run)
        self.runner._variables = {"PATH": "/usr/bin:/bin", **(variables or {})}

    def start(self, command: str, rank: int = 0, **variables: str) -> None:
        marked = {"MLCTL_JOB_FOLDER": str(self.folder), **variables}
        self.runner.start(Launch(rank, command, marked, self.log(rank), self.folder))

    def log(self, rank: int = 0) -> Path:
        return self.folder / f"log-{rank}.txt"

    def wait(self, count: int = 1) -> list[Exit]:
        """The next exits; the runner must wake whoever sleeps."""
        found: list[Exit] = []
        until = time.monotonic() + 20
        while len(found) < count:
            assert time.monotonic() < until
            self.wakeup.wait(5)
            found += self.runner.collect()
        return found


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    before = signal.getsignal(signal.SIGCHLD)
    made = Job(tmp_path)
    yield made
    made.runner.close()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)


def test_exit_codes_and_signals(job: Job) -> None:
    job.start("echo said; exit 3")
    assert job.wait() == [Exit(0, 3)]
    assert job.log().read_text() == "said\n"
    job.start("kill -9 $$")
    assert job.wait() == [Exit(0, 137)]


def test_a_log_is_appended_to(job: Job) -> None:
    job.log().write_text("before\n")
    job.start("echo out; echo err >&2")
    job.wait()
    assert job.log().read_text() == "before\nout\nerr\n"


def test_stop_reaches_every_process_of_the_group(job: Job) -> None:
    job.start("trap 'echo told; exit 4' TERM; echo up; sleep 60 & wait")
    _until_said(job, "up")
    job.runner.stop(hard=False)
    assert job.wait() == [Exit(0, 4)]
    assert job.log().read_text().split() == ["up", "told"]


def test_who_does_not_listen_is_killed(job: Job) -> None:
    job.start("trap '' TERM; echo up; while true; do sleep 0.1; done")
    _until_said(job, "up")
    job.runner.stop(hard=False)
    assert job.runner.collect() == []
    job.runner.stop(hard=True)
    assert job.wait() == [Exit(0, 137)]


def test_what_left_its_group_is_ended_at_the_end(job: Job) -> None:
    job.start("setsid sh -c 'echo $$ > left.pid; exec sleep 60' & until [ -s left.pid ]; do sleep 0.02; done")
    job.wait()
    number = int((job.folder / "left.pid").read_text())
    assert Path(f"/proc/{number}/stat").exists()
    job.runner.close()
    until = time.monotonic() + 5
    while _runs(number):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_usage_counts_all_ranks(job: Job) -> None:
    for rank in (0, 1):
        job.start("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done", rank)
    job.wait(2)
    used = job.runner.usage()
    assert used.cpu_seconds is not None
    assert used.cpu_seconds > 0
    assert used.peak_memory_bytes is not None
    # the kernel counts what the process was before exec too, which is as large as the one that runs the tests
    assert 500_000 < used.peak_memory_bytes < 2_000_000_000


def test_variables_are_those_of_the_launch_and_nothing_else(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "x")
    job.start("env", ONLY="this")
    job.wait()
    seen = dict(line.split("=", 1) for line in job.log().read_text().splitlines())
    assert seen["ONLY"] == "this"
    assert "SECRET_OF_THE_CALLER" not in seen


def _until_said(job: Job, text: str) -> None:
    until = time.monotonic() + 10
    while not job.log().exists() or text not in job.log().read_text():
        assert time.monotonic() < until
        time.sleep(0.01)


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
