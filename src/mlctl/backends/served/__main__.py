"""`python -m mlctl.backends.served WORKSPACE ENDPOINT CWD`: the keeper of one endpoint; see `keeping.ensure_keeper`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from mlctl.backends.served.keeper import Keeper
from mlctl.backends.served.keeping import WAKE, LockHeldError, hold_lock
from mlctl.backends.served.layout import EndpointFolder
from mlctl.entities.clock import Clock
from mlctl.settings import load
from mlctl.store.workspaces import open_workspace

_PATIENCE = 1.0
"""Whoever asks whether there is a keeper holds the lock for a moment."""


def main(workspace: str, name: str, cwd: str) -> int:
    """Keep the endpoint until it is gone; 0 at once when somebody else does."""
    folder = EndpointFolder(Path(workspace) / "endpoints" / name)
    # whoever sees the lock may wake the keeper before it listens
    signal.signal(WAKE, signal.SIG_IGN)
    try:
        with hold_lock(folder, patience=_PATIENCE):
            settings = load(environ=os.environ, cwd=Path(cwd))
            asyncio.run(Keeper(open_workspace(Path(workspace), Clock()), settings, name, cwd).run())
    except LockHeldError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
