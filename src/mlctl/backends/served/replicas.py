"""One replica: a process with a port, and what its probes say of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlctl.backends.served.layout import open_log
from mlctl.backends.supervised.processes import identify, is_alive
from mlctl.entities.job import ProcessId
from mlctl.entities.online_deployment import Probe

STARTING, READY, STOPPING = "starting", "ready", "stopping"

_FAST = 0.2
"""Seconds between probes of a replica that is starting."""


@dataclass
class Replica:
    """A running replica. `port` is on loopback, and so are `further` ports: of a container's own port, ours.

    Times are of the event loop's clock.
    """

    deployment: str
    generation: int
    index: int
    port: int
    process: ProcessId
    log: Path
    child: subprocess.Popen[bytes] | None = None
    further: dict[str, int] = field(default_factory=dict)
    state: str = STARTING
    started: float = 0.0
    successes: int = 0
    failures: int = 0
    next_probe: float = 0.0
    stop_at: float | None = None
    """When to stop waiting for its requests."""
    told: float | None = None
    """When it was told to end."""
    said: str = ""

    @property
    def key(self) -> tuple[str, int, int]:
        """Which of all replicas it is."""
        return self.deployment, self.generation, self.index

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        if self.child is not None:
            return self.child.poll() is None
        return is_alive(self.process)

    @property
    def exit_code(self) -> int | None:
        """How its process ended, when that is known: nobody knows it of one that another keeper started."""
        return self.child.returncode if self.child is not None else None

    def signal(self, number: signal.Signals) -> None:
        """Signal it and what it started."""
        if self.is_running:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def describe(self) -> dict[str, Any]:
        """What the next keeper needs to take it over."""
        return {
            "deployment": self.deployment,
            "generation": self.generation,
            "index": self.index,
            "port": self.port,
            "further": self.further,
            "pid": self.process.pid,
            "started": self.process.started,
            "state": self.state,
        }


def start_replica(
    launch: dict[str, Any],
    deployment: str,
    generation: int,
    index: int,
    log: Path,
    *,
    now: float,
    mark: Mapping[str, str],
    taken: Collection[int] = (),
) -> Replica:
    """Start a replica on free ports of loopback that are none of `taken`: ports of replicas that do not listen yet.

    `{port}` in its words is the port, `{port:8080}` what stands for one of the launch's further `ports`. Raises
    OSError when the program cannot be started. `mark`: a variable by which its processes are found.
    """
    port, *others = _free_ports(1 + len(launch.get("ports", ())), taken)
    further = dict(zip(launch.get("ports", ()), others, strict=True))
    told = {"{port}": port, "{index}": index, **{f"{{port:{its}}}": ours for its, ours in further.items()}}
    argv = [_filled(str(word), told) for word in launch["argv"]]
    with open_log(log) as stream:
        child = subprocess.Popen(
            argv,
            cwd=launch["cwd"],
            env={**launch["variables"], **mark},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    process = identify(child.pid) or ProcessId(child.pid, "gone")
    return Replica(deployment, generation, index, port, process, log, child, further, started=now)


def adopt_replica(facts: dict[str, Any], log: Path, *, now: float) -> Replica | None:
    """A replica that an earlier keeper started, if it still runs."""
    process = ProcessId(facts["pid"], facts["started"])
    if not is_alive(process):
        return None
    state = str(facts["state"])
    return Replica(
        facts["deployment"], facts["generation"], facts["index"], facts["port"], process, log,
        further=facts.get("further", {}), state=state, started=now,
    )  # fmt: skip


def _free_ports(count: int, taken: Collection[int]) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = free_port()
        if port not in taken and port not in found:
            found.append(port)
    return found


def _filled(word: str, told: Mapping[str, int]) -> str:
    for name, number in told.items():
        word = word.replace(name, str(number))
    return word


def free_port() -> int:
    """A free port of loopback. It is free when asked; a replica that finds it taken dies and is started on another."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Watch:
    """How the replicas of a deployment are probed. Ports are a container's own, empty for the one of requests."""

    readiness: Probe
    liveness: Probe
    readiness_path: str = "/"
    liveness_path: str = "/"
    readiness_port: str = ""
    liveness_port: str = ""
    budget: float = field(default=310.0)
    """Seconds within which a replica must be ready for the first time."""


async def probe(replica: Replica, watch: Watch, *, now: float) -> None:
    """One probe, and what follows from it: ready, or to be ended and started anew (`stopping`)."""
    starting = replica.state == STARTING
    rule = watch.readiness if starting else watch.liveness
    path, port = watch.liveness_path, watch.liveness_port
    if starting:
        path, port = watch.readiness_path, watch.readiness_port
    answered = await _answers(replica.further.get(port, replica.port), path, rule.timeout)
    replica.next_probe = now + (_FAST if starting else rule.period)
    if answered:
        replica.successes, replica.failures = replica.successes + 1, 0
        if starting and replica.successes >= rule.success_threshold:
            replica.state = READY
    else:
        replica.successes, replica.failures = 0, replica.failures + 1
        if not starting and replica.failures >= rule.failure_threshold:
            replica.state = STOPPING
            replica.said = f"{rule.failure_threshold} probes in a row failed"


async def _answers(port: int, path: str, timeout: float) -> bool:
    """Whether GET answers with a status below 400 in time."""
    try:
        words = await asyncio.wait_for(_status_line(port, path), timeout)
    except (OSError, asyncio.TimeoutError):
        return False
    return len(words) > 1 and words[1].isdigit() and int(words[1]) < 400


async def _status_line(port: int, path: str) -> list[bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return (await reader.readline()).split()
    finally:
        writer.close()
