"""An engine that goes away under an endpoint: tried on a second engine in a network of its own."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import Mlctl, end_processes_of
from tests.live.docker_jobs import IMAGE, settings_in
from tests.live.own_engine import OwnEngine, network_of_its_own, second_engine
from tests.live.serving import Load, Serving, until

from mlctl.backends.docker.client import open_engine

pytestmark = [pytest.mark.docker, pytest.mark.slow]

SERVER = """\
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(open(os.environ["AZUREML_MODEL_DIR"] + "/model.txt", "rb").read())
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()
http.server.ThreadingHTTPServer(("", 8501), Handler).serve_forever()
"""


@pytest.fixture
def engine() -> Iterator[OwnEngine]:
    with network_of_its_own(), second_engine(bridge=True) as engine:
        yield engine


@pytest.fixture
def serving(engine: OwnEngine, mlctl: Mlctl) -> Iterator[Serving]:
    mlctl.environ["MLCTL_DOCKER_HOST"] = engine.host
    yield Serving(mlctl)
    end_processes_of(mlctl.home)


def containers(serving: Serving, engine: OwnEngine) -> list[str]:
    with closing(open_engine(settings_in(serving.mlctl.home, docker__host=engine.host))) as client:
        return client.containers({"mlctl.endpoint-folder": str(serving.folder)})


def test_an_endpoint_answers_again_after_its_engine_was_away(serving: Serving, engine: OwnEngine) -> None:
    context = serving.mlctl.folder / "own" / "context"
    context.mkdir(parents=True)
    (context / "server.py").write_text(SERVER)
    (context / "Dockerfile").write_text(f'FROM {IMAGE}\nCOPY server.py /\nCMD ["python3", "/server.py"]\n')
    route = {"port": 8501, "path": "/"}
    config = {"liveness_route": route, "readiness_route": route, "scoring_route": route}
    path = Path(serving.spec("own", environment={"build": {"path": "context"}, "inference_config": config}))
    data = json.loads(path.read_text())
    del data["code_configuration"]
    path.write_text(json.dumps(data))
    serving.mlctl("online-deployment", "create", "-f", str(path), "--all-traffic", "--backend", "docker")
    assert serving.ask() == (200, b"model of own")
    port = serving.port
    for number in (signal.SIGTERM, signal.SIGKILL):  # a restart, and a crash that leaves the containers running
        before = containers(serving, engine)
        with Load(serving.ask, rate=10) as load:
            engine.stop(number)
            until(lambda load=load: load.statuses.total() > load.statuses[200])  # type: ignore[misc]
            time.sleep(2)
            engine.start()
            until(lambda: serving.ask()[0] == 200, seconds=60)
            at = load.statuses[200]
            until(lambda load=load, at=at: load.statuses[200] > at + 10)  # type: ignore[misc]
        # the router answered all the while, with what is true: no replica, or one that broke
        assert set(load.statuses) <= {200, 502, 503, 408}, load.statuses
        after = until(lambda: len(found := containers(serving, engine)) == 1 and found)
        assert after != before
    assert serving.port == port
    serving.mlctl("online-endpoint", "delete", "-n", "iris", "--yes")
    until(lambda: containers(serving, engine) == [])  # a slow engine is still removing it
