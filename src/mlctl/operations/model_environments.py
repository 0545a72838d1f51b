"""The environment that an MLflow model brings along."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlctl.entities.environment import Environment
from mlctl.entities.online_deployment import ModelFiles
from mlctl.errors import InvalidSpecError
from mlctl.store.workspaces import WorkspaceStore

_PART = ("conda.yaml", "requirements.txt", "python_env.yaml", "MLmodel")


def environment_of_model(store: WorkspaceStore, model: ModelFiles, *, files: bool = False) -> Environment:
    """The environment described in the model's conda.yaml or requirements.txt. Raises InvalidSpecError without either.

    With `files` it is made for scoring files without a script: a model that takes tensors gets what reads images.

    Contract: MLflow's model format; conda.yaml holds the Python version and the pip packages.
    """
    from mlctl.spec.reader import read_file

    entries = [entry for entry in store.content.entries(model.content) if entry.kind == "file"]
    roots = [entry.path.rpartition("/")[0] for entry in entries if entry.path.rpartition("/")[2] == "MLmodel"]
    if not roots:
        raise InvalidSpecError(
            f"model '{model.name}' has type mlflow_model and holds no MLmodel file",
            hint="register the folder that holds it, or give code_configuration and environment",
        )
    root = min(roots, key=len)
    with tempfile.TemporaryDirectory(prefix="mlctl-model-") as folder:
        for entry in entries:
            place, _, name = entry.path.rpartition("/")
            if place == root and name in _PART:
                store.content.write_out(entry, Path(folder) / name)
        conda = Path(folder) / "conda.yaml"
        if conda.exists():
            data = read_file(conda).data
        elif (Path(folder) / "requirements.txt").exists():
            lines = (Path(folder) / "requirements.txt").read_text(encoding="utf-8").splitlines()
            packages = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
            data = {"dependencies": ["pip", {"pip": packages}]}
        else:
            raise InvalidSpecError(
                f"model '{model.name}' has neither conda.yaml nor requirements.txt", hint="add 'environment: …'"
            )
        if files and _takes_tensors(read_file(Path(folder) / "MLmodel").data):
            data = _with_package(data, "pillow")
    return Environment(conda=dict(data), conda_source=f"{model.name}:{model.version}/conda.yaml")


def _takes_tensors(model: Any) -> bool:
    """Whether the signature in an MLmodel file, JSON in YAML, has a tensor among the inputs."""
    signature = model.get("signature") if isinstance(model, Mapping) else None
    inputs = signature.get("inputs") if isinstance(signature, Mapping) else None
    try:
        found = json.loads(inputs) if isinstance(inputs, str) else inputs
    except ValueError:
        return False
    return any(isinstance(one, Mapping) and one.get("type") == "tensor" for one in found or ())


def _with_package(conda: Mapping[str, Any], package: str) -> dict[str, Any]:
    """A conda file with one more package for pip, unless it has it."""
    entries = list(conda.get("dependencies") or ())
    pip = [line for entry in entries if isinstance(entry, Mapping) for line in entry.get("pip") or ()]
    named = [str(entry) for entry in (*entries, *pip) if not isinstance(entry, Mapping)]
    if any(re.split(r"[^\w.-]", entry, maxsplit=1)[0].lower() == package for entry in named):
        return dict(conda)
    plain = [entry for entry in entries if not isinstance(entry, Mapping)]
    return {**conda, "dependencies": [*(plain if "pip" in plain else [*plain, "pip"]), {"pip": [*pip, package]}]}
