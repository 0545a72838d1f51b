"""The formats of models: does a folder hold what its type says?

Layouts are those of MLflow (a folder with MLmodel) and of Triton's model repository
(https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md).
"""

from __future__ import annotations

from pathlib import Path

from mlctl.assets.mlflow_model import FILE, is_mlflow_model
from mlctl.errors import InvalidSpecError

CUSTOM, MLFLOW, TRITON = "custom_model", "mlflow_model", "triton_model"

_CONFIG = "config.pbtxt"


def checked_type(place: Path, wanted: str | None) -> tuple[str, tuple[str, ...]]:
    """The type of the model whose files are at `place`, and sentences for the user.

    Without a type it is what the files are; az takes custom_model then. Raises InvalidSpecError when the files are not
    laid out as the type says.
    """
    if wanted == MLFLOW:
        _check_mlflow(place)
    elif wanted == TRITON:
        return TRITON, tuple(_check_triton(place))
    elif is_mlflow_model(place):
        if wanted is None:
            return MLFLOW, (f"the files are an MLflow model ({FILE}), so it gets type {MLFLOW}; az wants that written",)
        return wanted, (
            f"the files are an MLflow model ({FILE}): 'type: {MLFLOW}' lets it be deployed without a script",
        )
    return wanted or CUSTOM, ()


def _check_mlflow(place: Path) -> None:
    if is_mlflow_model(place):
        return
    if not place.is_dir():
        raise InvalidSpecError(
            f"{place} is a file, and an {MLFLOW} is a folder with {FILE}",
            hint=f"name the folder, or write type: {CUSTOM}",
        )
    inner = [found.parent for found in sorted(place.glob(f"*/{FILE}"))]
    raise InvalidSpecError(
        f"{place} is no {MLFLOW}: there is no {FILE} in it",
        hint=f"it is in {inner[0].name}/: add that to the path" if inner else f"write type: {CUSTOM}",
    )


def _check_triton(place: Path) -> list[str]:
    """Sentences about a model repository: `<model>/config.pbtxt` and `<model>/<version>/<files>`."""
    layout = f"a {TRITON} is a folder of models, each with {_CONFIG} and numbered folders: <model>/1/model.onnx"
    if not place.is_dir():
        raise InvalidSpecError(f"{place} is a file, and {layout}", hint="name the folder above the models")
    if (place / _CONFIG).is_file() or (_versions(place) and not _models(place)):
        raise InvalidSpecError(f"{place} is a model, and {layout}", hint=f"name the folder above it: {place.parent}")
    models = _models(place)
    if not models:
        raise InvalidSpecError(f"{place} holds no model: {layout}", hint=f"or write type: {CUSTOM}")
    told = []
    for model in models:
        versions = _versions(model)
        if not versions:
            raise InvalidSpecError(
                f"model {model.name!r} has no numbered folder: {layout}", hint=f"put its files into {model.name}/1/"
            )
        empty = [version.name for version in versions if not any(version.iterdir())]
        if empty:
            raise InvalidSpecError(
                f"{model.name}/{empty[0]} is empty: {layout}", hint="put the model's files there, or remove the folder"
            )
        if not (model / _CONFIG).is_file():
            told.append(f"{model.name} has no {_CONFIG}: Triton makes one for some formats only")
    return told


def _models(place: Path) -> list[Path]:
    """Folders that may be models: neither hidden nor versions."""
    return [path for path in sorted(place.iterdir()) if _is_folder(path) and not path.name.isdigit()]


def _versions(model: Path) -> list[Path]:
    return [path for path in sorted(model.iterdir()) if _is_folder(path) and path.name.isdigit()]


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")
