"""Pulling from a registry: a real engine, and a registry of one small image that this test serves itself."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.live.docker_jobs import docker_job, find_engine, settings_in, wanted

from mlctl.errors import AuthError, NotFoundError

pytestmark = pytest.mark.docker

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Registry:
    """The read-only half of the registry API, for one image under any name but `secret/…` and `gone/…`."""

    def __init__(self) -> None:
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            info = tarfile.TarInfo("word")
            info.size = 36
            tar.addfile(info, io.BytesIO(str(uuid.uuid4()).encode()))
        data = layer.getvalue()
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [_digest(data)]},
            }
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": len(config),
                "digest": _digest(config),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
                    "size": len(data),
                    "digest": _digest(data),
                }
            ],
        }
        self.manifest = json.dumps(manifest).encode()
        self.blobs = {_digest(config): config, _digest(data): data}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.answer(self)

            def do_HEAD(self) -> None:
                registry.answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.strip("/")
        status, kind, body = (
            404,
            "application/json",
            b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
        )
        if "/secret/" in path:
            status, body = 401, b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
        elif path == "v2":
            status, body = 200, b"{}"
        elif "/manifests/" in path and "/gone/" not in path:
            status, kind, body = 200, MANIFEST, self.manifest
        elif "/blobs/" in path and path.rpartition("/")[2] in self.blobs:
            status, kind, body = 200, "application/octet-stream", self.blobs[path.rpartition("/")[2]]
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Docker-Content-Digest", _digest(body))
        request.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(body)


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry on the loopback, which engines use without TLS."""
    find_engine(tmp_path_factory.mktemp("engine")).close()
    made = Registry()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(5)


def test_an_image_is_pulled_from_the_mirror_and_then_found_here(tmp_path: Path, registry: Registry) -> None:
    import docker

    name = f"{registry.address}/library/base:1"
    engine = find_engine(tmp_path)
    try:
        with docker_job(tmp_path, docker=wanted(image=name, image_as_written="base:1")) as job:
            job.runner.prepare(job.build_log)
            lines = job.built.splitlines()
            assert lines[0] == f"pulling image {name} (for base:1, by images.mirrors)"
            assert "1: Pulling from library/base" in lines
            assert any(line.endswith(": Pull complete") for line in lines)
            assert lines[-1].startswith(f"pulled image {name} in ")
        with docker_job(tmp_path, name="again", docker=wanted(image=name, image_as_written=name)) as job:
            job.runner.prepare(job.build_log)
            assert job.built == f"image {name} is on this machine\n"
        by_digest = f"{registry.address}/other/base@{_digest(registry.manifest)}"
        with docker_job(tmp_path, name="digest", docker=wanted(image=by_digest, image_as_written=by_digest)) as job:
            job.runner.prepare(job.build_log)
            assert "pulled image" in job.built
    finally:
        client = docker.DockerClient(base_url=engine.candidate.address)
        for image in client.images.list(filters={"reference": f"{registry.address}/*/*"}):
            client.images.remove(image.id, force=True)
        client.close()
        engine.close()


@pytest.mark.parametrize(
    ("repository", "kind", "part"),
    [("gone/base", NotFoundError, "no image"), ("secret/base", AuthError, "not allowed")],
)
def test_why_an_image_cannot_be_had(
    tmp_path: Path, registry: Registry, repository: str, kind: type[Exception], part: str
) -> None:
    name = f"{registry.address}/{repository}:1"
    settings = settings_in(tmp_path)
    with docker_job(tmp_path, docker=wanted(image=name, image_as_written=name), settings=settings) as job:
        with pytest.raises(kind, match=part) as caught:
            job.runner.prepare(job.build_log)
        assert name in str(caught.value)
        assert f"docker login {registry.address}" in caught.value.hint  # type: ignore[attr-defined]
