"""`python -m mlctl.backends.supervised WORKSPACE_FOLDER JOB`: runs one claimed job to its end, detached."""

from __future__ import annotations

import sys
from pathlib import Path

from mlctl import settings
from mlctl.backends.supervised.supervisor import Supervisor
from mlctl.entities.clock import Clock
from mlctl.store.workspaces import open_workspace

if __name__ == "__main__":
    Supervisor(open_workspace(Path(sys.argv[1]), Clock()), sys.argv[2], settings.load()).run()
