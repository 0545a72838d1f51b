"""The recipe of a model package: an environment's image, the inference server, a model and its scoring code. Pure.

Places and variables are those of Azure ML's own inference images.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlctl.images.recipe import ImageRecipe, Part

SERVER = "azureml-inference-server-http"
"""The server in Azure ML's own images."""

APP = "/var/azureml-app"
MODELS = f"{APP}/azureml-models"
PORT = 5001
"""Azure ML's port of the inference server."""

MODEL_PREFIX, CODE_PREFIX = "model/", "code/"
"""Where model and code stand in the build context."""

_START = f'exec azmlinfsrv --entry_script "$AML_APP_ROOT/$AZUREML_ENTRY_SCRIPT" --port {PORT}'


def packaged(
    recipe: ImageRecipe,
    *,
    model: Part | None,
    model_place: str,
    code: Part,
    code_name: str,
    script: str,
    variables: Mapping[str, str],
) -> ImageRecipe:
    """The recipe with model and code on top, which starts the inference server.

    `model_place`: the folder that AZUREML_MODEL_DIR names. `script`: the entry script in the code.
    """
    folder, _, name = script.rpartition("/")
    root = f"{APP}/{code_name}"
    known = {
        **({"AZUREML_MODEL_DIR": model_place} if model else {}),
        "AML_APP_ROOT": f"{root}/{folder}" if folder else root,
        "AZUREML_ENTRY_SCRIPT": name,
        "PYTHONUNBUFFERED": "1",
    }
    lines = [
        *([f"COPY {MODEL_PREFIX} {_quoted(model_place)}/"] if model else []),
        f"COPY {CODE_PREFIX} {root}/",
        *(f"ENV {key}={_quoted(value)}" for key, value in {**known, **variables}.items()),
        f"WORKDIR {APP}",
        f"EXPOSE {PORT}",
        f"ENTRYPOINT {json.dumps(['/bin/sh', '-c', _START])}",
        "",
    ]
    text = recipe.files[recipe.dockerfile].decode() + "\n".join(lines)
    parts: Sequence[Part] = (*recipe.parts, *([model] if model else []), code)
    return replace(recipe, files={**recipe.files, recipe.dockerfile: text.encode()}, parts=tuple(parts))


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


def _quoted(text: str) -> str:
    """A value of a Dockerfile: quotes, backslashes and dollars mean themselves, a line break cannot be had."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", " ")
    return f'"{escaped}"'
