"""From what is wanted and the settings of this machine to the recipe of an image."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlctl.entities.environment import Environment, Requirements
from mlctl.errors import NotFoundError, UnsupportedError
from mlctl.images.context import context_files, mirror_dockerfile
from mlctl.images.dockerfile import pip_variables, proxy_variables, without_credentials, write_addition, write_recipe
from mlctl.images.names import apply_mirrors
from mlctl.images.recipe import ImageRecipe, Part
from mlctl.images.wanted import resolve_for_image, wanted_image
from mlctl.settings import Settings

_ARGUMENT = re.compile(r"^\s*ARG\s+(PIP_\w+)", re.MULTILINE | re.IGNORECASE)
"""A Dockerfile asks for pip's settings by declaring them."""


def wanted_of(environment: Environment, settings: Settings) -> dict[str, Any]:
    """What `environment` wants under the settings; see `wanted_image`.

    Raises NotFoundError for an unknown reference, UsageError for what is no image name, UnsupportedError for Windows.
    """
    from mlctl.environments.curated import load_table

    if environment.os_type.lower() != "linux":
        raise UnsupportedError(f"os_type {environment.os_type}: images are built for Linux", hint="os_type: linux")
    table = settings.text("environments.map")
    resolved, conversion_error = resolve_for_image(environment, load_table(Path(table) if table else None))
    mirrors = settings.pairs("images.mirrors")
    return wanted_image(resolved, mirrors, conversion_error=conversion_error, asset=environment.asset)


def recipe_of(wanted: Mapping[str, Any], settings: Settings, *, platform: str | None = None) -> ImageRecipe | None:
    """The recipe for what `wanted_image` gave; None when the base image is all of it.

    Raises NotFoundError for a missing folder, Dockerfile or file of certificates, UnsupportedError for a build context
    that is not on this machine.
    """
    if wanted["build"]:
        return _from_context(wanted["build"]["path"], wanted["build"]["dockerfile_path"], settings, platform)
    if not (wanted["conda"] or wanted["packages"]):
        return None
    requirements = Requirements(python=wanted["python"], packages=tuple(wanted["packages"]), origin=wanted["origin"])
    return write_recipe(
        wanted["image"],
        requirements,
        conda=wanted["conda"],
        conversion_error=wanted["conversion_error"],
        ca_bundle=read_ca_bundle(settings),
        pip_arguments=settings.text("environments.pip_arguments"),
        proxies=proxies(settings),
        platform=platform,
    )


def addition_of(image: str, packages: Sequence[str], settings: Settings) -> ImageRecipe:
    """The recipe for an image with packages beside those of its own Python. Raises NotFoundError as `recipe_of`."""
    return write_addition(
        image,
        packages,
        ca_bundle=read_ca_bundle(settings),
        pip_arguments=settings.text("environments.pip_arguments"),
        proxies=proxies(settings),
    )


def plain_fingerprint(image: str, platform: str | None) -> str:
    """The fingerprint of an image that is taken as it is."""
    return hashlib.sha256(f"{image}\0{platform or ''}".encode()).hexdigest()


def read_ca_bundle(settings: Settings) -> bytes | None:
    """Content of the file that docker.ca_bundle names. Raises NotFoundError when it cannot be read."""
    path = settings.text("docker.ca_bundle")
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"docker.ca_bundle: cannot read {path}: {error.strerror}", hint="mlctl config set docker.ca_bundle=<file>"
        ) from error


def proxies(settings: Settings) -> dict[str, str]:
    """The proxy variables that settings give to builds and containers."""
    return proxy_variables(settings.text("proxy.http"), settings.text("proxy.https"), settings.text("proxy.no_proxy"))


def _from_context(path: str, dockerfile_path: str, settings: Settings, platform: str | None) -> ImageRecipe:
    if "://" in path:
        raise UnsupportedError(
            f"environment.build.path: the build context {path} is not on this machine",
            hint="fetch it into a folder (git clone) and name that folder",
        )
    folder, dockerfile = Path(path), os.path.normpath(dockerfile_path)
    if dockerfile.startswith((os.pardir, os.sep)):
        raise UnsupportedError(
            f"environment.build.dockerfile_path: {dockerfile_path} leads out of the build context",
            hint="put the Dockerfile into the folder that build.path names",
        )
    files = context_files(folder, dockerfile)
    mirrors = settings.pairs("images.mirrors")
    text = (folder / dockerfile).read_bytes().decode(errors="surrogateescape")
    mirrored = mirror_dockerfile(text, lambda name: apply_mirrors(name, mirrors))
    pip = pip_variables(shlex.split(settings.text("environments.pip_arguments") or ""))
    asked = {name: pip[name] for name in sorted(set(_ARGUMENT.findall(text)) & pip.keys())}
    sources = {name: without_credentials(value) for name, value in asked.items()}
    return ImageRecipe(
        files={dockerfile: mirrored.encode(errors="surrogateescape")},
        parts=(Part(folder, tuple(files)),),
        dockerfile=dockerfile,
        build_args={**asked, **proxies(settings)},
        salt=json.dumps([sources, platform], sort_keys=True),
    )
