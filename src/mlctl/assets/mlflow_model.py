"""What an MLflow model says about itself: the file `MLmodel` in its folder, read without MLflow.

The format is MLflow's (`mlflow/models/model.py`, `mlflow/models/signature.py`). A job wrote the file, so nothing in it
is relied on: what has another shape than MLflow gives it is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlctl.errors import MlctlError

FILE = "MLmodel"


def is_mlflow_model(folder: Path) -> bool:
    """Whether a folder is an MLflow model."""
    return (folder / FILE).is_file()


def read_mlflow_model(folder: Path) -> dict[str, Any]:
    """{"flavors", "signature", "mlflow"} of the model in a folder.

    flavors: name -> its fields. signature: {"inputs", "outputs", "params"}, each a list of fields with their types, or
    None. mlflow: version, model_uuid, run_id, utc_time_created, artifact_path and the path of the input example, as far
    as they are there. Raises InvalidSpecError (no YAML, too large), NotFoundError, AuthError.
    """
    from mlctl.spec.reader import read_file

    data = read_file(folder / FILE, source=FILE).data
    flavors = data.get("flavors")
    return {
        "flavors": flavors if isinstance(flavors, dict) else {},
        "signature": _signature(data.get("signature")),
        "mlflow": _facts(data),
    }


def describe_model(folder: Path) -> dict[str, Any]:
    """As `read_mlflow_model`; empty for a folder without MLmodel, `mlflow.error` for one that cannot be read."""
    if not is_mlflow_model(folder):
        return {}
    try:
        return read_mlflow_model(folder)
    except MlctlError as error:
        problems = getattr(error, "problems", ())
        return {"mlflow": {"error": problems[0].message if problems else error.message}}


def _facts(data: Mapping[str, Any]) -> dict[str, Any]:
    example = data.get("saved_input_example_info")
    facts = {
        "version": data.get("mlflow_version"),
        "model_uuid": data.get("model_uuid") or data.get("model_id"),
        "run_id": data.get("run_id"),
        "utc_time_created": data.get("utc_time_created"),
        "input_example": example.get("artifact_path") if isinstance(example, Mapping) else None,
    }
    return {key: str(value) for key, value in facts.items() if isinstance(value, str | int | float)}


def _signature(given: Any) -> dict[str, Any] | None:
    """A signature; its parts are JSON texts within the YAML."""
    if not isinstance(given, Mapping):
        return None
    return {part: _fields(given.get(part)) for part in ("inputs", "outputs", "params")}


def _fields(text: Any) -> list[dict[str, Any]] | None:
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    return [_field(one) for one in found if isinstance(one, Mapping)]


def _field(given: Mapping[str, Any]) -> dict[str, Any]:
    """One column, tensor or parameter: name, type, and what else is known. A tensor's dtype is its type."""
    tensor = given.get("tensor-spec")
    if isinstance(tensor, Mapping):
        shown = {"name": given.get("name"), "type": f"tensor({tensor.get('dtype')})", "shape": tensor.get("shape")}
    else:
        shown = dict(given)
    return {key: value for key, value in shown.items() if value is not None}
