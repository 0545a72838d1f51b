"""What the live tests of the router share: an endpoint's folder, its router, scoring servers, a client."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlctl.serving.keys import Keys, new_keys, save_keys
from mlctl.serving.routes import Deployment, RouterState, Routes, load_state, save_routes

STUB = Path(__file__).with_name("scoring_stub.py")
LOAD = Path(__file__).parents[1] / "bench" / "load.py"


@dataclass
class Answer:
    """What a client sees."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Processes:
    """Processes of one test, ended with it."""

    def __init__(self) -> None:
        self.all: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, *map(str, words)], **options)
        self.all.append(process)
        return process

    def stub(self, name: str, port: int = 0) -> tuple[str, subprocess.Popen[bytes]]:
        """A scoring server; its URL and its process."""
        process = self.start(STUB, str(port), name, stdout=subprocess.PIPE)
        assert process.stdout is not None
        return f"http://127.0.0.1:{int(process.stdout.readline())}", process

    def close(self) -> None:
        for process in self.all:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


class Endpoint:
    """An endpoint's folder and the routers that serve it."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.processes = processes
        self.keys: Keys = new_keys()
        self.routes = Routes(version=0, endpoint="iris", port=free_port())
        save_keys(folder, self.keys)

    def set(self, *deployments: Deployment, **changes: Any) -> int:
        """Write routes; the value is their version."""
        kept = {"deployments": deployments} if deployments else {}
        self.routes = replace(self.routes, version=self.routes.version + 1, **kept, **changes)
        save_routes(self.folder, self.routes)
        return self.routes.version

    def follow(self, *deployments: Deployment, **changes: Any) -> RouterState:
        """Write routes and wait until the router follows them."""
        version = self.set(*deployments, **changes)
        return self.state(lambda state: state.version == version)

    def router(self) -> subprocess.Popen[bytes]:
        """Start a router and wait until it serves."""
        with (self.folder / "router.err").open("ab") as errors:
            process = self.processes.start("-m", "mlctl.serving.router", self.folder, stderr=errors)

        def serves() -> bool:
            assert process.poll() is None, (self.folder / "router.err").read_text()
            state = load_state(self.folder)
            return state is not None and state.pid == process.pid

        until(serves)
        return process

    def state(self, wanted: Callable[[RouterState], bool]) -> RouterState:
        """The router's own word, once it is as wanted."""
        found: list[RouterState] = []

        def there() -> bool:
            state = load_state(self.folder)
            if state is not None and wanted(state):
                found.append(state)
            return bool(found)

        until(there)
        return found[0]

    def ask(self, path: str = "/score", body: Any = b"{}", method: str = "POST", **headers: str) -> Answer:
        """One request with the primary key on a connection of its own; `authorization` replaces the key."""
        connection = http.client.HTTPConnection("127.0.0.1", self.routes.port, timeout=20)
        sent = {"authorization": f"Bearer {self.keys.primary}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def load(self, *words: str, path: str = "/score") -> subprocess.Popen[bytes]:
        """Start the load generator; `loaded` gives its result."""
        body = self.folder.parent / "body.json"
        body.write_text('{"data": [[1, 2]]}')
        url = f"http://127.0.0.1:{self.routes.port}{path}"
        header = f"Authorization: Bearer {self.keys.primary}"
        return self.processes.start(LOAD, url, "--body", body, "--header", header, *words, stdout=subprocess.PIPE)

    def log(self) -> list[dict[str, Any]]:
        """The lines of the access log."""
        return [json.loads(line) for line in (self.folder / "access.log").read_text().splitlines()]

    def line(self, request_id: str) -> dict[str, Any]:
        """The line of one request, once it is written; mirrored copies have lines of their own."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found.extend(one for one in self.log() if (one["request_id"], one["traffic"]) == (request_id, "live"))
            return bool(found)

        until(there)
        return found[0]

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's values that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = self.ask("/metrics", None, "GET").body.decode().splitlines()
        found = [line for line in lines if line.startswith(name + "{") and all(one in line for one in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in found)


def loaded(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The result of a load generator that comes to its end."""
    assert process.stdout is not None
    result = json.loads(process.stdout.read())
    assert process.wait() == 0
    return dict(result)


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    """Signal a process and wait for its end."""
    os.kill(process.pid, number)
    return process.wait(20)


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for something to become true."""
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last, "it did not happen in time"
        time.sleep(0.01)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
