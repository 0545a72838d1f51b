"""The seam between the supervisor and a back end of this machine: how processes are made ready, started and ended."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from mlctl.entities.image import BuiltImage
from mlctl.settings import Settings


@dataclass(frozen=True, slots=True)
class Launch:
    """One process (local) or container (docker) to start.

    `command`: text for `/bin/sh -c` (bash where there is one). `variables`: the job's variables, complete but for what
    the runner itself adds (PATH …). `log`: absolute file that takes stdout and stderr, opened for appending by whoever
    runs the command, so that no line passes through the supervisor. `cwd`: absolute.
    `essential`: the job ends when an essential launch ends; others are then ended too (Ray workers).
    """

    rank: int
    command: str
    variables: dict[str, str]
    log: Path
    cwd: Path
    essential: bool = True


@dataclass(frozen=True, slots=True)
class Exit:
    """How a launch ended. `code`: exit code, 128 + n for signal n, None when it is not known.

    `reason`: a stable word when the plain code does not tell (`OutOfMemory`, `EngineLost`); `message` one sentence.
    """

    rank: int
    code: int | None
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the launches used so far; None where the back end cannot tell. Bytes and seconds."""

    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None


class Wakeup:
    """A self-pipe: the supervisor sleeps in `wait`; signal handlers and a runner's threads call `set`."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self.writer, False)

    def set(self) -> None:
        """Wake the supervisor. Safe in a signal handler and from any thread."""
        try:
            os.write(self.writer, b"\0")
        except BlockingIOError:
            return  # the pipe is full: a wake-up is already waiting

    def wait(self, timeout: float | None) -> None:
        """Sleep until `set`, or for `timeout` seconds."""
        select.select([self._reader], [], [], timeout)
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            return


@dataclass(frozen=True, slots=True)
class Run:
    """What a runner is given: the plan's payload, the job folder and a way to wake the supervisor.

    `keep_image` writes down which image the job runs in.
    """

    name: str
    payload: dict[str, Any]
    folder: Path
    cache: Path
    settings: Settings
    wakeup: Wakeup
    facts: dict[str, Any] = field(default_factory=dict)
    keep_image: Callable[[BuiltImage], None] = lambda _image: None


class Runner(Protocol):
    """Runs the launches of one job. Made by the back end's `runner(run)`; used by one supervisor, from one thread."""

    def prepare(self, log: BinaryIO) -> None:
        """Make the environment or the image ready; what a user should see of the build goes to `log`, line by line.

        Raises MlctlError when it cannot be made ready.
        """

    def has_program(self, name: str) -> bool:
        """Whether the job's own PATH has a program (mpirun, ray). Called after `prepare`."""

    def start(self, launch: Launch) -> None:
        """Start one launch. Raises MlctlError when it cannot be started."""

    def collect(self) -> list[Exit]:
        """The launches that ended since the last call. Never blocks; something calls `run.wakeup.set()` before."""

    def stop(self, *, hard: bool) -> None:
        """Ask every launch that still runs to end (TERM to all its processes), or end it at once (KILL)."""

    def usage(self) -> Usage:
        """What the launches used so far."""

    def close(self) -> None:
        """Remove what the runner made and the job does not need any more (containers, the job's environment)."""
