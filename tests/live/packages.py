"""What live tests of packages and exports share: a model with a script, and containers that no mlctl starts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import Mlctl
from tests.live.docker_jobs import IMAGE, find_engine
from tests.live.serving import until

CERTIFICATES = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
SCORE = """\
import json, os
def init():
    global factor
    factor = float(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "factor.txt")).read())
def run(data):
    found = {name: os.environ.get(name) for name in ("GREETING", "API_TOKEN")}
    return {"scores": [factor * value for value in json.loads(data)["data"]], "user": os.getuid(), **found}
"""
TOKEN = 's3cret "of" the $deployment #1'
GREETING = 'a "b" $c 5%'
SCORES = [4.0, 10.0]
BODY = json.dumps({"data": [1, 2.5]}).encode()
CODE = {"code": "code", "scoring_script": "score.py"}


@contextmanager
def packing(mlctl: Mlctl) -> Iterator[Mlctl]:
    """The program where an engine is, with a model and an environment; images that were made are removed."""
    find_engine(mlctl.home).close()
    mlctl.environ["DOCKER_CONFIG"] = str(mlctl.home / "docker-config")
    mlctl("config", "set", f"docker.ca_bundle={CERTIFICATES}")
    (mlctl.folder / "factor.txt").write_text("4")
    (mlctl.folder / "code").mkdir()
    (mlctl.folder / "code/score.py").write_text(SCORE)
    mlctl("model", "create", "-n", "factor", "--path", "factor.txt")
    mlctl("environment", "create", "-n", "base", "--image", IMAGE)
    yield mlctl
    for row in mlctl.json("environment", "list-images"):
        if row["image"] != IMAGE:
            remove_image(row["image"], *row["pinned"], *(pushed["reference"] for pushed in row["registries"]))


def remove_image(*names: str) -> None:
    """Remove what of these names is on the engine."""
    for name in names:
        subprocess.run(["docker", "image", "rm", "-f", name], capture_output=True, check=False)


@contextmanager
def started(words: list[str]) -> Iterator[str]:
    """A container that plain `docker` starts in the background, with the variables of a bare machine; its id."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("MLCTL_", "PYTHON"))}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=bare)
    assert done.returncode == 0, done.stderr
    container = done.stdout.strip()
    try:
        yield container
    finally:
        subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)


def score(port: int, body: bytes = BODY) -> Any:
    """What /score answers once the server is up."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/score", body)
    request.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def asked() -> Any:
        try:
            with opener.open(request, timeout=10) as answer:
                return json.loads(answer.read())
        except OSError:
            return None

    return until(asked, seconds=60)


def health(container: str) -> str:
    """What the engine's own health check of a container says: starting, healthy, unhealthy."""
    words = ["docker", "inspect", "--format", "{{.State.Health.Status}}", container]
    return subprocess.check_output(words, text=True).strip()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_spec(folder: Path, file: str, **spec: Any) -> str:
    """A YAML file in the folder; its name."""
    (folder / file).write_text(json.dumps(spec))
    return file
