"""What can go wrong, for real: each ends in a true state and one clear sentence."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


def until(question: Callable[[], Any], *, seconds: float = 30) -> Any:
    """The first answer that counts."""
    give_up = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.05)
    return answer


def started(mlctl: Mlctl, name: str, command: str = "sleep 60", **more: Any) -> int:
    """Create a job and wait until it runs; the number of its supervisor."""
    mlctl("job", "create", "-f", str(mlctl.job(command, **more)), "--name", name)
    until(lambda: mlctl.json("job", "show", "-n", name)["status"] == "Running")
    return supervisor(mlctl, name)


def supervisor(mlctl: Mlctl, name: str) -> int:
    """The supervisor's number, found among the machine's processes."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        ours = os.fsencode(mlctl.home) in b"".join(words)
        if ours and b"mlctl.backends.supervised" in words and name.encode() in words:
            return int(entry.name)
    raise AssertionError(f"no supervisor of {name}")


def processes_of(folder: Path) -> list[int]:
    """Processes that carry the mark of the job in `folder`."""
    mark = f"MLCTL_JOB_FOLDER={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_killed_supervisor_is_seen_by_the_next_who_looks(mlctl: Mlctl) -> None:
    number = started(mlctl, "lost", "echo before; sleep 60")
    folder = mlctl.workspace / "jobs" / "lost"
    assert processes_of(folder)
    os.kill(number, signal.SIGKILL)
    shown = mlctl.json("job", "show", "-n", "lost")
    assert shown["status"] == "Failed"
    assert shown["error"]["code"] == "SupervisorLost"
    assert str(number) in shown["error"]["message"]
    assert "before" in mlctl("job", "stream", "-n", "lost", code=10).stdout
    until(lambda: not processes_of(folder), seconds=5)


def test_a_killed_supervisor_does_not_hold_up_the_queue(mlctl: Mlctl) -> None:
    mlctl("compute", "update", "-n", "local", "--max-concurrent", "1")
    number = started(mlctl, "first")
    mlctl("job", "create", "-f", str(mlctl.job("echo second")), "--name", "second")
    assert "1 of at most 1" in mlctl.json("job", "show", "-n", "second")["waiting_reason"]
    os.kill(number, signal.SIGKILL)
    assert mlctl.json("job", "wait", "-n", "second")["status"] == "Completed"


def test_the_job_survives_a_killed_reader(mlctl: Mlctl) -> None:
    command = "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done"
    reader = mlctl.start("job", "create", "-f", str(mlctl.job(command)), "--name", "goes-on", "--stream")
    assert reader.stderr is not None
    until(lambda: b"line" in reader.stderr.readline())
    reader.kill()
    reader.communicate()
    assert mlctl.json("job", "wait", "-n", "goes-on")["status"] == "Completed"
    assert mlctl.log("goes-on").splitlines() == [f"line {i}" for i in range(1, 7)]


def test_ctrl_c_leaves_the_job_running_and_says_the_way_back(mlctl: Mlctl) -> None:
    job = mlctl.job("echo up; sleep 2; echo down")
    reader = mlctl.start("job", "create", "-f", str(job), "--name", "left", "--stream", start_new_session=True)
    assert reader.stderr is not None
    until(lambda: b"up" in reader.stderr.readline())
    os.killpg(reader.pid, signal.SIGINT)
    stdout, stderr = reader.communicate(timeout=20)
    assert reader.returncode == 130
    assert stdout == b""
    assert b"mlctl job stream -n left" in stderr
    assert mlctl.json("job", "wait", "-n", "left")["status"] == "Completed"


