"""The folder of an endpoint: what runs, and what it needs to run.

routes.json  keys.json  access.log  router.json         the router's (mlctl.serving)
keeper.lock  keeper.log  state.json                     the keeper's: held while it lives; its words; what it started
deployments/<name>/<generation>/
    launch.json      how a replica is started, written last by the preparation
    build.log        what a user should see of the preparation
    code/  azureml-models/<model>/<version>/<base>      what the scoring script finds
    replica-<n>.log  stdout and stderr of a replica
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO


@dataclass(frozen=True, slots=True)
class GenerationFolder:
    """The folder of one generation of a deployment."""

    root: Path

    @property
    def launch(self) -> Path:
        """How a replica is started."""
        return self.root / "launch.json"

    @property
    def build_log(self) -> Path:
        """What was said while it was made ready."""
        return self.root / "build.log"

    @property
    def code(self) -> Path:
        """The scoring code."""
        return self.root / "code"

    @property
    def models(self) -> Path:
        """Below it, the model by name and version."""
        return self.root / "azureml-models"

    def replica_log(self, index: int) -> Path:
        """Stdout and stderr of a replica."""
        return self.root / f"replica-{index}.log"


@dataclass(frozen=True, slots=True)
class EndpointFolder:
    """The folder of an endpoint."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the keeper while it lives."""
        return self.root / "keeper.lock"

    @property
    def log(self) -> Path:
        """The keeper's words."""
        return self.root / "keeper.log"

    @property
    def router_log(self) -> Path:
        """The router's words; its requests are in access.log."""
        return self.root / "router.log"

    @property
    def state(self) -> Path:
        """The processes that the keeper started, for the next keeper."""
        return self.root / "state.json"

    def generation(self, deployment: str, generation: int) -> GenerationFolder:
        """One generation of a deployment."""
        return GenerationFolder(self.root / "deployments" / deployment / str(generation))

    def generations(self) -> list[tuple[str, int]]:
        """Deployment and number of each generation that has a folder."""
        found = self.root.glob("deployments/*/*")
        return [(path.parent.name, int(path.name)) for path in found if path.name.isdigit()]

    def remove_generation(self, deployment: str, generation: int) -> None:
        """Remove the folder of a generation that nothing runs from."""
        folder = self.generation(deployment, generation).root
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()


def write_json(path: Path, value: Any, *, mode: int = 0o600) -> None:
    """Write a file in one step: a reader finds the old one or the new one."""
    incoming = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    with os.fdopen(os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
    incoming.replace(path)


def open_log(path: Path) -> BinaryIO:
    """A log to add to; a new one is its owner's alone."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def read_json(path: Path) -> Any:
    """What a file holds; None when it is not there, or damaged by a machine that lost power."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
