"""The code folder of batch scoring jobs: a deployment's scoring code, and beside it what drives it."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from mlctl.store.workspaces import WorkspaceStore

PACKAGE = "mlctl_batch"
"""The driver's name in a job: an installed mlctl of the environment must not be taken for it."""

NO_CODE_SCRIPT = f"{PACKAGE}/mlflow_score.py"
"""The scoring script of MLflow models without one of their own."""

_SOURCE = "mlctl.serving.batch"


@dataclass(frozen=True, slots=True)
class CodeFolders:
    """The code folders of one endpoint's jobs; each is made once and never changed."""

    store: WorkspaceStore
    root: Path

    def folder(self, code: str | None) -> Path:
        """The folder for scoring code with that digest, or for none."""
        driver = {path: text.replace(_SOURCE, PACKAGE) for path, text in _driver().items()}
        key = hashlib.sha256(repr((code, sorted(driver.items()))).encode()).hexdigest()[:16]
        target = self.root / key
        if target.is_dir():
            return target
        temporary = self.root / f".new-{os.urandom(8).hex()}"
        temporary.mkdir(parents=True)
        try:
            if code:
                self.store.content.materialise(code, temporary)
            for name in (".amlignore", ".gitignore"):
                # they have had their say, and must not keep the driver out
                (temporary / name).unlink(missing_ok=True)
            (temporary / PACKAGE).mkdir()
            for name, text in driver.items():
                (temporary / PACKAGE / name).write_text(text, encoding="utf-8")
            with suppress(OSError):  # somebody else made it meanwhile
                temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target

    def remove(self) -> None:
        """Remove all of them; jobs have the code as a snapshot."""
        shutil.rmtree(self.root.parent, ignore_errors=True)


def code_folders(store: WorkspaceStore, endpoint: str) -> CodeFolders:
    """Where the code folders of an endpoint's jobs are."""
    return CodeFolders(store, store.folder / "endpoints" / endpoint / "batch")


def _driver() -> dict[str, str]:
    package = files(_SOURCE)
    return {entry.name: entry.read_text(encoding="utf-8") for entry in package.iterdir() if entry.name.endswith(".py")}
