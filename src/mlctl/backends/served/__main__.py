"""`python -m mlctl.backends.served WORKSPACE ENDPOINT CWD`: the keeper of one endpoint; see `keeping.ensure_keeper`."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from pathlib import Path

from mlctl.backends.served.keeper import Keeper
from mlctl.backends.served.layout import EndpointFolder
from mlctl.entities.clock import Clock
from mlctl.store.workspaces import open_workspace


def main(workspace: str, name: str, cwd: str) -> int:
    """Keep the endpoint until it is gone; 0 at once when somebody else does."""
    folder = EndpointFolder(Path(workspace) / "endpoints" / name)
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return 0
    os.truncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    asyncio.run(Keeper(open_workspace(Path(workspace), Clock()), name, cwd).run())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
