"""A real image registry on the loopback, for tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER, PASSWORD = "tester", "s3cret-of-the-test"
_HASH = "$2b$05$gjbhS7JmIEUbAX7LSwBeW.cOjrkNTFY2boPElXBODBjveVrg7izYS"
"""bcrypt of the password, the only kind that the registry takes."""

_MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@contextmanager
def image_registry(folder: Path, *, password: bool = False) -> Iterator[str]:
    """Run docker-registry with its files in `folder`; its address. Skips where it is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        if "registry" in os.environ.get("MLCTL_TEST_REQUIRE", "").split(","):
            pytest.fail("docker-registry is required here")
        pytest.skip("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    folder.mkdir()
    settings = f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: {address}}}\n"
    if password:
        (folder / "users").write_text(f"{USER}:{_HASH}\n")
        settings += f"auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}\n"
    (folder / "registry.yml").write_text(settings)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "registry.yml")], stdout=log, stderr=log)
    try:
        _wait(address, process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(10)


def digest_in(address: str, repository: str, reference: str) -> str:
    """The digest of what the registry itself gives for a tag or a digest, computed from its bytes."""
    url = f"http://{address}/v2/{repository}/manifests/{reference}"
    request = urllib.request.Request(url, headers={"Accept": _MANIFESTS})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return f"sha256:{hashlib.sha256(answer.read()).hexdigest()}"


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        else:
            return
