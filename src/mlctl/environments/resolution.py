"""What an environment of a spec means: requirements for a virtual environment, image and build for a container."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlctl.entities.environment import BuildContext, Environment, Requirements
from mlctl.environments.conda import requirements_from_conda
from mlctl.environments.curated import CuratedEnvironment, CuratedTable, split_reference
from mlctl.errors import InvalidSpecError, NotFoundError

_PYTHON_IMAGE = re.compile(r"(?:^|/)python:(3\.\d{1,2}(?:\.\d+)?)(?=-|$)")
_PYTHON_IN_NAME = re.compile(r"(?:^|[-_/:.])py(?:thon)?[-_]?(3)\.?(\d{1,2})(?=[-_:.]|$)")


@dataclass(frozen=True, slots=True)
class ResolvedEnvironment:
    """One environment for every back end.

    `requirements`: for a virtual environment; its warnings say what such an environment does not honour (an image).
    `image`, `conda`, `build`: for containers; `conda` is the parsed conda file that goes on top of `image`.
    `curated`: the name when the environment is in the curated table.
    """

    requirements: Requirements
    image: str | None = None
    build: BuildContext | None = None
    conda: dict[str, Any] | None = None
    curated: str | None = None


def resolve(environment: Environment, table: CuratedTable) -> ResolvedEnvironment:
    """What `environment` means. Raises NotFoundError for an unknown reference, InvalidSpecError for conda files.

    An environment with a build context has empty requirements: only a container can honour it.
    """
    if environment.build is not None:
        origin = f"build context {environment.build.path}"
        return ResolvedEnvironment(Requirements(origin=origin), build=environment.build)
    if environment.reference is not None:
        return _resolve_reference(environment.reference, table)
    return _resolve_image(environment, table)


def python_of_image(image: str) -> str | None:
    """The Python version that an image name tells: `python:3.11-slim`, `…/minimal-py312-inference`; None when none."""
    match = _PYTHON_IMAGE.search(image)
    if match:
        return match[1]
    match = _PYTHON_IN_NAME.search(image)
    return f"{match[1]}.{match[2]}" if match else None


def _resolve_reference(reference: str, table: CuratedTable) -> ResolvedEnvironment:
    curated = table.lookup(reference)
    if curated is None:
        from mlctl.spec.problems import closest

        name = split_reference(reference)[0]
        near = closest(name.removeprefix("AzureML-"), table.names()) if name else None
        raise NotFoundError(
            f"no environment '{reference}'",
            hint=(f"did you mean '{near}'? " if near else "")
            + "name an image or a conda_file in the spec, or describe this environment in a file that setting "
            "environments.map names",
        )
    return ResolvedEnvironment(_curated_requirements(curated), image=curated.image, curated=curated.name)


def _curated_requirements(curated: CuratedEnvironment) -> Requirements:
    origin = f"curated environment {curated.name}"
    warnings = (f"{origin}: {curated.note}",) if curated.note else ()
    return Requirements(curated.python, curated.packages, origin, warnings)


def _resolve_image(environment: Environment, table: CuratedTable) -> ResolvedEnvironment:
    image, conda = environment.image, environment.conda
    if conda is not None:
        requirements = _conda_requirements(environment, conda, table)
        if requirements.python is None and image:
            requirements = replace(requirements, python=python_of_image(image))
        return ResolvedEnvironment(requirements, image=image, conda=conda)
    if image is None:
        raise InvalidSpecError(
            "the environment has neither an image nor a conda file", hint="add `image:` or `conda_file:`"
        )
    curated = table.lookup(image) if "mcr.microsoft.com/" in image else None
    if curated is not None:
        requirements = _curated_requirements(curated)
    else:
        requirements = Requirements(python_of_image(image), (), f"image {image}")
    python = requirements.python or f"{sys.version_info[0]}.{sys.version_info[1]} of this machine"
    contents = "the packages of the curated environment" if curated else "no packages"
    warning = f"image '{image}' is not used here: the job gets Python {python} with {contents} (docker runs the image)"
    requirements = replace(requirements, warnings=(warning, *requirements.warnings))
    return ResolvedEnvironment(requirements, image=image, curated=curated.name if curated else None)


def _conda_requirements(environment: Environment, conda: dict[str, Any], table: CuratedTable) -> Requirements:
    source = Path(environment.conda_source) if environment.conda_source else None
    return requirements_from_conda(
        conda, origin=source.name if source else "conda_file", source=source, names=table.conda_packages
    )
