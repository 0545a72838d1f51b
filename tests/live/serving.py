"""What live tests of endpoints share: deployments that start at once, and calls that count."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import Mlctl

STUB = Path(__file__).with_name("stub_backend")

SCORE = """\
import json, os, time
def init():
    {init}
def run(data):
    {run}
    model = open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.txt")).read()
    return json.dumps({{"who": {who!r}, "model": model}})
"""


class Serving:
    """An endpoint `iris`, and deployments of the back end `stub` behind it."""

    def __init__(self, mlctl: Mlctl) -> None:
        self.mlctl = mlctl
        mlctl.environ["PYTHONPATH"] = str(STUB)
        self.shown = mlctl.json("online-endpoint", "create", "-n", "Iris")
        self.folder = mlctl.workspace / "endpoints" / "iris"
        self.port = int(self.shown["scoring_uri"].split(":")[2].partition("/")[0])
        self.key = mlctl.json("online-endpoint", "get-credentials", "-n", "iris")["primaryKey"]

    def spec(self, name: str, *, run: str = "pass", init: str = "pass", who: str = "", **more: Any) -> str:
        """The file of a deployment; `run`, `init`: a statement in the script; `who`: what it answers."""
        place = self.mlctl.folder / name
        (place / "code").mkdir(parents=True, exist_ok=True)
        (place / "model.txt").write_text(f"model of {who or name}")
        (place / "code" / "score.py").write_text(SCORE.format(run=run, init=init, who=who or name))
        data = {
            "name": name, "endpoint_name": "Iris", "model": {"path": "model.txt"},
            "code_configuration": {"code": "code", "scoring_script": "score.py"},
            "environment": {"image": "library/python:latest"}, "instance_count": 1, "instance_type": "Standard_DS3_v2",
            "request_settings": {"max_concurrent_requests_per_instance": 20, "max_queue_wait_ms": 5000}, **more,
        }  # fmt: skip
        (place / "deployment.yml").write_text(json.dumps(data))
        return str(place / "deployment.yml")

    def deploy(self, name: str, *words: str, verb: str = "create", code: int = 0, **more: Any) -> Any:
        """Create or update a deployment; what is shown, or for another exit code the process."""
        options = ["-f", self.spec(name, **more), *words]
        if verb == "create":
            options += ["--backend", "stub"]
        if code:
            return self.mlctl("online-deployment", verb, *options, code=code)
        return self.mlctl.json("online-deployment", verb, *options)

    def traffic(self, text: str) -> Any:
        """Set the weights."""
        return self.mlctl.json("online-endpoint", "update", "-n", "iris", "--traffic", text)

    def ask(self, body: bytes = b"{}", *, path: str = "/score", **headers: str) -> tuple[int, bytes]:
        """One call; status 0 when there was no answer."""
        return ask(self.port, body, path=path, **{"Authorization": f"Bearer {self.key}", **headers})

    def state(self) -> dict[str, Any]:
        """What the keeper started."""
        found: dict[str, Any] = json.loads((self.folder / "state.json").read_text())
        return found

    def keeper(self) -> int:
        """The process number of the keeper, or of the last one; one that starts needs a moment to write its own."""
        until(lambda: (self.folder / "keeper.lock").read_text() != "")
        return int(json.loads((self.folder / "keeper.lock").read_text())[0])


def ask(port: int, body: bytes, *, path: str = "/score", **headers: str) -> tuple[int, bytes]:
    """One POST; status 0 when there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json", **named})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error).encode()
    finally:
        connection.close()


class Load:
    """Requests at a constant rate from several threads, until `stop`; what came back is counted."""

    def __init__(self, call: Callable[[], tuple[int, bytes]], *, rate: float = 50, threads: int = 5) -> None:
        self.statuses: Counter[int] = Counter()
        self.answers: list[tuple[float, bytes]] = []
        self.failed: list[bytes] = []
        self._call, self._pause = call, threads / rate
        self._ending, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(n * self._pause / threads,)) for n in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _run(self, offset: float) -> None:
        due = time.monotonic() + offset
        while not self._ending.is_set():
            time.sleep(max(0.0, due - time.monotonic()))
            due += self._pause
            status, text = self._call()
            with self._lock:
                self.statuses[status] += 1
                self.answers.append((time.monotonic(), text))
                if status != 200:
                    self.failed.append(text[:200])


def until(question: Callable[[], Any], *, seconds: float = 20) -> Any:
    """The first answer that counts."""
    give_up = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)
    return answer


def marked(folder: Path) -> list[int]:
    """Processes that carry the mark of an endpoint or are its keeper."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environ = (entry / "environ").read_bytes().split(b"\0")
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        kept = {os.fsencode(folder.parent.parent), os.fsencode(folder.name)}
        keeper = b"mlctl.backends.served" in words and kept <= {*words}
        if keeper or f"MLCTL_ENDPOINT_FOLDER={folder}".encode() in environ:
            found.append(int(entry.name))
    return found
