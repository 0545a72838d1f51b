"""Model and code of a deployment, laid out in folders as its scoring script finds them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlctl.serving import NO_CODE_SCRIPT
from mlctl.store.workspaces import WorkspaceStore


def lay_out_model(store: WorkspaceStore, model: Mapping[str, Any] | None, models: Path) -> Path | None:
    """The model below `models/<name>/<version>/`, as read-only links; returns AZUREML_MODEL_DIR."""
    if model is None:
        return None
    root: Path = models / model["name"] / model["version"]
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    entries = store.content.entries(model["content"])
    is_file = len(entries) == 1 and entries[0].kind == "file" and entries[0].path == model["base"]
    store.content.materialise(model["content"], root if is_file else root / model["base"], link=True)
    return root


def lay_out_code(store: WorkspaceStore, plan: Mapping[str, Any], code: Path) -> str | None:
    """The scoring code in the folder `code`; returns the entry script's path in it. None without a script."""
    if code.exists():
        shutil.rmtree(code)
    code.mkdir(parents=True)
    if plan["code"]:
        store.content.materialise(plan["code"], code)
        return str(plan["script"])
    if plan["no_code"]:
        shutil.copyfile(NO_CODE_SCRIPT, code / NO_CODE_SCRIPT.name)
        return NO_CODE_SCRIPT.name
    return None
