"""Telling one process from another, and finding those of a job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from mlctl.backends.supervised.processes import (
    JOB_MARK,
    current,
    identify,
    is_alive,
    kill_marked,
    send_signal,
)


def test_this_process_is_alive_and_a_later_one_with_its_number_is_not() -> None:
    own = current()
    assert own.pid == os.getpid()
    assert is_alive(own)
    ticks, _, rest = own.started.partition("@")
    assert not is_alive(replace(own, started=f"{int(ticks) + 1}@{rest}"))


def test_after_a_reboot_it_is_dead_and_on_another_host_nobody_can_tell() -> None:
    ticks, boot, host = current().started.split("@")
    assert not is_alive(replace(current(), started=f"{ticks}@other-boot@{host}"))
    assert is_alive(replace(current(), pid=2**22 - 1, started=f"{ticks}@{boot}@other-host"))


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    found = identify(child.pid)
    assert found is not None
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(found)
    assert identify(child.pid) is None
    child.wait()


def test_marked_processes_are_found_wherever_they_went(tmp_path: Path) -> None:
    environ = {**os.environ, JOB_MARK: str(tmp_path)}
    far = subprocess.Popen(["sleep", "60"], env=environ, start_new_session=True)
    other = subprocess.Popen(["sleep", "60"], env={**environ, JOB_MARK: f"{tmp_path}2"})
    time.sleep(0.05)
    assert kill_marked(tmp_path) == [far.pid]
    assert far.wait() == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_signal_goes_to_exactly_that_process_or_to_none() -> None:
    child = subprocess.Popen(["sleep", "60"])
    found = identify(child.pid)
    assert found is not None
    ticks, boot, host = found.started.split("@")
    send_signal(replace(found, started=f"{ticks}@{boot}@other-host"), signal.SIGKILL)
    send_signal(replace(found, started=f"{int(ticks) + 1}@{boot}@{host}"), signal.SIGKILL)
    time.sleep(0.1)
    assert child.poll() is None
    send_signal(found, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
