"""Images that score by themselves: an environment's image with model, code, variables and a server. Pure.

Places, variables and port are those of Azure ML's containers: a script finds the same there, here and in Azure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from mlctl.errors import UnsupportedError, UsageError
from mlctl.images.context import IGNORE_FILE
from mlctl.images.dockerfile import ENVIRONMENT_FOLDER
from mlctl.images.recipe import ImageRecipe, Part

SERVER = "azureml-inference-server-http"
"""The server in Azure ML's own images."""

APP = "/var/azureml-app"
MODELS = f"{APP}/azureml-models"
PORT = 5001
"""Azure ML's port of the inference server."""

FIND_SERVER = 'PATH="${AZUREML_INFERENCE_PYTHON_PATH:+$AZUREML_INFERENCE_PYTHON_PATH:}$PATH"; '
RUN_SERVER = f'exec azmlinfsrv --entry_script "$AML_APP_ROOT/$AZUREML_ENTRY_SCRIPT" --port {PORT}'

_NOBODY = "65534:65534"
_ASK = "import urllib.request as r; r.urlopen('http://127.0.0.1:{port}{path}', timeout=5)"


@dataclass(frozen=True, slots=True)
class Copied:
    """A folder of this machine, its place in the image, and its prefix in the build context."""

    folder: Path
    place: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Package:
    """What comes on top of an environment's image.

    `command`: the words of the server, as a shell takes them; None for an image that starts its own. `health`: the path
    that answers while it lives; None when nothing in the image can ask.
    """

    copied: tuple[Copied, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    port: int = PORT
    command: str | None = None
    health: str | None = None


def scoring_variables(plan: Mapping[str, Any], model: str | None, script: str | None) -> dict[str, str]:
    """The variables through which a script finds model and code. `plan`: that of a deployment's containers.

    `model`: its path below the models' place; `script`: the entry script's in the code.
    """
    found = {} if model is None else {"AZUREML_MODEL_DIR": str(PurePosixPath(plan["models_place"], model))}
    if script is not None:
        place = code_place(plan) / script
        found |= {"AML_APP_ROOT": str(place.parent), "AZUREML_ENTRY_SCRIPT": place.name}
    if not plan["routes"]:
        found |= {"HOME": "/tmp", "PYTHONUNBUFFERED": "1"}  # in the container
        if plan["docker"]["conda"] or plan["docker"]["packages"]:
            found["AZUREML_INFERENCE_PYTHON_PATH"] = f"{ENVIRONMENT_FOLDER}/bin"
    return found


def code_place(plan: Mapping[str, Any]) -> PurePosixPath:
    """The folder of the code in the container."""
    return PurePosixPath(APP, plan["code_name"])


def package_of(
    plan: Mapping[str, Any],
    *,
    models: Path,
    model: str | None,
    code: Path,
    script: str | None,
    more: Sequence[Copied] = (),
    command: str | None = None,
) -> Package:
    """What the plan of a deployment's containers puts on top of its environment's image.

    `models` and `code` are the folders that model and code were laid out in, `model` and `script` as of
    `scoring_variables`. `command`: how the server is started, where it is neither Azure ML's nor the image's own.
    """
    variables = scoring_variables(plan, model, script)
    copied = [] if model is None else [Copied(models / model, variables["AZUREML_MODEL_DIR"], "model/")]
    if script is not None:
        copied.append(Copied(code, str(code_place(plan)), "code/"))
    own = bool(plan["routes"])
    return Package(
        copied=(*copied, *more),
        variables={**variables, **plan["variables"]},
        port=plan["port"],
        command=command or (None if own else f"{FIND_SERVER}{RUN_SERVER}"),
        health=None if own else "/",
    )


def package_recipe(base: ImageRecipe | str, package: Package) -> ImageRecipe:
    """The recipe of a package on an image, or on one that is built in the same go.

    Raises UsageError for a variable that no Dockerfile can hold, UnsupportedError for a build context with folders of
    the same names.
    """
    if isinstance(base, str):
        base = ImageRecipe(files={"Dockerfile": f"FROM {base}".encode()})
    base = _without_rules(base, {copied.prefix for copied in package.copied})
    parts = tuple(Part(copied.folder, _files(copied.folder), copied.prefix) for copied in package.copied)
    lines = "".join(f"{line}\n" for line in _lines(package))
    files = {**base.files, base.dockerfile: base.files[base.dockerfile].rstrip() + f"\n{lines}".encode()}
    return replace(base, files=files, parts=(*base.parts, *parts), salt=base.salt + lines)


def health_command(port: int, path: str) -> str:
    """A shell's words that fail unless the server in the container answers."""
    ask = _ASK.format(port=port, path=path)
    return f'{FIND_SERVER}python3 -c "{ask}"'


def with_server(packages: Sequence[str]) -> list[str]:
    """The packages of a deployment, with the inference server unless they name it."""
    named = any(line.replace("_", "-").lower().startswith(SERVER) for line in packages)
    return [*packages] if named else [*packages, SERVER]


def conda_with_server(conda: dict[str, Any] | None) -> dict[str, Any] | None:
    """The conda file with the inference server among its pip packages, for images that have conda."""
    if conda is None:
        return None
    listed = list(conda.get("dependencies") or [])
    pip = [line for part in listed if isinstance(part, dict) for line in part.get("pip") or []]
    if with_server(pip) == pip:
        return conda
    plain = [part for part in listed if not isinstance(part, dict)]
    has_pip = any(str(part).startswith("pip") for part in plain)
    return {**conda, "dependencies": [*plain, *([] if has_pip else ["pip"]), {"pip": [*pip, SERVER]}]}


def _without_rules(base: ImageRecipe, prefixes: Set[str]) -> ImageRecipe:
    """A build context of the user's own without `.dockerignore`: it was obeyed, and would leave the package out."""
    for part in base.parts:
        taken = sorted(prefix for prefix in prefixes if any(f"{path}/".startswith(prefix) for path in part.files))
        if taken:
            raise UnsupportedError(
                f"the build context {part.folder} has a folder {taken[0]} of its own, where the package's is to be",
                hint="call it differently there",
            )
    parts = (replace(part, files=tuple(path for path in part.files if path != IGNORE_FILE)) for part in base.parts)
    return replace(base, parts=tuple(parts))


def _lines(package: Package) -> list[str]:
    lines = [f"COPY {_words(copied.prefix, f'{copied.place}/')}" for copied in package.copied]
    lines += [f"ENV {_assigned(name, value)}" for name, value in package.variables.items()]
    lines.append(f"EXPOSE {package.port}")
    if package.command is None:
        return lines
    lines.append(f"WORKDIR {APP}")
    if package.health is not None:
        lines.append(f"HEALTHCHECK --start-period=60s CMD {health_command(package.port, package.health)}")
    return [*lines, f"USER {_NOBODY}", f"ENTRYPOINT {json.dumps(['/bin/sh', '-c', package.command])}", "CMD []"]


def _words(*paths: str) -> str:
    """Paths of a Dockerfile: a dollar sign would ask for a variable."""
    return json.dumps([path.replace("\\", "\\\\").replace("$", "\\$") for path in paths])


def _assigned(name: str, value: str) -> str:
    """A variable of a Dockerfile: quotes, backslashes and dollars mean themselves, a line break cannot be had."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
        raise UsageError(f"the variable '{name}' has a name that an image cannot keep", hint="letters, digits and _")
    if "\n" in value or "\r" in value:
        raise UsageError(f"the variable {name} has several lines, which an image cannot keep", hint="write it in one")
    for mark in ("\\", '"', "$"):
        value = value.replace(mark, f"\\{mark}")
    return f'{name}="{value}"'


def _files(folder: Path) -> tuple[str, ...]:
    """All below a folder, folders before what they hold."""
    return tuple(path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")))
