"""Starts, watches and ends the processes of one job on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from mlctl.backends.local.mounts import ReadOnlyView
from mlctl.backends.supervised.processes import kill_marked
from mlctl.backends.supervised.runner import Exit, Launch, Run, Usage
from mlctl.backends.supervised.submitter import PASSED_ON, extra_patterns, matching
from mlctl.entities.environment import Requirements
from mlctl.environments.builder import EnvironmentBuilder
from mlctl.errors import UnavailableError


class LocalRunner:
    """The processes of one job. Each launch is a process group of its own."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._variables: dict[str, str] = {}
        self._peak_memory = 0
        self._cpu_seconds = 0.0
        self._view = ReadOnlyView(run.facts["mounts"])
        # the kernel writes to the pipe when a child ends, which wakes the supervisor
        signal.set_wakeup_fd(run.wakeup.writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def prepare(self, log: BinaryIO) -> None:
        """Build the environment, or take it from the cache, and lay the job's own on top of it."""
        builder = EnvironmentBuilder(self._run.cache, self._run.settings)
        built = builder.ensure(_requirements(self._run.payload["environment"]), log)
        target = self._run.folder / "environment"
        layer = builder.overlay(built, target)
        path = os.pathsep.join([layer.path_prefix, system_path()])
        self._variables = {
            **matching(os.environ, [*PASSED_ON, *extra_patterns(self._run.settings)]),
            **layer.variables,
            "PATH": path,
        }
        self._view.prepare()

    def has_program(self, name: str) -> bool:
        """See `Runner`."""
        return shutil.which(name, path=self._variables["PATH"]) is not None

    def start(self, launch: Launch) -> None:
        """See `Runner`."""
        shell = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"
        with launch.log.open("ab") as log:
            try:
                self._processes[launch.rank] = subprocess.Popen(
                    [shell, "-c", launch.command],
                    cwd=launch.cwd,
                    env={**self._variables, **launch.variables},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=self._view.enter,  # noqa: PLW1509  # the supervisor has one thread
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise UnavailableError(f"cannot start the command: {error}") from error

    def collect(self) -> list[Exit]:
        """See `Runner`. What a process left running in its group ends with it, as in a container."""
        ended = []
        for rank, process in list(self._processes.items()):
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid == 0:
                continue
            del self._processes[rank]
            process.returncode = os.waitstatus_to_exitcode(status)
            self._peak_memory = max(self._peak_memory, used.ru_maxrss * _MAXRSS_UNIT)
            self._cpu_seconds += used.ru_utime + used.ru_stime
            _signal_group(pid, signal.SIGKILL)
            code = process.returncode
            ended.append(Exit(rank, code if code >= 0 else 128 - code))
        return ended

    def stop(self, *, hard: bool) -> None:
        """See `Runner`."""
        for process in self._processes.values():
            _signal_group(process.pid, signal.SIGKILL if hard else signal.SIGTERM)

    def usage(self) -> Usage:
        """Peak memory of the largest process, and CPU time of all processes that were waited for."""
        return Usage(self._peak_memory or None, self._cpu_seconds)

    def close(self) -> None:
        """End what left its group, and remove the job's environment and its view of the inputs."""
        kill_marked(self._run.folder)
        shutil.rmtree(self._run.folder / "environment", ignore_errors=True)
        self._view.close()


_MAXRSS_UNIT = 1 if os.uname().sysname == "Darwin" else 1024
"""getrusage(2): kilobytes on Linux, bytes on macOS."""


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _requirements(data: dict[str, Any]) -> Requirements:
    return Requirements(
        python=data["python"],
        packages=tuple(data["packages"]),
        origin=data["origin"],
        warnings=tuple(data["warnings"]),
    )


def system_path() -> str:
    """PATH without the virtual environment that mlctl or its caller runs in: a job never runs in either."""
    own = {str(Path(os.environ[name]) / "bin") for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if os.environ.get(name)}
    if sys.prefix != sys.base_prefix:
        own.add(str(Path(sys.prefix) / "bin"))
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if folder and folder not in own)
