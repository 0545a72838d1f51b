"""Online endpoints whose replicas are containers: a container of its own, and what happens when things die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl, end_processes_of
from tests.live.docker_jobs import IMAGE, find_engine
from tests.live.serving import Load, Serving, until

pytestmark = pytest.mark.docker

SERVER = """\
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.say(200 if self.path == "/up" else 404, "")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        model = open(os.environ["AZUREML_MODEL_DIR"] + "/model.txt").read()
        self.say(200 if self.path == "/v1/predict" else 404, self.path + " " + model)
    def say(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())
print("my own server", flush=True)
http.server.ThreadingHTTPServer(("", 8501), Handler).serve_forever()
"""


@pytest.fixture
def serving(mlctl: Mlctl) -> Iterator[Serving]:
    with closing(find_engine(mlctl.home)) as engine:
        serving = Serving(mlctl)
        yield serving
        end_processes_of(mlctl.home)
        for container in engine.containers({"mlctl.endpoint-folder": str(serving.folder)}):
            engine.remove(container)


def own(serving: Serving, **changes: Any) -> dict[str, Any]:
    """A deployment whose image brings its own server."""
    context = serving.mlctl.folder / "own" / "context"
    context.mkdir(parents=True, exist_ok=True)
    (context / "server.py").write_text(SERVER)
    (context / "Dockerfile").write_text(f'FROM {IMAGE}\nCOPY server.py /\nCMD ["python3", "/server.py"]\n')
    route = {"port": 8501, "path": "/up"}
    config = {"liveness_route": route, "readiness_route": route, "scoring_route": {"port": 8501, "path": "/v1/predict"}}
    environment = {"build": {"path": "context"}, "inference_config": config}
    return {"environment": environment, "code_configuration": None, "model_mount_path": "/models", **changes}


def deploy(serving: Serving, *words: str, verb: str = "create", code: int = 0, **changes: Any) -> Any:
    path = Path(serving.spec("own", **own(serving, **changes)))
    data = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    words = ("online-deployment", verb, "-f", str(path), *(("--backend", "docker") if verb == "create" else ()), *words)
    return serving.mlctl.json(*words) if not code else serving.mlctl(*words, code=code)


APART = """\
import http.server, json, os, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    place = ""
    def do_GET(self):
        self.say(200 if self.path == self.place and (self.place != "/live" or not os.path.exists("/tmp/ill")) else 404)
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        open("/tmp/ill", "w").close()
        self.say(200 if self.path == self.place == "/v1/predict" else 404)
    def say(self, status):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(f"{self.server.server_port}{self.path}".encode())
for port, path in ((8501, "/v1/predict"), (9000, "/live"), (9001, "/ready")):
    own = type("Own", (Handler,), {"place": path})
    threading.Thread(target=http.server.ThreadingHTTPServer(("", port), own).serve_forever).start()
"""


def test_routes_on_ports_of_their_own(serving: Serving) -> None:
    apart = own(serving)["environment"]
    apart["inference_config"] = {
        "scoring_route": {"port": 8501, "path": "/v1/predict"},
        "liveness_route": {"port": 9000, "path": "/live"},
        "readiness_route": {"port": 9001, "path": "/ready"},
    }
    probe = {"period": 1, "failure_threshold": 2}
    path = Path(serving.spec("own", **{**own(serving), "environment": apart, "liveness_probe": probe}))
    (serving.mlctl.folder / "own" / "context" / "server.py").write_text(APART)
    data = json.loads(path.read_text())
    del data["code_configuration"]
    path.write_text(json.dumps(data))
    serving.mlctl("online-deployment", "create", "-f", str(path), "--backend", "docker", "--all-traffic")
    (before,) = containers(serving)
    with closing(find_engine(serving.mlctl.home)) as engine:
        found = engine.inspect(before)
    published = found["HostConfig"]["PortBindings"]
    assert sorted(published) == ["8501/tcp", "9000/tcp", "9001/tcp"]
    assert {one["HostIp"] for bound in published.values() for one in bound} == {"127.0.0.1"}
    assert found["HostConfig"]["LogConfig"]["Config"] == {"max-file": "3", "max-size": "20000000"}
    assert serving.ask() == (200, b"8501/v1/predict")
    # it says that it is ill, at the port of its liveness, after the first request
    until(lambda: containers(serving) not in ([], [before]), seconds=60)
    until(lambda: serving.ask()[0] == 200, seconds=60)
    assert "2 probes in a row failed" in (serving.folder / "keeper.log").read_text()


def containers(serving: Serving) -> list[str]:
    with closing(find_engine(serving.mlctl.home)) as engine:
        return engine.containers({"mlctl.endpoint-folder": str(serving.folder)})


def test_a_container_of_its_own(serving: Serving) -> None:
    deploy(serving, "--all-traffic")
    assert serving.ask() == (200, b"/v1/predict model of own")
    assert serving.ask(path="/v1/other")[0] == 424  # its own routes are reached, and it says 404
    log = serving.mlctl("online-deployment", "get-logs", "-n", "own", "-e", "iris").stdout
    assert log.splitlines()[0] == "my own server"
    build = serving.mlctl("online-deployment", "get-logs", "-n", "own", "-e", "iris", "-c", "storage-initializer")
    assert "image" in build.stdout
    (before,) = containers(serving)

    # killed: the process that stands for the container, then the container
    os.kill(serving.state()["replicas"][0]["pid"], signal.SIGKILL)
    (second,) = until(lambda: len(found := containers(serving)) == 1 and found[0] != before and found)
    until(lambda: serving.ask()[0] == 200)
    with closing(find_engine(serving.mlctl.home)) as engine:
        engine.kill(second, "KILL")
    until(lambda: containers(serving) not in ([], [second]))
    until(lambda: serving.ask()[0] == 200)

    # a new generation takes over; one that cannot start leaves it
    with Load(serving.ask) as load:
        deploy(serving, verb="update", environment_variables={"A": "b"})
        until(lambda: len(containers(serving)) == 1)
        no_model = {"AZUREML_MODEL_DIR": "/nowhere"}
        assert serving.ask()[0] == 200
    assert load.failed == []
    bad = own(serving)["environment"]
    bad["image"], _ = "mlctl-test/none-such:1", bad.pop("build")
    failed = deploy(serving, verb="update", code=10, environment=bad, environment_variables=no_model)
    assert "mlctl-test/none-such:1" in failed.stderr
    assert serving.ask()[0] == 200

    # everybody is killed at once: delete finds what is left on the engine
    victims = [serving.keeper(), *(one["pid"] for one in serving.state()["replicas"])]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert len(containers(serving)) == 1
    serving.mlctl("online-endpoint", "delete", "-n", "iris", "--yes")
    assert containers(serving) == []
    assert subprocess.run(["pgrep", "-f", str(serving.folder)], check=False, capture_output=True).stdout == b""
