"""A model package on a real engine: built, pushed to a real registry, run without mlctl, and asked."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Mlctl
from tests.live.docker_jobs import IMAGE, find_engine
from tests.live.registry import image_registry

pytestmark = [pytest.mark.docker, pytest.mark.network]

CERTIFICATES = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
SCORE = """\
import json, os
def init():
    global factor
    factor = float(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.txt")).read())
def run(data):
    return [factor * one for one in json.loads(data)["data"]] + [os.environ["GREETING"]]
"""


@pytest.fixture
def packing(mlctl: Mlctl) -> Iterator[Mlctl]:
    find_engine(mlctl.home).close()
    mlctl.environ["DOCKER_CONFIG"] = str(mlctl.home / "docker-config")
    mlctl("config", "set", f"docker.ca_bundle={CERTIFICATES}")
    (mlctl.folder / "code").mkdir()
    (mlctl.folder / "code/score.py").write_text(SCORE)
    (mlctl.folder / "model.txt").write_text("2.5\n")
    spec = {
        "base_environment_source": {"type": "environment_asset", "resource_id": "azureml:base:1"},
        "target_environment": "packed",
        "inferencing_server": {
            "type": "azureml_online",
            "code_configuration": {"code": "code", "scoring_script": "score.py"},
        },
        "environment_variables": {"GREETING": 'a "b" $c'},
    }
    (mlctl.folder / "package.yml").write_text(json.dumps(spec))
    mlctl("environment", "create", "-n", "base", "--image", IMAGE)
    mlctl("model", "create", "-n", "factor", "--path", "model.txt")
    yield mlctl
    for row in mlctl.json("environment", "list-images"):
        subprocess.run(["docker", "image", "rm", "-f", row["image"]], capture_output=True, check=False)


def test_a_package_runs_where_there_is_no_mlctl(packing: Mlctl, tmp_path: Path) -> None:
    words = ("model", "package", "-n", "factor", "-v", "1", "-f", "package.yml")
    with image_registry(tmp_path / "registry") as registry:
        made = packing.json(*words, "--push", f"{registry}/team/factor:1", timeout=600)
        (pinned,) = made["built_image"]["pinned"]
        assert pinned.startswith(f"{registry}/team/factor@sha256:")
        again = packing.json(*words)
        assert (again["version"], again["built_image"]["digest"]) == ("1", made["built_image"]["digest"])
        subprocess.run(["docker", "image", "rm", "-f", made["built_image"]["image"]], capture_output=True, check=True)
        container = subprocess.run(
            ["docker", "run", "-d", "-p", "127.0.0.1:0:5001", pinned], capture_output=True, text=True, check=True
        ).stdout.strip()
        try:
            port = subprocess.run(["docker", "port", container, "5001"], capture_output=True, text=True, check=True)
            assert _score(port.stdout.split()[-1], {"data": [1, 2]}) == [2.5, 5.0, 'a "b" $c']
        finally:
            subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=False)
            subprocess.run(["docker", "image", "rm", "-f", pinned], capture_output=True, check=False)
    assert "model/factor/1" in json.dumps(packing.json("environment", "why", "packed:1")).replace('": "', "/")


def test_the_context_alone_needs_no_engine(packing: Mlctl) -> None:
    packing.environ["DOCKER_HOST"] = "unix:///no/such/socket"
    made = packing.json("model", "package", "-n", "factor", "-v", "1", "-f", "package.yml", "--write-context", "out")
    assert made["build_context"] == "out"
    assert (packing.folder / "out/model/model.txt").read_text() == "2.5\n"
    assert (packing.folder / "out/code/score.py").read_text() == SCORE
    assert "ENTRYPOINT" in (packing.folder / "out/Dockerfile").read_text()
    del packing.environ["DOCKER_HOST"]


def _score(address: str, body: object) -> object:
    request = urllib.request.Request(f"http://{address}/score", json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    give_up = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except (OSError, urllib.error.URLError):
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)
