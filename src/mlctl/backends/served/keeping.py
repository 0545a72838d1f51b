"""Whether an endpoint has its keeper, and how it gets one."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlctl.backends.served.layout import EndpointFolder, open_log, read_json, write_json
from mlctl.backends.supervised.processes import ENDPOINT_MARK, JOB_MARK, current, is_alive, kill_marked, send_signal
from mlctl.backends.supervised.submitter import PASSED_ON, extra_patterns, matching
from mlctl.entities.job import ProcessId
from mlctl.settings import Settings
from mlctl.store.workspaces import WorkspaceStore

_KEEPERS_OWN = "PATH MLCTL_* AZURE_* DOCKER_* XDG_* PYTHON* PIP_* UV_* VIRTUAL_ENV CONDA_PREFIX PYENV_*".split()
WAKE = signal.SIGUSR1
"""Tells the keeper that something else is wanted now."""

_GRACE = 15.0
"""Seconds that a process has to end after SIGTERM."""


def endpoint_folder(store: WorkspaceStore, name: str) -> EndpointFolder:
    """The folder of an endpoint, made for its owner's eyes only."""
    folder = EndpointFolder(store.folder / "endpoints" / name)
    folder.root.parent.mkdir(mode=0o700, exist_ok=True)
    folder.root.mkdir(mode=0o700, exist_ok=True)
    return folder


class LockHeldError(Exception):
    """Somebody else keeps the endpoint."""


@contextmanager
def hold_lock(folder: EndpointFolder, *, patience: float) -> Iterator[None]:
    """Be the keeper of an endpoint. Raises LockHeldError when somebody else still is after `patience` seconds."""
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        give_up = time.monotonic() + patience
        while not _lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > give_up:
                raise LockHeldError
            time.sleep(0.02)
        os.truncate(descriptor, 0)
        me = current()
        os.write(descriptor, json.dumps([me.pid, me.started]).encode())
        yield
    finally:
        os.close(descriptor)


def keeper_of(folder: EndpointFolder) -> ProcessId | None:
    """The process of the keeper; None when there is none."""
    try:
        descriptor = os.open(folder.lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        # shared: two who ask do not take each other for the keeper
        if _lock(descriptor, fcntl.LOCK_SH):
            return None
        found = json.loads(os.read(descriptor, 4096) or b"null")
    except ValueError:
        found = None
    finally:
        os.close(descriptor)
    # it has not written its number yet
    return ProcessId(*found) if isinstance(found, list) else ProcessId(0, "starting")


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def keeper_command(store: WorkspaceStore, name: str) -> list[str]:
    """The words that start the keeper of an endpoint, which finds its settings from where they are said."""
    return [sys.executable, "-m", "mlctl.backends.served", str(store.folder.absolute()), name, str(Path.cwd())]


def ensure_keeper(store: WorkspaceStore, settings: Settings, name: str) -> None:
    """Start the keeper of an endpoint unless it runs. It outlives the terminal and this process."""
    folder = endpoint_folder(store, name)
    keeper = keeper_of(folder)
    if keeper is not None:
        send_signal(keeper, WAKE)
        return
    wanted = [*PASSED_ON, *extra_patterns(settings), *_KEEPERS_OWN]
    environ = {**matching(os.environ, wanted), "MLCTL_HOME": str(settings.home.absolute())}
    # a job or another endpoint that makes this one: its mark would take the keeper along when it ends
    for mark in (JOB_MARK, ENDPOINT_MARK):
        environ.pop(mark, None)
    with open_log(folder.log) as log:
        process = subprocess.Popen(
            keeper_command(store, name),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    # nobody's child to wait for: the kernel hands it to init when this process ends
    process.returncode = 0


def stop_endpoint(folder: EndpointFolder, *, patience: float = 60.0) -> bool:
    """Tell the keeper to stop everything and wait until it is gone; whether it is.

    What a keeper that died left running is ended too.
    """
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        keeper = keeper_of(folder)
        if keeper is not None:
            send_signal(keeper, signal.SIGTERM)
            time.sleep(0.05)
            continue
        with suppress(LockHeldError), hold_lock(folder, patience=0.0):
            end_leftovers(folder)
            return True
    return False


def end_leftovers(folder: EndpointFolder) -> None:
    """End what the keeper's state names and what carries the endpoint's mark. Only for who holds the lock."""
    known = read_json(folder.state) or {}
    facts = [*known.get("preparations", ()), *known.get("replicas", ())]
    # the router first: it finishes its requests while the replicas still answer
    for group in ([known["router"]] if known.get("router") else [], facts):
        running = [ProcessId(one["pid"], one["started"]) for one in group]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for one in running:
                send_signal(one, number)
            give_up = time.monotonic() + _GRACE
            while any(is_alive(one) for one in running) and time.monotonic() < give_up:
                time.sleep(0.05)
    kill_marked(folder.root, ENDPOINT_MARK)
    write_json(folder.state, {"replicas": [], "preparations": [], "router": None})