def test_two_jobs_with_the_same_name_at_once(mlctl: Mlctl) -> None:
    job = str(mlctl.job("echo once >> $MLCTL_JOB_FOLDER/../count"))
    calls = [mlctl.start("job", "create", "-f", job, "--name", "twin") for _ in range(4)]
    answers = [call.communicate(timeout=60) for call in calls]
    codes = sorted(call.returncode for call in calls)
    assert codes == [0, 6, 6, 6]
    assert sum(b"error[conflict]" in stderr for _, stderr in answers) == 3
    mlctl("job", "wait", "-n", "twin")
    assert (mlctl.workspace / "jobs" / "count").read_text() == "once\n"
    assert sorted(path.name for path in (mlctl.workspace / "jobs").iterdir()) == ["count", "twin"]


def test_command_not_found_is_said_so(mlctl: Mlctl) -> None:
    shown = mlctl.run("frobnicate --all", code=10)
    assert shown["status"] == "Failed"
    assert shown["exit_code"] == 127
    assert "frobnicate: command not found" in shown["error"]["message"]


def test_bytes_that_are_no_text_come_through(mlctl: Mlctl) -> None:
    mlctl.run(r"printf 'a\xff\xfeb\n'; printf '\x00\x1b[31m\n'", "--name", "bytes")
    words = [sys.executable, "-m", "mlctl", "job", "stream", "-n", "bytes"]
    done = subprocess.run(words, env=mlctl.environ, capture_output=True, check=True)
    assert done.stdout == b"a\xff\xfeb\n\x00\x1b[31m\n"


