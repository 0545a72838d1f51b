"""Worker processes of a batch job: started, given mini batches, watched, killed and replaced."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mlctl.serving.batch.items import MiniBatch

_LOOK = 0.5
"""Seconds after which workers are looked at although none of them said anything."""


@dataclass
class Worker:
    """One process. `batch`: what it works on; `give_up`: when it is too late for that (monotonic clock)."""

    process: subprocess.Popen[bytes]
    tasks: int
    results: int
    ready: bool = False
    batch: MiniBatch | None = None
    give_up: float | None = None
    heard: bytearray = field(default_factory=bytearray, repr=False)


@dataclass(frozen=True)
class Event:
    """What a worker said, or that it is gone: `kind` is ready, init, result, error, died or timeout."""

    kind: str
    worker: Worker
    batch: MiniBatch | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """One sentence, for the log and the summary."""
        if self.kind == "error":
            return str(self.answer["error"])
        if self.kind == "timeout":
            return "run() did not end within the timeout of a mini batch; its worker was killed"
        code = self.worker.process.returncode
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return f"its worker {how}"


class Pool:
    """The workers of one job; used from one thread. `variables` are the job's, `timeout` seconds for a mini batch."""

    def __init__(self, script: str, *, level: str, variables: Mapping[str, str], timeout: float, cwd: str) -> None:
        self._script = script
        self._level = level
        self._variables = dict(variables)
        self._timeout = timeout
        self._cwd = cwd
        self._selector = selectors.DefaultSelector()
        self.workers: list[Worker] = []

    def start(self) -> None:
        """Start one worker; it says that it is ready after its init()."""
        tasks_in, tasks_out = os.pipe()
        results_in, results_out = os.pipe()
        words = [self._script, str(tasks_in), str(results_out), self._level]
        # a process group of its own: what a script starts ends with it
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__name__.rpartition('.')[0]}.worker", *words],
            env=self._variables,
            cwd=self._cwd,
            stdin=subprocess.DEVNULL,
            pass_fds=(tasks_in, results_out),
            start_new_session=True,
        )
        os.close(tasks_in)
        os.close(results_out)
        os.set_blocking(results_in, False)
        worker = Worker(process, tasks_out, results_in)
        self._selector.register(results_in, selectors.EVENT_READ, worker)
        self.workers.append(worker)

    def idle(self) -> list[Worker]:
        """Workers that wait for a mini batch."""
        return [worker for worker in self.workers if worker.ready and worker.batch is None]

    def give(self, worker: Worker, batch: MiniBatch) -> None:
        """Let a worker score a mini batch. One that died meanwhile is told by `events`."""
        worker.batch = batch
        worker.give_up = time.monotonic() + self._timeout
        rest = json.dumps({"files": [item.path for item in batch.items]}).encode() + b"\n"
        with suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(worker.tasks, rest) :]

    def events(self) -> Iterator[Event]:
        """Wait until something happens or half a second is over, then tell it. Who died is not in the pool any more."""
        for key, _ in self._selector.select(self._patience()):
            yield from self._read(key.data)
        now = time.monotonic()
        for worker in list(self.workers):
            if worker.give_up is not None and now > worker.give_up:
                batch = worker.batch
                self.remove(worker)
                yield Event("timeout", worker, batch)
            elif worker.process.poll() is not None:
                # its last words may be in the pipe still
                yield from self._read(worker)
                yield from self._bury(worker)

    def remove(self, worker: Worker) -> None:
        """Kill a worker with all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()
        self._selector.unregister(worker.results)
        os.close(worker.tasks)
        os.close(worker.results)
        self.workers.remove(worker)

    def close(self) -> None:
        """Kill all that is left."""
        for worker in list(self.workers):
            self.remove(worker)

    def _patience(self) -> float:
        ends = [worker.give_up - time.monotonic() for worker in self.workers if worker.give_up is not None]
        return max(0.0, min([_LOOK, *ends]))

    def _read(self, worker: Worker) -> Iterator[Event]:
        while worker in self.workers:
            try:
                data = os.read(worker.results, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                yield from self._bury(worker)
                return
            worker.heard += data
            if b"\n" not in data:
                continue
            *lines, worker.heard = worker.heard.split(b"\n")
            for line in lines:
                yield self._event(worker, json.loads(line))

    def _event(self, worker: Worker, answer: Mapping[str, Any]) -> Event:
        if "ready" in answer:
            worker.ready = True
            return Event("ready", worker)
        if "init" in answer:
            return Event("init", worker, None, answer)
        batch, worker.batch, worker.give_up = worker.batch, None, None
        return Event("error" if "error" in answer else "result", worker, batch, answer)

    def _bury(self, worker: Worker) -> Iterator[Event]:
        if worker in self.workers:
            batch = worker.batch
            self.remove(worker)
            yield Event("died", worker, batch)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
