"""`mlctl environment build` with a real engine and a real registry: built once, pushed, verified, without secrets."""

from __future__ import annotations

import base64
import io
import json
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Mlctl
from tests.live.docker_jobs import IMAGE, find_engine
from tests.live.registry import PASSWORD, USER, digest_in, image_registry

pytestmark = pytest.mark.docker

INDEX_PASSWORD = "tok3n-of-the-index"


@pytest.fixture
def docker(mlctl: Mlctl) -> Iterator[Mlctl]:
    """The program where an engine is; the images that a test makes are removed."""
    find_engine(mlctl.home).close()
    mlctl.environ["DOCKER_CONFIG"] = str(mlctl.home / "docker-config")
    yield mlctl
    for row in mlctl.json("environment", "list-images"):
        for name in (row["image"], *(pushed["reference"] for pushed in row["registries"])):
            if name != IMAGE:
                subprocess.run(["docker", "image", "rm", "-f", name], capture_output=True, check=False)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of an empty registry."""
    with image_registry(tmp_path / "registry") as address:
        yield address


def _context(mlctl: Mlctl, *lines: str) -> str:
    """A build context of its own for each test, so that no test finds the image of another."""
    folder = mlctl.folder / "context"
    folder.mkdir(exist_ok=True)
    text = "\n".join([f"FROM {IMAGE}", "COPY word /word", *lines, ""])
    (folder / "Dockerfile").write_text(text)
    (folder / "word").write_text(f"{mlctl.home}\n")
    return "context"


def _run(image: str, *command: str) -> str:
    words = ["docker", "run", "--rm", image, *command]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout


def test_an_environment_is_built_once_pushed_and_run_from_the_registry(docker: Mlctl, registry: str) -> None:
    docker("environment", "create", "-n", "tools", "--build-context", _context(docker))
    assert docker.json("environment", "show", "-n", "tools")["built_image"] is None
    first = docker("environment", "build", "-n", "tools", "--push", f"{registry}/team/tools")
    made = json.loads(first.stdout)
    assert made["built"] is True
    assert made["environments"] == ["azureml:tools:1"]
    assert "COPY word /word" in first.stderr
    (pushed,) = made["registries"]
    tag = pushed["reference"].rpartition(":")[2]
    assert made["fingerprint"].startswith(tag)
    # the registry's own bytes have the digest that was noted
    assert digest_in(registry, "team/tools", tag) == digest_in(registry, "team/tools", pushed["digest"])
    assert digest_in(registry, "team/tools", tag) == pushed["digest"]

    again = docker("environment", "build", "-n", "tools", "-v", "1")
    assert "Step" not in again.stderr
    kept = json.loads(again.stdout)
    assert kept == {**made, "built": False}
    shown = docker.json("environment", "show", "-n", "tools")["built_image"]
    assert (shown["digest"], shown["pinned"]) == (made["digest"], [f"{registry}/team/tools@{pushed['digest']}"])
    assert docker.json("environment", "list-images", "-n", "tools") == [shown]
    assert made["digest"] in docker("environment", "list-images", "-o", "table").stdout

    for name in (made["image"], pushed["reference"]):
        subprocess.run(["docker", "image", "rm", name], capture_output=True, check=True)
    assert _run(shown["pinned"][0], "cat", "/word") == f"{docker.home}\n"
    subprocess.run(["docker", "image", "rm", shown["pinned"][0]], capture_output=True, check=True)


def test_jobs_and_build_share_the_image_and_its_record(docker: Mlctl) -> None:
    docker("environment", "create", "-n", "tools", "--build-context", _context(docker))
    job = docker.folder / "job.yml"
    job.write_text("command: cat /word\nenvironment: azureml:tools:1\n")
    words = ("job", "create", "-f", str(job), "--backend", "docker", "--stream")
    docker(*words, "--name", "first")
    (row,) = docker.json("environment", "list-images")
    assert row["environments"] == ["azureml:tools:1"]
    # the folder that it was made from gives the same image
    spec = docker.folder / "environment.yml"
    spec.write_text("build: {path: context}\n")
    built = docker.json("environment", "build", "-f", str(spec))
    assert (built["digest"], built["built"], built["environments"]) == (row["digest"], False, ["azureml:tools:1"])
    second = docker(*words, "--name", "second")
    assert "was built before and is used again" in second.stderr + second.stdout
    # another version with the same files has the same image
    docker("environment", "create", "-n", "tools", "-v", "7", "--build-context", "context")
    assert docker.json("environment", "build", "-n", "tools", "-v", "7")["environments"] == [
        "azureml:tools:1",
        "azureml:tools:7",
    ]


def test_no_cache_builds_anew(docker: Mlctl) -> None:
    docker("environment", "create", "-n", "tools", "--build-context", _context(docker, "RUN date +%N > /when"))
    first = docker.json("environment", "build", "-n", "tools")
    second = docker.json("environment", "build", "-n", "tools", "--no-cache")
    assert second["built"] is True
    assert second["image"] == first["image"]
    assert second["digest"] != first["digest"]
    assert [row["digest"] for row in docker.json("environment", "list-images")] == [second["digest"]]


def test_an_image_alone_is_pushed_as_it_is(docker: Mlctl, registry: str) -> None:
    docker("environment", "create", "-n", "base", "--image", IMAGE)
    made = docker.json("environment", "build", "-n", "base", "--push", f"{registry}/base:3.11")
    assert (made["image"], made["built"]) == (IMAGE, False)
    assert made["registries"] == [
        {"reference": f"{registry}/base:3.11", "digest": digest_in(registry, "base", "3.11")},
    ]


@contextmanager
def package_index(folder: Path) -> Iterator[tuple[str, Path]]:
    """A package index with TLS, a CA of its own and a password; its address without the password, and the CA's file.

    It has one package, `mlctl-test-package`.
    """
    certificate, key = folder / "index.pem", folder / "index.key"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=index -addext subjectAltName=IP:127.0.0.1".split()
    subprocess.run(
        ["openssl", *words, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True, timeout=60
    )
    wheel, name = _wheel(), "mlctl_test_package-1.0-py3-none-any.whl"
    wanted = "Basic " + base64.b64encode(f"me:{INDEX_PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = 404, b""
            if self.headers.get("Authorization") != wanted:
                status = 401
            elif self.path == "/simple/mlctl-test-package/":
                status, body = 200, f'<html><body><a href="/{name}">{name}</a></body></html>'.encode()
            elif self.path == f"/{name}":
                status, body = 200, wheel
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Type", "text/html" if body[:1] == b"<" else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}/simple", certificate
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _wheel() -> bytes:
    data, info = io.BytesIO(), "mlctl_test_package-1.0.dist-info"
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("mlctl_test_package.py", "word = 'from the index'\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: mlctl-test-package\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return data.getvalue()


def test_a_company_s_index_and_certificates_build_an_image_that_keeps_neither(docker: Mlctl, tmp_path: Path) -> None:
    conda = {"dependencies": ["python=3.11", "pip", {"pip": ["mlctl-test-package"]}]}
    (docker.folder / "conda.yml").write_text(json.dumps(conda))
    docker("environment", "create", "-n", "company", "--image", IMAGE, "--conda-file", "conda.yml")
    with package_index(tmp_path) as (address, certificate):
        # the base image knows no such CA and no such index
        docker("config", "set", "docker.build_network=host", f"docker.ca_bundle={certificate}")
        docker("config", "set", f"environments.pip_arguments=--index-url https://me:{INDEX_PASSWORD}@{address}")
        done = docker("environment", "build", "-n", "company", timeout=300)
    made = json.loads(done.stdout)
    assert _run(made["image"], "python", "-c", "import mlctl_test_package as m; print(m.word)") == "from the index\n"
    assert INDEX_PASSWORD not in done.stdout + done.stderr
    history = subprocess.run(
        ["docker", "history", "--no-trunc", made["image"]], capture_output=True, text=True, check=True
    ).stdout
    facts = subprocess.run(["docker", "inspect", made["image"]], capture_output=True, text=True, check=True).stdout
    for text in (history, facts):
        assert INDEX_PASSWORD not in text
        assert address not in text
    assert _run(made["image"], "ls", "/opt/mlctl") == "environment\n"
    # nothing that knows the password is left on the engine: no stage, and no other image without a name
    left = subprocess.run(
        ["docker", "images", "-a", "-q", "--no-trunc"], capture_output=True, text=True, check=True
    ).stdout.split()
    for image in left:
        found = subprocess.run(["docker", "history", "--no-trunc", image], capture_output=True, text=True, check=False)
        assert INDEX_PASSWORD not in found.stdout
    for path in docker.workspace.rglob("*"):
        if path.is_file():
            assert INDEX_PASSWORD.encode() not in path.read_bytes(), path


def test_a_failed_build_says_why_and_leaves_no_record(docker: Mlctl) -> None:
    lines = ("RUN echo something to read; echo mlctl-test: the disk is on fire >&2; exit 3",)
    docker("environment", "create", "-n", "broken", "--build-context", _context(docker, *lines))
    failed = docker("environment", "build", "-n", "broken", code=7)
    assert failed.stdout == ""
    assert "mlctl-test: the disk is on fire" in failed.stderr
    assert "the image could not be built" in failed.stderr
    assert "returned a non-zero code: 3" in failed.stderr
    quiet = docker("environment", "build", "-n", "broken", "--only-show-errors", code=7)
    assert "mlctl-test: the disk is on fire" in quiet.stderr
    assert docker.json("environment", "list-images") == []


def test_two_builds_at_once_make_one_image_and_a_killed_one_can_be_repeated(docker: Mlctl) -> None:
    docker("environment", "create", "-n", "slow", "--build-context", _context(docker, "RUN sleep 3"))
    killed = docker.start("environment", "build", "-n", "slow")
    assert killed.stderr is not None
    for line in killed.stderr:
        if b"sleep 3" in line:
            break
    killed.kill()
    killed.communicate()
    both = [docker.start("environment", "build", "-n", "slow") for _ in range(2)]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sorted(answer["built"] for answer in answers) == [False, True]
    assert len({answer["digest"] for answer in answers}) == 1


def _log_in(mlctl: Mlctl, config: dict[str, Any]) -> None:
    folder = Path(mlctl.environ["DOCKER_CONFIG"])
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))


def test_credentials_come_from_docker_s_own_configuration(docker: Mlctl, tmp_path: Path) -> None:
    docker("environment", "create", "-n", "base", "--image", IMAGE)
    with image_registry(tmp_path / "closed", password=True) as address:
        push = ("environment", "build", "-n", "base", "--push", f"{address}/base:1")
        refused = docker(*push, code=4)
        assert f"docker login {address}" in refused.stderr
        with closing(find_engine(docker.home)) as engine:
            assert engine.image(f"{address}/base:1") is None  # no name stays of what was not pushed
        _log_in(docker, {"auths": {address: {"auth": base64.b64encode(f"{USER}:wrong".encode()).decode()}}})
        docker(*push, code=4)
        _log_in(docker, {"auths": {address: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}})
        done = docker(*push)
        assert json.loads(done.stdout)["registries"][0]["digest"].startswith("sha256:")
        assert PASSWORD not in done.stdout + done.stderr

        helper = docker.home / "bin" / "docker-credential-mlctltest"
        helper.parent.mkdir()
        answer = json.dumps({"ServerURL": address, "Username": USER, "Secret": PASSWORD})
        helper.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")
        helper.chmod(0o755)
        _log_in(docker, {"credHelpers": {address: "mlctltest"}})
        missing = docker(*push, code=4)
        assert "docker-credential-mlctltest" in missing.stderr
        docker.environ["PATH"] = f"{helper.parent}:{docker.environ['PATH']}"
        docker(*push)
    database = (docker.workspace / "mlctl.db").read_bytes()
    assert PASSWORD.encode() not in database


def test_a_registry_that_does_not_answer_is_unavailable(docker: Mlctl) -> None:
    docker("environment", "create", "-n", "base", "--image", IMAGE)
    failed = docker("environment", "build", "-n", "base", "--push", "127.0.0.1:1/base", code=7)
    assert "cannot push 127.0.0.1:1/base" in failed.stderr
    docker("environment", "build", "-n", "base", "--push", "Not An Image", code=2)


def test_a_written_context_builds_the_same_with_docker_itself(docker: Mlctl) -> None:
    docker("environment", "create", "-n", "tools", "--build-context", _context(docker))
    made = docker.json("environment", "build", "-n", "tools")
    # no engine is needed
    docker.environ["DOCKER_HOST"] = "unix:///no/such/socket"
    written = docker.json("environment", "build", "-n", "tools", "--write-context", "out")
    del docker.environ["DOCKER_HOST"]
    assert (written["image"], written["dockerfile"]) == (made["image"], "Dockerfile")
    words = ["docker", "build", "-q", str(docker.folder / "out")]
    image = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    assert _run(image, "cat", "/word") == f"{docker.home}\n"
    subprocess.run(["docker", "image", "rm", image], capture_output=True, check=False)


def test_unused_images_are_removed_and_used_ones_stay(docker: Mlctl) -> None:
    docker("environment", "create", "-n", "kept", "--build-context", _context(docker))
    docker("environment", "build", "-n", "kept")
    (docker.folder / "context" / "word").write_text("another")
    docker("environment", "create", "-n", "old", "--build-context", "context")
    old = docker.json("environment", "build", "-n", "old")
    docker("environment", "archive", "-n", "old")
    assert docker.json("gc", "--images") == []  # younger than 30 days
    words = ("gc", "--images", "--older-than", "0s")
    assert [(row["name"], row["removed"]) for row in docker.json(*words, "--plan")] == [(old["image"], True)]
    container = subprocess.run(
        ["docker", "create", old["image"], "true"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert [(row["reason"], row["removed"]) for row in docker.json(*words)] == [("a container uses it", False)]
    subprocess.run(["docker", "rm", container], capture_output=True, check=True)
    assert [(row["name"], row["removed"]) for row in docker.json(*words)] == [(old["image"], True)]
    with closing(find_engine(docker.home)) as engine:
        assert engine.image(old["image"]) is None
    assert [row["environments"] for row in docker.json("environment", "list-images")] == [["azureml:kept:1"]]
