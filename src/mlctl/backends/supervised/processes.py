"""Processes of this machine: who is alive, and which ones belong to a job."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from mlctl.entities.job import ProcessId

JOB_MARK = "MLCTL_JOB_FOLDER"
"""Variable that every process of a job carries; its value is the job's folder."""
ENDPOINT_MARK = "MLCTL_ENDPOINT_FOLDER"
"""The same for router and replicas of an endpoint: so none of them can be left behind."""

_PROC = Path("/proc")


def identify(pid: int) -> ProcessId | None:
    """The process with this number, or None when there is none (a zombie counts as none)."""
    started = _started(pid)
    return ProcessId(pid, started) if started else None


def current() -> ProcessId:
    """This process."""
    own = identify(os.getpid())
    return own or ProcessId(os.getpid(), f"unknown@{_host()}")


def is_alive(process: ProcessId) -> bool:
    """Whether exactly this process still runs.

    A process of another host (or container) that uses the same workspace cannot be looked at from here: it is taken for
    alive, so that nobody ends the job of somebody else.
    """
    started = _started(process.pid)
    return started == process.started or _host_of(process) != _host()


def send_signal(process: ProcessId, number: signal.Signals) -> None:
    """Signal exactly this process, if it runs on this host and is ours to signal."""
    if _started(process.pid) == process.started:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


def kill_marked(folder: Path, variable: str = JOB_MARK) -> list[int]:
    """Kill every process that carries the mark of what is in `folder`; the numbers of those that were killed.

    Catches processes that left their group or session. Needs /proc; where there is none the list is empty.
    """
    mark = f"{variable}={folder}".encode()
    killed = []
    for entry in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(int(entry.name))
    return killed


def _started(pid: int) -> str | None:
    """Start time of a process as opaque text that differs after a reboot; None when there is no such process."""
    if not _PROC.is_dir():
        return _started_by_ps(pid)
    try:
        # the name of the program, in brackets, may hold blanks and brackets itself
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    return f"{fields[19].decode()}@{_boot_id()}@{_host()}"


def _host() -> str:
    return os.uname().nodename


def _host_of(process: ProcessId) -> str:
    return process.started.rpartition("@")[2]


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started_by_ps(pid: int) -> str | None:
    """The same where there is no /proc (macOS)."""
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False, timeout=10
    ).stdout.strip()
    if not answer or answer.startswith("Z"):
        return None
    return f"{answer.partition(' ')[2].strip()}@{_host()}"


def free_ports(count: int) -> list[int]:
    """That many different free ports. They are free when asked; nothing holds them."""
    import socket

    sockets = [socket.socket() for _ in range(count)]
    try:
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [int(found.getsockname()[1]) for found in sockets]
    finally:
        for found in sockets:
            found.close()
