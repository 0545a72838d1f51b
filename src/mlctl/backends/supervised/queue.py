"""The queue of a workspace, without a daemon: whoever comes by moves it on.

A job is a row in status Queued. `dispatch` claims the next ones of each compute in one transaction, while fewer than
the compute's `max_concurrent` hold it, and starts a supervisor for each. It is called when a job is submitted, when a
supervisor ends, and whenever somebody looks at jobs. `reap` finds jobs whose supervisor has died.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from mlctl.backends import module_of
from mlctl.backends.supervised.folder import SUPERVISOR_LOG, JobFolder
from mlctl.backends.supervised.materials import keep_outputs
from mlctl.backends.supervised.processes import current, identify, is_alive
from mlctl.backends.supervised.submitter import read_submitter
from mlctl.entities.job import (
    CANCEL_REQUESTED,
    CANCELED,
    FAILED,
    HOLDING_STATUSES,
    QUEUED,
    STARTING,
    JobRecord,
    ProcessId,
)
from mlctl.errors import MlctlError
from mlctl.settings import Settings
from mlctl.storage.hidden_texts import reveal
from mlctl.store.workspaces import WorkspaceStore


def dispatch(store: WorkspaceStore, settings: Settings) -> list[str]:
    """Reap what died, then start as many queued jobs as their computes allow; the names of those started."""
    reap(store, settings)
    started = []
    for compute in store.jobs.queued_computes():
        for name in store.jobs.claim(compute, slots(compute, store, settings), current()):
            _spawn(name, store)
            started.append(name)
    return started


def slots(compute: str, store: WorkspaceStore, settings: Settings) -> int | None:
    """How many jobs may hold a compute at once: its own `max_concurrent`, else the setting local.max_concurrent."""
    known = store.computes.find(compute)
    if known and known.max_concurrent is not None:
        return known.max_concurrent
    return settings.integer("local.max_concurrent") or max(4, os.cpu_count() or 1)


def reap(store: WorkspaceStore, settings: Settings) -> None:
    """Give every job whose supervisor died a true state, and end what is left of its processes."""
    for record, claimer in store.jobs.held():
        if record.supervisor is not None:
            if not is_alive(record.supervisor):
                _bury(record, store, settings)
        elif claimer is not None and not is_alive(claimer):
            store.jobs.transition(record.name, QUEUED, allowed_from={STARTING})


def buried(record: JobRecord) -> JobRecord:
    """What the record of a job says once its supervisor is known to be dead; the record itself while it lives."""
    if record.is_terminal or record.supervisor is None or is_alive(record.supervisor):
        return record
    if record.status == CANCEL_REQUESTED:
        # the request may have come before the supervisor could listen to it
        return replace(record, status=CANCELED, ended_at=time.time())
    return replace(
        record,
        status=FAILED,
        ended_at=time.time(),
        error={
            "code": "SupervisorLost",
            "message": f"the supervisor of the job (process {record.supervisor.pid}) died while the job was "
            f"{record.status}; what was left of the job's processes was ended",
            "hint": f"what the job wrote until then is kept, and its supervisor's words in artifacts/{SUPERVISOR_LOG}",
        },
    )


def _bury(record: JobRecord, store: WorkspaceStore, settings: Settings) -> None:
    """End a job without a supervisor. Several processes may do this at once: the transition decides who did."""
    fresh = store.jobs.get(record.name)
    if fresh.is_terminal or fresh.supervisor is None or is_alive(fresh.supervisor):
        return
    plan = store.jobs.plan(record.name)
    dead = buried(fresh)
    abandon = getattr(module_of(record.backend), "abandon", None)
    if abandon:
        abandon(record.name, reveal(plan["payload"], store.secrets), settings)
    folder = JobFolder(Path(plan["payload"]["folder"]))  # type: ignore[arg-type]  # a concrete path is a pure one
    keep_outputs(folder)
    store.jobs.transition(
        record.name, dead.status, allowed_from=HOLDING_STATUSES, ended_at=dead.ended_at, error=dead.error
    )


def _spawn(name: str, store: WorkspaceStore) -> ProcessId | None:
    """Start the detached supervisor of a claimed job. It outlives the terminal and this process."""
    log = store.job_folder(name) / "artifacts" / SUPERVISOR_LOG
    try:
        environ, cwd = read_submitter(store.job_folder(name))
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "mlctl.backends.supervised", str(store.folder), name, cwd],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                cwd="/",
            )
    except OSError as error:
        store.jobs.transition(name, QUEUED, allowed_from={STARTING})
        raise MlctlError(f"cannot start the supervisor of job {name!r}: {error}") from error
    supervisor = identify(process.pid)
    if supervisor:
        # the supervisor writes this too; said here so that one that dies at once is not taken for one to come
        store.jobs.transition(name, STARTING, allowed_from={STARTING}, supervisor=supervisor)
    # it is nobody's child to wait for: the kernel hands it to init when this process ends
    process.returncode = 0
    return supervisor