def test_a_log_of_200_megabytes_does_not_need_memory(mlctl: Mlctl) -> None:
    command = "head -c 209715200 /dev/zero | tr '\\0' 'x' | fold -w 1023"
    mlctl("job", "create", "-f", str(mlctl.job(command)), "--name", "big")
    mlctl("job", "wait", "-n", "big")
    script = (
        "import resource, subprocess, sys\n"
        "size = 0\n"
        "words = [sys.executable, '-m', 'mlctl', 'job', 'stream', '-n', 'big']\n"
        "reader = subprocess.Popen(words, stdout=subprocess.PIPE)\n"
        "while data := reader.stdout.read(1 << 20): size += len(data)\n"
        "reader.wait()\n"
        "print(size, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=mlctl.environ, capture_output=True, text=True, check=True)
    size, peak_mb = map(int, done.stdout.split())
    assert size == (mlctl.workspace / "jobs/big/artifacts/user_logs/std_log.txt").stat().st_size
    assert size >= 209_715_200
    assert peak_mb < 150


def test_a_million_lines_stream_completely_while_readers_come_and_go(mlctl: Mlctl) -> None:
    total = 1_000_000
    mlctl("job", "create", "-f", str(mlctl.job(f"seq 1 {total}; sleep 0.5; echo end")), "--name", "million")
    seen: list[bytes] = []
    for stop_at in (100_000, 300_000, 500_000, 700_000, 900_000):
        reader = mlctl.start("job", "stream", "-n", "million", "--since", str(len(seen)), stderr=subprocess.DEVNULL)
        assert reader.stdout is not None
        for line in reader.stdout:
            seen.append(line)
            if len(seen) >= stop_at:
                break
        reader.kill()
        reader.stdout.close()
        reader.wait()
    last = mlctl.start("job", "stream", "-n", "million", "--since", str(len(seen)), stderr=subprocess.DEVNULL)
    stdout, _ = last.communicate(timeout=120)
    seen += stdout.splitlines(keepends=True)
    assert len(seen) == total + 1
    assert seen[:-1] == [b"%d\n" % number for number in range(1, total + 1)]
    assert seen[-1] == b"end\n"


def test_cancel_ends_every_process_of_the_job(mlctl: Mlctl) -> None:
    started(mlctl, "tree", "(setsid sleep 300 &) ; sleep 300 & sleep 300")
    folder = mlctl.workspace / "jobs" / "tree"
    assert len(processes_of(folder)) >= 3
    assert mlctl.json("job", "cancel", "-n", "tree")["status"] == "Canceled"
    assert not processes_of(folder)
    assert mlctl.json("job", "cancel", "-n", "tree")["status"] == "Canceled"


def test_a_job_that_ignores_term_is_killed_after_its_grace(mlctl: Mlctl) -> None:
    mlctl("config", "set", "jobs.grace_period=1")
    started(mlctl, "stubborn", "trap '' TERM; while true; do sleep 0.2; done")
    begin = time.monotonic()
    assert mlctl.json("job", "cancel", "-n", "stubborn")["status"] == "Canceled"
    assert 0.9 < time.monotonic() - begin < 10


def test_a_time_limit_ends_the_job_and_is_named(mlctl: Mlctl) -> None:
    shown = mlctl.run("echo begin; sleep 60", code=10, limits={"timeout": 1})
    assert shown["status"] == "Canceled"
    assert shown["error"]["code"] == "TimeoutExceeded"


def test_one_rank_that_fails_ends_the_others(mlctl: Mlctl) -> None:
    command = "echo rank $RANK here; if [ $RANK = 1 ]; then sleep 0.5; echo I am the culprit; exit 3; fi; sleep 60"
    job = mlctl.job(command, distribution={"type": "pytorch", "process_count_per_instance": 2})
    done = mlctl("job", "create", "-f", str(job), "--name", "ranks", "--stream", code=10)
    assert "rank 1 of 2 ended with exit code 3" in done.stderr
    assert "last lines of rank 1" in done.stderr
    assert "I am the culprit" in mlctl("job", "stream", "-n", "ranks", "--rank", "1", code=10).stdout


def test_a_disk_that_fills_up_during_the_job(mlctl: Mlctl, small_disk: Path) -> None:
    mlctl("workspace", "create", "--name", "small", "--path", str(small_disk / "ws"))
    shown = mlctl.run("head -c 20000000 /dev/zero > outputs/big", "-w", "small", "--name", "fills", code=10)
    assert shown["status"] == "Failed"
    again = mlctl.json("job", "show", "-n", "fills", "-w", "small")
    assert again["status"] == "Failed"
    assert "no space left on the disk" in again["error"]["message"]


def test_a_full_disk_refuses_a_job_and_leaves_nothing_half_written(mlctl: Mlctl, small_disk: Path) -> None:
    mlctl("workspace", "create", "--name", "small", "--path", str(small_disk / "ws"))
    source = mlctl.folder / "src"
    source.mkdir()
    (source / "large.bin").write_bytes(os.urandom(9_000_000))
    job = mlctl.job("echo never", code="src")
    done = mlctl("job", "create", "-f", str(job), "-w", "small", "--name", "never", code=7)
    assert "error[unavailable]" in done.stderr
    assert "is full" in done.stderr
    assert mlctl.json("job", "list", "-w", "small") == []
    mlctl("job", "show", "-n", "never", "-w", "small", code=3)
    assert mlctl.run("echo fits", "-w", "small")["status"] == "Completed"


def test_a_workspace_that_may_not_be_written(mlctl: Mlctl, tmp_path: Path) -> None:
    mlctl.run("echo kept", "--name", "kept")
    if ROOT:
        if shutil.which("mount") is None:
            pytest.skip("root may write everywhere, and there is no mount")
        subprocess.run(["mount", "--bind", str(mlctl.workspace), str(mlctl.workspace)], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(mlctl.workspace)], check=True)
    else:
        for folder in (mlctl.workspace, mlctl.workspace / "jobs"):
            folder.chmod(0o555)
    try:
        done = mlctl("job", "create", "-f", str(mlctl.job("echo no")), code=4)
        assert "error[auth]" in done.stderr
        assert mlctl.json("job", "show", "-n", "kept")["status"] == "Completed"
        assert [job["name"] for job in mlctl.json("job", "list")] == ["kept"]
        assert mlctl.log("kept") == "kept\n"
    finally:
        if ROOT:
            subprocess.run(["umount", str(mlctl.workspace)], check=True)


