"""Waits for one container to end and says how it ended, also when the engine goes away meanwhile."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlctl.backends.docker.client import Engine, EngineGoneError
from mlctl.backends.docker.container import read_record
from mlctl.backends.supervised.runner import Exit
from mlctl.errors import MlctlError, NotFoundError

_KILLED = 137


@dataclass
class Watch:
    """One container under watch, used by one thread.

    `record`: file that the container's script leaves at its end; with it the end is known even without the engine.
    `patience`: seconds to wait for an engine that went away. `closing`: nobody waits for the result any more.
    `stopping`: the job was told to end, so a killed container is nothing to explain.
    """

    engine: Engine
    container: str
    rank: int
    record: Path
    patience: float
    closing: threading.Event
    stopping: threading.Event

    def wait(self) -> Exit:
        """Block until the container has ended, or until the engine is given up. Never raises."""
        lost_at: float | None = None
        while True:
            try:
                engine = self.engine.again()
                try:
                    code = engine.wait(self.container)
                    return self._explain(code, engine, after_break=lost_at is not None)
                finally:
                    engine.close()
            except NotFoundError:
                return self._from_record() or Exit(
                    self.rank, None, "EngineLost", "somebody removed the job's container while it ran"
                )
            except MlctlError as error:
                lost_at = lost_at or time.monotonic()
                if found := self._given_up(error, lost_at):
                    return found
            except Exception as error:  # a thread that dies without an answer would leave the job running for ever
                return Exit(self.rank, None, "EngineLost", f"cannot watch the container: {error}")

    def _given_up(self, error: MlctlError, lost_at: float) -> Exit | None:
        ended = self._from_record()
        if ended:
            return ended
        if time.monotonic() - lost_at >= self.patience or self.closing.wait(min(1.0, self.patience)):
            return Exit(
                self.rank,
                None,
                "EngineLost",
                f"the engine went away while the job ran, and was not back after {self.patience:g} s ({error.message})",
            )
        return None

    def _from_record(self) -> Exit | None:
        record = self._read()
        return self._judge(record["code"], record, oom_killed=False) if record else None

    def _read(self) -> dict[str, int]:
        try:
            return read_record(self.record.read_text(errors="replace"))
        except OSError:
            return {}

    def _explain(self, code: int, engine: Engine, *, after_break: bool) -> Exit:
        record = self._read()
        if record:
            code = record["code"]
        try:
            state: dict[str, Any] = engine.inspect(self.container).get("State") or {}
            found = self._judge(code, record, oom_killed=bool(state.get("OOMKilled")))
            if found.reason or record or code == 0 or self.stopping.is_set():
                return found
            if after_break:
                message = "the engine was stopped or restarted while the job ran, and ended its container"
                return Exit(self.rank, code, "EngineLost", message)
            if code == _KILLED:
                return Exit(
                    self.rank,
                    code,
                    "Killed",
                    "the container was killed from outside the job, or its engine was stopped",
                )
            words = " ".join(engine.words(self.container).split())
            if words or state.get("Error"):
                return Exit(
                    self.rank, code, "ContainerFailed", f"the container could not run: {words or state['Error']}"
                )
        except EngineGoneError:
            if not record:
                # the engine ended the container because it was itself being stopped
                raise
        return self._judge(code, record, oom_killed=False)

    def _judge(self, code: int, record: dict[str, int], *, oom_killed: bool) -> Exit:
        """The exit, with the reason OutOfMemory when the kernel killed for memory and the command failed."""
        if code != 0 and (oom_killed or record.get("oom_kills")):
            message = (
                "the container ran out of memory and the kernel killed a process of the job: "
                "give it more (docker_args: --memory), or use less"
            )
            return Exit(self.rank, code, "OutOfMemory", message)
        return Exit(self.rank, code)
