"""`Jobs` of the back ends of this machine: everything but how a job is planned and run."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlctl.assets.mlflow_runs import job_of_run
from mlctl.assets.places import output_places
from mlctl.backends.base import LogChunk, LogCursor, Plan
from mlctl.backends.supervised import materials
from mlctl.backends.supervised.datastores import check_datastores, variables_used
from mlctl.backends.supervised.lineage import job_links
from mlctl.backends.supervised.logs import read_log
from mlctl.backends.supervised.payload import Place, unused_fields
from mlctl.backends.supervised.processes import send_signal
from mlctl.backends.supervised.queue import buried, dispatch, slots
from mlctl.backends.supervised.submitter import keep_submitter
from mlctl.backends.supervised.tracking import metrics_of
from mlctl.entities.command_job import CommandJob
from mlctl.entities.compute import Compute
from mlctl.entities.job import (
    CANCEL_REQUESTED,
    CANCELED,
    HOLDING_STATUSES,
    QUEUED,
    WAITING_STATUSES,
    JobRecord,
)
from mlctl.entities.metric import Metric
from mlctl.errors import AuthError, ConflictError, NotFinishedError, NotFoundError, UnavailableError
from mlctl.settings import Settings
from mlctl.settings.user import current_user
from mlctl.storage.hidden_texts import conceal, reveal
from mlctl.store.git import git_facts
from mlctl.store.workspaces import WorkspaceStore

Planner = Callable[[CommandJob, Compute, Place], Plan]
_SIGNAL_AGAIN = 5.0


class SupervisedJobs:
    """Jobs that a detached supervisor on this machine runs. `planner` is the back end's pure plan function.

    `check` looks, cheaply, whether a job with this payload can run at all now, and raises UnavailableError when not.
    """

    def __init__(
        self,
        settings: Settings,
        store: WorkspaceStore,
        planner: Planner,
        check: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._planner = planner
        self._check = check

    def plan(self, job: CommandJob, compute: Compute) -> Plan:
        """See `base.Jobs`."""
        plan = self._planner(job, compute, self._place())
        said = (*plan.warnings, *unused_fields(job))
        if " " in str(self._store.folder):
            said += (f"the path of the workspace has blanks ({self._store.folder}): quote ${{{{…}}}} in commands",)
        return replace(plan, warnings=said)

    def submit(self, plan: Plan) -> JobRecord:
        """Take the snapshot, store the job and its folder in one step, and move the queue on."""
        if self._check:
            self._check(plan.payload)
        # the code must not be removed before the job that names it is stored
        with _translated(self._store.folder), self._store.content.adding():
            materials.check_inputs(plan.payload["inputs"], self._store)
            staying = check_datastores(plan.payload, self._store, self._settings.environ)
            digest, properties, skipped = self._snapshot(plan)
            skipped = [*skipped, *staying]
            planned = conceal(plan.to_dict(), self._store.secrets)
            given, payload = planned["record"], planned["payload"]
            document = {key: value for key, value in given.items() if key not in _COLUMNS}
            if skipped:
                document["warnings"] = skipped
            record = JobRecord(
                name=plan.name,
                status=QUEUED,
                compute=plan.compute,
                backend=plan.backend,
                created_at=time.time(),
                created_by=current_user(),
                experiment_name=payload["experiment"],
                display_name=payload["display_name"],
                description=given.get("description"),
                parent_job_name=given.get("parent_job_name"),
                tags=given.get("tags", {}),
                properties={**properties, **given.get("properties", {})},
                document=document,
            )
            folder = self._store.jobs.new_folder()
            try:
                keep_submitter(folder, self._settings, cwd=Path.cwd(), further=variables_used(self._store))
                kept = {**planned, "code_digest": digest, "build_digest": _build_digest(plan.spec)}
                links = job_links(record, kept, lambda run: job_of_run(self._store, run))
                record = self._store.jobs.insert(record, plan=kept, folder=folder, links=links)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        dispatch(self._store, self._settings)
        return record

    def get(self, name: str) -> JobRecord:
        """See `base.Jobs`. Looking at a job moves the queue on."""
        self.look_after()
        # where a death cannot be written down (read-only, full disk) it is told all the same
        return buried(self._store.jobs.get(name))

    def logs(
        self, name: str, *, follow: bool = False, since: LogCursor | None = None, rank: int | None = None
    ) -> Iterator[LogChunk]:
        """See `base.Jobs`."""
        self._store.jobs.get(name)
        artifacts = self._store.job_folder(name) / "artifacts"
        return read_log(
            artifacts, ended=_Watch(lambda: self.get(name).is_terminal), follow=follow, since=since, rank=rank
        )

    def cancel(self, name: str) -> JobRecord:
        """See `base.Jobs`. A queued job is cancelled at once; a running one is told to end, then made to."""
        record = self.get(name)
        if record.is_terminal:
            return record
        done = self._store.jobs.transition(
            name, CANCELED, allowed_from=WAITING_STATUSES, ended_at=time.time(), error=None
        )
        if done is not None:
            dispatch(self._store, self._settings)
            return done
        self._store.jobs.transition(name, CANCEL_REQUESTED, allowed_from=HOLDING_STATUSES - {CANCEL_REQUESTED})
        return self._wait_for_cancel(name)

    def download(self, name: str, *, into: Path, output: str | None = None, everything: bool = False) -> Path:
        """See `base.Jobs`. Writes `artifacts/` and, when asked for, `named-outputs/<name>/` below `into`."""
        record = self.get(name)
        if not record.is_terminal:
            raise ConflictError(
                f"job {name!r} is {record.status}; only a job that has ended can be downloaded",
                hint=f"mlctl job wait -n {name}",
            )
        outputs = output_places(name, self._store)
        if output is not None and output not in outputs and output not in ("artifacts", "default"):
            names = ", ".join(["artifacts", *outputs])
            raise NotFoundError(f"job {name!r} has no output {output!r}", hint=f"its outputs: {names}")
        with _translated(into):
            if output in (None, "artifacts", "default"):
                materials.copy(self._store.job_folder(name) / "artifacts", into / "artifacts", follow_links=False)
            for found, source in outputs.items():
                if (everything or found == output) and source.exists():
                    target = into / "named-outputs" / found
                    place = target / source.name if source.is_file() else target
                    materials.copy(source, place, follow_links=False)
        return into

    def look_after(self) -> None:
        """See `base.Jobs`. Reading must work in a read-only workspace too."""
        with suppress(AuthError, UnavailableError):
            dispatch(self._store, self._settings)

    def metrics(self, name: str) -> list[Metric]:
        """See `base.Jobs`. A finished job's metrics are kept beside it; a running one's are read where it logs them."""
        record = self.get(name)
        kept = self._store.jobs.metrics(name)
        if kept or record.is_terminal or record.status in WAITING_STATUSES:
            return kept
        uri = reveal(self._store.jobs.plan(name)["payload"]["tracking_uri"], self._store.secrets)
        return metrics_of(uri, self._store.folder / "mlruns", experiment=record.experiment_name, job=name)

    def waiting_reason(self, record: JobRecord) -> str | None:
        """See `base.Jobs`."""
        if record.status not in WAITING_STATUSES:
            return None
        place = self._store.jobs.queue_position(record.name)
        if place is None:
            return None
        position, holding = place
        limit = slots(record.compute, self._store, self._settings)
        before = "next in line" if position == 1 else f"{position - 1} jobs before it"
        return f"compute {record.compute!r} runs {holding} of at most {limit} jobs at once; {before}"

    def _place(self) -> Place:
        return Place(
            workspace=self._store.name,
            folder=str(self._store.folder),
            subscription=self._settings.text("defaults.subscription") or "local",
            resource_group=self._settings.text("defaults.group") or "local",
            tracking_uri=self._settings.text("tracking.uri"),
            grace_period=self._settings.number("jobs.grace_period") or 30.0,
        )

    def _snapshot(self, plan: Plan) -> tuple[str | None, dict[str, str], list[str]]:
        """Store the code by content: its digest, what is known of it as properties, and what could not be taken."""
        code = next((Path(upload.path) for upload in plan.uploads if upload.kind == "code"), None)
        facts = git_facts(code or Path.cwd(), os.environ)
        if code is None:
            return None, facts, []
        snapshot = self._store.content.add_folder(code)
        facts["mlctl.code_hash"] = snapshot.folder_hash
        return snapshot.digest, facts, list(snapshot.warnings)

    def _wait_for_cancel(self, name: str) -> JobRecord:
        grace = float(self._store.jobs.plan(name)["payload"]["grace_period"])
        give_up = time.monotonic() + grace + 30
        signalled = 0.0
        pause = 0.02
        while not (record := self.get(name)).is_terminal:
            if time.monotonic() > give_up:
                raise NotFinishedError(
                    f"job {name!r} was told to end, and has not ended yet", hint=f"mlctl job wait -n {name}"
                )
            if record.supervisor and time.monotonic() - signalled > _SIGNAL_AGAIN:
                send_signal(record.supervisor, signal.SIGTERM)
                signalled = time.monotonic()
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)
        return record


class _Watch:
    """Asks a costly question at most every quarter of a second."""

    def __init__(self, question: Callable[[], bool]) -> None:
        self._question = question
        self._next = 0.0

    def __call__(self) -> bool:
        if time.monotonic() < self._next:
            return False
        answer = self._question()
        self._next = time.monotonic() + 0.25
        return answer


def _build_digest(spec: dict[str, Any]) -> str | None:
    """The digest of the build context of the environment inside a spec, when it has one."""
    environment = spec.get("environment")
    build = environment.get("build") if isinstance(environment, dict) else None
    if not build:
        return None
    from mlctl.images.context import context_digest

    return context_digest(Path(build["path"]), build["dockerfile_path"])


_COLUMNS = frozenset({"tags", "properties", "description", "parent_job_name"})


class _translated:  # noqa: N801  # reads as a verb where it is used
    """Turns the errors of a file system into ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, PermissionError):
            raise AuthError(
                f"{error.filename or self._folder} may not be written", hint="check the owner and rights of the folder"
            ) from error
        if isinstance(error, OSError):
            raise UnavailableError(
                f"cannot write to {error.filename or self._folder}: {error.strerror or error}",
                hint="free some space or use another folder; nothing was half-written",
            ) from error
