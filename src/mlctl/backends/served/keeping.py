"""Whether an endpoint has its keeper, and how it gets one."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from mlctl.backends.served.layout import EndpointFolder
from mlctl.backends.supervised.submitter import PASSED_ON, extra_patterns, matching
from mlctl.settings import Settings
from mlctl.store.workspaces import WorkspaceStore

_KEEPERS_OWN = "PATH MLCTL_* AZURE_* DOCKER_* XDG_* PYTHON* PIP_* UV_* VIRTUAL_ENV CONDA_PREFIX PYENV_*".split()


def endpoint_folder(store: WorkspaceStore, name: str) -> EndpointFolder:
    """The folder of an endpoint, made for its owner's eyes only."""
    folder = EndpointFolder(store.folder / "endpoints" / name)
    folder.root.parent.mkdir(mode=0o700, exist_ok=True)
    folder.root.mkdir(mode=0o700, exist_ok=True)
    return folder


def keeper_of(folder: EndpointFolder) -> int | None:
    """The process number of the keeper; None when there is none."""
    try:
        descriptor = os.open(folder.lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        text = os.read(descriptor, 32).decode()
        return int(text) if text.isdigit() else -1
    finally:
        os.close(descriptor)
    return None


def ensure_keeper(store: WorkspaceStore, settings: Settings, name: str) -> None:
    """Start the keeper of an endpoint unless it runs. It outlives the terminal and this process."""
    folder = endpoint_folder(store, name)
    if keeper_of(folder) is not None:
        return
    wanted = [*PASSED_ON, *extra_patterns(settings), *_KEEPERS_OWN]
    with folder.log.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlctl.backends.served", str(store.folder), name, str(Path.cwd())],
            env={**matching(os.environ, wanted), "MLCTL_HOME": str(settings.home.absolute())},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    # nobody's child to wait for: the kernel hands it to init when this process ends
    process.returncode = 0


def stop_keeper(folder: EndpointFolder, *, patience: float = 60.0) -> bool:
    """Tell the keeper to stop everything and wait until it is gone; whether it is."""
    pid = keeper_of(folder)
    if pid is not None and pid > 0:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    give_up = time.monotonic() + patience
    while keeper_of(folder) is not None:
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True