def test_a_moved_workspace_still_has_its_jobs(mlctl: Mlctl, tmp_path: Path) -> None:
    mlctl("workspace", "create", "--name", "moves", "--path", str(tmp_path / "here"))
    command = "echo one > outputs/one.txt; echo two > ${{outputs.o}}/two.txt"
    mlctl.run(command, "-w", "moves", "--name", "one", outputs={"o": {}})
    (tmp_path / "here").rename(tmp_path / "there")
    place = str(tmp_path / "there")
    assert mlctl.json("job", "show", "-n", "one", "-w", place)["status"] == "Completed"
    mlctl("job", "download", "-n", "one", "-w", place, "--all", "-p", str(tmp_path / "out"))
    assert (tmp_path / "out/artifacts/outputs/one.txt").read_text() == "one\n"
    assert (tmp_path / "out/named-outputs/o/two.txt").read_text() == "two\n"
    inputs = {
        "a": {"type": "uri_file", "path": "azureml://jobs/one/outputs/artifacts/paths/outputs/one.txt"},
        "b": {"type": "uri_folder", "path": "azureml://jobs/one/outputs/o"},
    }
    mlctl.run("cat ${{inputs.a}} ${{inputs.b}}/two.txt", "-w", place, "--name", "two", inputs=inputs)
    assert mlctl("job", "stream", "-n", "two", "-w", place).stdout == "one\ntwo\n"


def test_a_job_is_cancelled_while_its_environment_is_built(mlctl: Mlctl) -> None:
    """The package index never answers: the build would take for ever."""
    with socket.create_server(("127.0.0.1", 0)) as index:
        port = index.getsockname()[1]
        conda = {
            "dependencies": ["python", {"pip": [f"--index-url http://127.0.0.1:{port}/simple", f"never-{os.getpid()}"]}]
        }
        job = mlctl.job("true", environment={"image": "python", "conda_file": conda})
        mlctl("job", "create", "-f", str(job), "--name", "slow-build")
        until(lambda: mlctl.json("job", "show", "-n", "slow-build")["status"] == "Preparing")
        time.sleep(1)
        begin = time.monotonic()
        assert mlctl.json("job", "cancel", "-n", "slow-build")["status"] == "Canceled"
        assert time.monotonic() - begin < 5
        assert mlctl.json("job", "show", "-n", "slow-build")["error"] is None


def test_a_queued_job_is_cancelled_before_it_starts(mlctl: Mlctl) -> None:
    mlctl("compute", "update", "-n", "local", "--max-concurrent", "1")
    started(mlctl, "holds")
    mlctl("job", "create", "-f", str(mlctl.job("touch never")), "--name", "waits")
    assert mlctl.json("job", "cancel", "-n", "waits")["status"] == "Canceled"
    mlctl("job", "cancel", "-n", "holds")
    assert "start_time" not in mlctl.json("job", "show", "-n", "waits")
    assert not (mlctl.workspace / "jobs/waits/code").exists()


def test_a_supervisor_killed_during_a_build_leaves_no_builder_behind(mlctl: Mlctl) -> None:
    with socket.create_server(("127.0.0.1", 0)) as index:
        pip = [f"--index-url http://127.0.0.1:{index.getsockname()[1]}/simple", f"orphan-{os.getpid()}"]
        job = mlctl.job(
            "true", environment={"image": "python", "conda_file": {"dependencies": ["python", {"pip": pip}]}}
        )
        mlctl("job", "create", "-f", str(job), "--name", "orphans")
        folder = mlctl.workspace / "jobs" / "orphans"
        until(lambda: processes_of(folder))
        os.kill(supervisor(mlctl, "orphans"), signal.SIGKILL)
        assert mlctl.json("job", "show", "-n", "orphans")["error"]["code"] == "SupervisorLost"
        until(lambda: not processes_of(folder), seconds=5)
