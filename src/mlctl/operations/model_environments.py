"""The environment that an MLflow model brings along."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlctl.entities.environment import Environment
from mlctl.entities.online_deployment import ModelFiles
from mlctl.errors import InvalidSpecError
from mlctl.store.workspaces import WorkspaceStore

_PART = ("conda.yaml", "requirements.txt", "python_env.yaml", "MLmodel")


def environment_of_model(store: WorkspaceStore, model: ModelFiles) -> Environment:
    """The environment described in the model's conda.yaml or requirements.txt. Raises InvalidSpecError without either.

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
    return Environment(conda=dict(data), conda_source=f"{model.name}:{model.version}/conda.yaml")
