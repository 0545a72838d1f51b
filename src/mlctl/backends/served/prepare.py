"""`python -m mlctl.backends.served.prepare WORKSPACE ENDPOINT DEPLOYMENT GENERATION CWD`: make a generation ready.

Lays out code and model, lets the back end build what a replica runs in, and writes `launch.json` last. What goes wrong
is written to `error.json` ({"code", "message", "hint", "log"}) for the keeper.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import Any

from mlctl.backends import module_of
from mlctl.backends.served.layout import EndpointFolder, GenerationFolder, write_json
from mlctl.backends.served.logs import last_lines
from mlctl.entities.clock import Clock
from mlctl.errors import MlctlError
from mlctl.serving.materials import lay_out_code, lay_out_model
from mlctl.settings import Settings, load
from mlctl.storage.hidden_texts import conceal, reveal
from mlctl.store.workspaces import WorkspaceStore, open_workspace


def main(workspace: str, endpoint: str, deployment: str, generation: str, cwd: str) -> int:
    """Prepare; 0 when `launch.json` is there."""
    store = open_workspace(Path(workspace), Clock())
    folder = EndpointFolder(Path(workspace) / "endpoints" / endpoint).generation(deployment, int(generation))
    with (folder.root / "prepare.lock").open("w") as lock:
        # a keeper that was killed left one at work
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.launch.exists():
            return 0
        plan = reveal(store.endpoints.plan(endpoint, deployment, int(generation)), store.secrets)
        return _prepare_once(store, plan, folder, Path(cwd))


def _prepare_once(store: WorkspaceStore, plan: dict[str, Any], folder: GenerationFolder, cwd: Path) -> int:
    try:
        launch = prepare(store, load(environ=os.environ, cwd=cwd), plan, folder)
    except MlctlError as error:
        told = {"code": error.code, "message": error.message, "log": last_lines(folder.build_log)}
        write_json(folder.root / "error.json", {**told, **({"hint": error.hint} if error.hint else {})})
        return 1
    write_json(folder.launch, conceal(launch, store.secrets))
    return 0


def prepare(
    store: WorkspaceStore, settings: Settings, plan: dict[str, Any], folder: GenerationFolder
) -> dict[str, Any]:
    """How a replica is started: {"argv", "variables", "cwd"}, with {port} where its port belongs."""
    model = lay_out_model(store, plan["model"], folder.models)
    script = lay_out_code(store, plan, folder.code)
    with folder.build_log.open("ab") as log:
        launch: dict[str, Any] = module_of(plan["backend"]).prepare_replicas(
            plan, folder, settings=settings, log=log, model=model, script=script
        )
    return launch


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
