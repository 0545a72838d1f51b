"""`python -m mlctl.backends.served.prepare WORKSPACE ENDPOINT DEPLOYMENT GENERATION CWD`: make a generation ready.

Lays out code and model, lets the back end build what a replica runs in, and writes `launch.json` last. What goes wrong
is written to `error.json` ({"code", "message", "hint", "log"}) for the keeper.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from mlctl.backends import module_of
from mlctl.backends.served.layout import EndpointFolder, GenerationFolder, write_json
from mlctl.backends.served.verdicts import last_lines
from mlctl.entities.clock import Clock
from mlctl.errors import MlctlError
from mlctl.settings import Settings, load
from mlctl.store.workspaces import WorkspaceStore, open_workspace

NO_CODE_SCRIPT = Path(__file__).with_name("mlflow_score.py")
"""The entry script of MLflow models without one of their own."""


def main(workspace: str, endpoint: str, deployment: str, generation: str, cwd: str) -> int:
    """Prepare; 0 when `launch.json` is there."""
    store = open_workspace(Path(workspace), Clock())
    folder = EndpointFolder(Path(workspace) / "endpoints" / endpoint).generation(deployment, int(generation))
    with (folder.root / "prepare.lock").open("w") as lock:
        # a keeper that was killed left one at work
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.launch.exists():
            return 0
        return _prepare_once(store, store.endpoints.plan(endpoint, deployment, int(generation)), folder, Path(cwd))


def _prepare_once(store: WorkspaceStore, plan: dict[str, Any], folder: GenerationFolder, cwd: Path) -> int:
    try:
        launch = prepare(store, load(environ=os.environ, cwd=cwd), plan, folder)
    except MlctlError as error:
        told = {"code": error.code, "message": error.message, "log": last_lines(folder.build_log)}
        write_json(folder.root / "error.json", {**told, **({"hint": error.hint} if error.hint else {})})
        return 1
    write_json(folder.launch, launch)
    return 0


def prepare(
    store: WorkspaceStore, settings: Settings, plan: dict[str, Any], folder: GenerationFolder
) -> dict[str, Any]:
    """How a replica is started: {"argv", "variables", "cwd"}, with {port} where its port belongs."""
    model = lay_out_model(store, plan["model"], folder)
    script = lay_out_code(store, plan, folder)
    with folder.build_log.open("ab") as log:
        launch: dict[str, Any] = module_of(plan["backend"]).prepare_replicas(
            plan, folder, settings=settings, log=log, model=model, script=script
        )
    return launch


def lay_out_model(store: WorkspaceStore, model: dict[str, Any] | None, folder: GenerationFolder) -> Path | None:
    """The model below `azureml-models/<name>/<version>/`, as read-only links; returns AZUREML_MODEL_DIR."""
    if model is None:
        return None
    root: Path = folder.models / model["name"] / model["version"]
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    entries = store.content.entries(model["content"])
    is_file = len(entries) == 1 and entries[0].kind == "file" and entries[0].path == model["base"]
    store.content.materialise(model["content"], root if is_file else root / model["base"], link=True)
    return root


def lay_out_code(store: WorkspaceStore, plan: dict[str, Any], folder: GenerationFolder) -> str | None:
    """The scoring code; returns the entry script's path in it. None without a script."""
    if folder.code.exists():
        shutil.rmtree(folder.code)
    folder.code.mkdir(parents=True)
    if plan["code"]:
        store.content.materialise(plan["code"], folder.code)
        return str(plan["script"])
    if plan["no_code"]:
        shutil.copyfile(NO_CODE_SCRIPT, folder.code / NO_CODE_SCRIPT.name)
        return NO_CODE_SCRIPT.name
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
