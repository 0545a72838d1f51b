"""Environments: what Python, packages or image a job or a deployment runs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BuildContext:
    """A Docker build context: an absolute folder and the Dockerfile in it, relative to the folder."""

    path: str
    dockerfile_path: str = "Dockerfile"


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment as a spec names it.

    Exactly one of `reference` (azureml:name:version, azureml://registries/…), `image` or `build` is set; `conda` (the
    parsed conda file) may stand beside `image`. `conda_source` is the file the conda data came from, for messages.
    `asset` is the pinned reference of the registered environment that this is. `inference_config`: the routes of an
    image that brings its own server, as written.
    """

    reference: str | None = None
    image: str | None = None
    build: BuildContext | None = None
    conda: dict[str, Any] | None = None
    conda_source: str | None = None
    os_type: str = "linux"
    asset: str | None = None
    inference_config: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a Python environment must hold: the meeting point of conda files, curated names and images.

    `python`: a version such as "3.10", or None for whatever is there. `packages`: PEP 508 lines and pip options, in
    order. `origin`: words for messages ("conda.yml", "curated environment sklearn-1.5"). `warnings`: sentences to show.
    """

    python: str | None = None
    packages: tuple[str, ...] = ()
    origin: str = "no packages"
    warnings: tuple[str, ...] = ()
