"""Which image an environment wants, as plain data: what a plan keeps, and what images are made from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from mlctl.errors import InvalidSpecError
from mlctl.images.names import apply_mirrors

if TYPE_CHECKING:
    from mlctl.entities.environment import Environment
    from mlctl.environments.curated import CuratedTable
    from mlctl.environments.resolution import ResolvedEnvironment

DEFAULT_PYTHON = "3.11"
"""Python of the image for an environment that names neither an image nor a version."""


def resolve_for_image(environment: Environment, table: CuratedTable) -> tuple[ResolvedEnvironment, str | None]:
    """The environment, and why its conda file cannot be had with pip: the image may have conda itself.

    Raises NotFoundError for an unknown reference, InvalidSpecError for a conda file that nothing can install.
    """
    from mlctl.environments.resolution import resolve

    try:
        return resolve(environment, table), None
    except InvalidSpecError as error:
        if environment.conda is None or environment.image is None:
            raise
        plain = resolve(replace(environment, conda=None), table)
        return replace(plain, conda=environment.conda), error.message


def wanted_image(
    environment: ResolvedEnvironment,
    mirrors: Mapping[str, str],
    *,
    conversion_error: str | None = None,
    asset: str | None = None,
) -> dict[str, Any]:
    """What is wanted.

    image, image_as_written: the base image under mirrors and as the spec names it; None with build.
    build: {"path", "dockerfile_path"} or None. conda: the parsed conda file or None. python, packages, origin: what
    pip installs. asset: the registered environment that this is, or None. Raises UsageError for what is no image name.
    """
    requirements = environment.requirements
    image = environment.image
    # an image that stands alone is complete: its packages in `requirements` are for back ends without images
    packages = requirements.packages if environment.conda or image is None else ()
    if image is None and environment.build is None:
        image = f"python:{requirements.python or DEFAULT_PYTHON}"
    return {
        "image": apply_mirrors(image, mirrors) if image else None,
        "image_as_written": image,
        "build": asdict(environment.build) if environment.build else None,
        "conda": environment.conda,
        "conversion_error": conversion_error,
        "python": requirements.python,
        "packages": list(packages),
        "origin": requirements.origin,
        "asset": asset,
    }
