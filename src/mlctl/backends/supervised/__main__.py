"""`python -m mlctl.backends.supervised WORKSPACE_FOLDER JOB CWD`: runs one claimed job to its end, detached.

Settings are those of the submitter: its variables are this process's own, CWD is where it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mlctl import settings
from mlctl.backends.supervised.processes import JOB_MARK
from mlctl.backends.supervised.supervisor import Supervisor
from mlctl.entities.clock import Clock
from mlctl.store.workspaces import open_workspace

if __name__ == "__main__":
    store = open_workspace(Path(sys.argv[1]), Clock())
    # what this process starts (a build, the job) carries the mark; the process itself was started without it
    os.environ[JOB_MARK] = str(store.job_folder(sys.argv[2]))
    Supervisor(store, sys.argv[2], settings.load(cwd=Path(sys.argv[3]))).run()
