"""Servers of object stores on loopback, each a process of its own with credentials that it was just given."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class ObjectStore:
    """A running server. `settings` and `credentials` are those of a datastore for its one container or bucket."""

    type: str
    settings: dict[str, str]
    credentials: dict[str, str]

    def datastore(self, name: str, **credentials: str) -> dict[str, Any]:
        """The YAML of a datastore of it; its own credentials stand in clear when none are given."""
        return {"name": name, "type": self.type, **self.settings, "credentials": credentials or self.credentials}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be found anywhere."""
        return tuple(self.credentials.values())

    def write(self, folder: Path, name: str, **credentials: str) -> Path:
        """The YAML as a file. JSON is YAML."""
        path = folder / f"{name}.yml"
        path.write_text(json.dumps(self.datastore(name, **credentials)))
        return path


def require(name: str, why: str) -> None:
    """Skip the test for a service that is not here, or fail it where MLCTL_TEST_REQUIRE says that it must be."""
    if name in os.environ.get("MLCTL_TEST_REQUIRE", "").split(","):
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def azurite(folder: Path) -> Iterator[ObjectStore]:
    """Microsoft's own emulator of Blob Storage, with an account and a key of this run."""
    program = os.environ.get("MLCTL_TEST_AZURITE") or shutil.which("azurite-blob")
    if not program:
        require("azurite", "azurite-blob is not on PATH (npm install azurite), nor named by MLCTL_TEST_AZURITE")
    account, key = "mlctltest", base64.b64encode(os.urandom(64)).decode()
    port = free_port()
    words = [str(program), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder)]
    words += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    with _server(words, port, {"AZURITE_ACCOUNTS": f"{account}:{key}"}):
        from azure.storage.blob import BlobServiceClient

        credential = {"account_name": account, "account_key": key}
        with BlobServiceClient(f"http://127.0.0.1:{port}/{account}", credential=credential) as client:
            client.create_container("training")
        settings = {"account_name": account, "container_name": "training"}
        settings |= {"endpoint": f"127.0.0.1:{port}", "protocol": "http"}
        yield ObjectStore("azure_blob", settings, {"account_key": key})


@contextmanager
def s3() -> Iterator[ObjectStore]:
    """A server that speaks S3, in memory."""
    port = free_port()
    secret = base64.b64encode(os.urandom(30)).decode()
    key = "AKIA" + base64.b32encode(os.urandom(10)).decode()
    with _server([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, {}):
        import boto3

        address = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=address,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="training")
        client.close()
        settings = {"bucket_name": "training", "endpoint": address, "region": "us-east-1"}
        yield ObjectStore("s3", settings, {"access_key_id": key, "secret_access_key": secret})


def free_port() -> int:
    """A port that is free when it is asked for."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def _server(words: list[str], port: int, environ: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        words, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(process, port)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    """Until the server takes connections; there is no event to wait for."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        with socket.socket() as tried:
            tried.settimeout(1)
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}")
