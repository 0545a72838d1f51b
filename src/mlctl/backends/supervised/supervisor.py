"""The supervisor: one detached process that takes one job from Starting to its end, whatever happens.

It never touches the job's output: processes and containers write their log files themselves. It sleeps until something
happens (a process ends, a cancel request comes as SIGTERM, a time limit is reached).
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

from mlctl.backends import module_of
from mlctl.backends.supervised import materials, tracking
from mlctl.backends.supervised.datastores import deliver_outputs
from mlctl.backends.supervised.folder import BUILD_LOG, JobFolder
from mlctl.backends.supervised.launches import launches
from mlctl.backends.supervised.processes import current, free_ports
from mlctl.backends.supervised.products import register_logged, register_outputs
from mlctl.backends.supervised.queue import dispatch
from mlctl.backends.supervised.runner import Exit, Launch, Run, Runner, Wakeup
from mlctl.backends.supervised.submitter import forget_submitter
from mlctl.backends.supervised.verdict import Verdict, judge, on_a_full_disk, refusal
from mlctl.entities.image import BuiltImage, links_of
from mlctl.entities.job import (
    CANCELED,
    COMPLETED,
    FAILED,
    FINALIZING,
    HOLDING_STATUSES,
    PREPARING,
    RUNNING,
    STARTING,
    JobRecord,
)
from mlctl.errors import MlctlError
from mlctl.settings import Settings
from mlctl.storage.hidden_texts import reveal
from mlctl.store.workspaces import WorkspaceStore

_RESERVE_BYTES = 256 * 1024
"""Kept free in the job's folder, so that the job's end can be written down on a full disk."""

_WRITE_PATIENCE = 120.0
"""Seconds for which the end of a job is tried to be written."""


class _CancelledError(BaseException):
    """Raised by the signal handler while the job is being prepared, so that a long build ends at once."""


@dataclass
class _Progress:
    """What the supervisor knows of the running job."""

    started: float | None = None
    exits: list[Exit] = field(default_factory=list)
    stopped_for: str | None = None
    """cancel, timeout or failure: why the launches were told to end."""
    kill_at: float | None = None


class Supervisor:
    """Runs the job `name`, which was claimed for this process, and then moves the queue on."""

    def __init__(self, store: WorkspaceStore, name: str, settings: Settings) -> None:
        self._store = store
        self._name = name
        self._settings = settings
        self._wakeup = Wakeup()
        self._cancelled = False
        self._interruptible = False
        plan = store.jobs.plan(name)
        self._payload: dict[str, Any] = reveal(plan["payload"], store.secrets)
        self._plan = plan
        self._folder = JobFolder(PurePosixPath(self._payload["folder"]))
        self._progress = _Progress()

    def run(self) -> None:
        """To the end of the job. Never raises: what goes wrong becomes the job's error and stands in this log."""
        self._listen()
        record = self._store.jobs.transition(self._name, PREPARING, allowed_from={STARTING}, supervisor=current())
        if record is None:
            # cancelled between the claim and now
            self._finish(Verdict(CANCELED), None)
        else:
            self._supervise(record)
        dispatch(self._store, self._settings)

    def _supervise(self, record: JobRecord) -> None:
        runner: Runner | None = None
        verdict: Verdict
        try:
            self._reserve()
            mounts = self._lay_out(record)
            runner = self._make_runner(mounts)
            self._prepare(runner)
            verdict = self._launch_and_wait(runner)
        except _CancelledError:
            verdict = Verdict(CANCELED)
        except MlctlError as error:
            verdict = refusal(error)
        except Exception as error:  # the job must end in a true state; the traceback is in this log
            _print_trace()
            verdict = refusal(error)
        self._finish(verdict, runner)

    def _lay_out(self, record: JobRecord) -> list[dict[str, Any]]:
        with self._may_be_interrupted():
            materials.lay_out_code(self._plan.get("code_digest"), self._folder, self._store)
            cache = self._settings.home / "cache"
            mounts, warnings = materials.bring_inputs(self._payload["inputs"], self._store, cache)
            mounts += materials.prepare_outputs(self._payload["outputs"], self._folder, self._store)
        for warning in warnings:
            self._note(f"warning: {warning}")
        if not self._payload["tracking_uri"]:
            tracking.start_run(self._store.folder / "mlruns", self._tracked(record, started=time.time()))
        return mounts

    def _make_runner(self, mounts: list[dict[str, Any]]) -> Runner:
        run = Run(
            name=self._name,
            payload=self._payload,
            folder=Path(self._folder.root),
            cache=self._settings.home / "cache",
            settings=self._settings,
            wakeup=self._wakeup,
            facts={"mounts": mounts, "workspace": str(self._store.folder), "workspace_name": self._store.name},
            keep_image=self._keep_image,
        )
        runner: Runner = module_of(self._plan["backend"]).runner(run)
        return runner

    def _keep_image(self, image: BuiltImage) -> None:
        # a plain base image that nobody registered is no news
        if image.is_made_here or image.environments:
            with _said_in_the_log("writing down the image"):
                self._store.images.keep(image, links_of(image, job=self._name))

    def _prepare(self, runner: Runner) -> None:
        path = Path(self._folder.artifacts / BUILD_LOG)
        with path.open("ab", buffering=0) as log, self._may_be_interrupted():
            runner.prepare(log)
        if path.stat().st_size == 0:
            path.unlink()

    def _launch_and_wait(self, runner: Runner) -> Verdict:
        planned = launches(self._payload, self._folder, has_program=runner.has_program, free_ports=free_ports)
        if self._cancelled or not self._store.jobs.transition(
            self._name, RUNNING, allowed_from={PREPARING}, started_at=time.time()
        ):
            return Verdict(CANCELED)
        self._progress.started = time.time()
        for launch in planned:
            launch.log.parent.mkdir(parents=True, exist_ok=True)
            launch.log.touch()
        for launch in planned:
            runner.start(launch)
        self._wait(planned, runner)
        return judge(planned, self._progress.exits, self._progress.stopped_for, self._payload["timeout"])

    def _wait(self, planned: list[Launch], runner: Runner) -> None:
        """Until every launch has ended, asking them to end when the job is cancelled, too late or has failed."""
        progress = self._progress
        essential = {launch.rank for launch in planned if launch.essential}
        running = {launch.rank for launch in planned}
        grace = float(self._payload["grace_period"])
        limit = self._payload["timeout"]
        deadline = time.monotonic() + limit if limit else None
        while True:
            for found in runner.collect():
                progress.exits.append(found)
                running.discard(found.rank)
            if not running:
                return
            if progress.stopped_for is None:
                progress.stopped_for = self._reason_to_stop(essential & running, deadline)
                if progress.stopped_for:
                    runner.stop(hard=False)
                    progress.kill_at = time.monotonic() + grace
            elif progress.kill_at is not None and time.monotonic() >= progress.kill_at:
                runner.stop(hard=True)
                progress.kill_at = None
            self._wakeup.wait(_until(deadline if progress.stopped_for is None else progress.kill_at))

    def _reason_to_stop(self, essential_running: set[int], deadline: float | None) -> str | None:
        if self._cancelled:
            return "cancel"
        if deadline is not None and time.monotonic() >= deadline:
            return "timeout"
        if not essential_running:
            return "done"
        return "failure" if any(found.code != 0 for found in self._progress.exits) else None

    def _finish(self, verdict: Verdict, runner: Runner | None) -> None:
        """Write the end down. On a full disk the reserve is given back first, and the write is tried for a while."""
        self._interruptible = False
        if _is_full(Path(self._folder.root)):
            verdict = on_a_full_disk(verdict, str(self._folder.root))
        with suppress(OSError):
            (Path(self._folder.root) / ".reserve").unlink()
        with _said_in_the_log("saying that the job is at its end"):
            self._store.jobs.transition(self._name, FINALIZING, allowed_from={RUNNING, PREPARING})
        usage = None
        with _said_in_the_log("closing the runner"):
            if runner:
                used = runner.usage()
                usage = {"peak_memory_bytes": used.peak_memory_bytes, "cpu_seconds": used.cpu_seconds}
                runner.close()
        with _said_in_the_log("keeping the outputs"):
            materials.keep_outputs(self._folder)
        verdict = self._deliver_outputs(verdict)
        with _said_in_the_log("forgetting the submitter's variables"):
            forget_submitter(Path(self._folder.root))
        if verdict.status == COMPLETED:
            verdict = self._register_outputs(verdict)
        if self._progress.started is not None:
            with _said_in_the_log("reading the metrics"):
                self._keep_metrics(verdict)
        fields = {
            "ended_at": time.time(),
            "exit_code": verdict.exit_code,
            "error": verdict.error,
            "usage": usage,
        }
        self._write_end(verdict.status, fields)

    def _deliver_outputs(self, verdict: Verdict) -> Verdict:
        """The verdict, or the reason why an output did not reach its datastore. A failed job's outputs go there too."""
        if verdict.status not in (COMPLETED, FAILED) or self._progress.started is None:
            return verdict
        try:
            for text in deliver_outputs(self._payload["outputs"], self._store):
                self._note(text)
        except MlctlError as error:
            self._note(f"{error.message}")
            return refusal(error) if verdict.status == COMPLETED else verdict
        except Exception as error:  # the traceback is in this log
            _print_trace()
            return refusal(error) if verdict.status == COMPLETED else verdict
        return verdict

    def _register_outputs(self, verdict: Verdict) -> Verdict:
        """The verdict, or the reason why an output could not be registered: the job promised an asset and made none."""
        try:
            for asset in register_outputs(self._name, self._payload["outputs"], self._store):
                self._note(f"registered {asset.kind} {asset.reference}")
        except MlctlError as error:
            return refusal(error)
        except Exception as error:  # the traceback is in this log
            _print_trace()
            return refusal(error)
        if not self._payload["tracking_uri"]:
            with _said_in_the_log("taking over the models that were registered in MLflow"):
                for asset in register_logged(self._name, self._store):
                    self._note(f"registered {asset.kind} {asset.reference}, as the job did in MLflow")
        return verdict

    def _write_end(self, status: str, fields: dict[str, Any]) -> None:
        give_up = time.monotonic() + _WRITE_PATIENCE
        while True:
            try:
                self._store.jobs.transition(self._name, status, allowed_from=HOLDING_STATUSES, **fields)
            except MlctlError as error:
                if time.monotonic() > give_up:
                    raise
                self._note(f"cannot write the end of the job yet: {error}")
                time.sleep(1)
            else:
                return

    def _keep_metrics(self, verdict: Verdict) -> None:
        """Close the MLflow run and copy the last metrics next to the job, where `job list` can sort by them."""
        record = self._store.jobs.get(self._name)
        uri = self._payload["tracking_uri"]
        if uri is None:
            words = {COMPLETED: "FINISHED", CANCELED: "KILLED"}
            started = self._progress.started or time.time()
            run = self._tracked(record, started=started)
            run = replace(run, ended=time.time(), status=words.get(verdict.status, "FAILED"))
            tracking.end_run(self._store.folder / "mlruns", run)
        store = self._store.folder / "mlruns"
        found = tracking.metrics_of(uri, store, experiment=record.experiment_name, job=self._name)
        if found:
            self._store.jobs.put_metrics(self._name, found)

    def _tracked(self, record: JobRecord, *, started: float) -> tracking.TrackedRun:
        return tracking.TrackedRun(
            job=self._name,
            experiment=record.experiment_name,
            display_name=record.display_name or self._name,
            artifacts=Path(self._folder.artifacts),
            user=record.created_by,
            started=started,
        )

    def _listen(self) -> None:
        signal.signal(signal.SIGTERM, self._on_cancel)
        # a handler and not SIG_IGN: what is ignored stays ignored in the job's processes
        signal.signal(signal.SIGHUP, _pass_over)
        signal.signal(signal.SIGINT, _pass_over)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)

    def _on_cancel(self, _number: int, _frame: FrameType | None) -> None:
        self._cancelled = True
        self._wakeup.set()
        if self._interruptible:
            self._interruptible = False
            raise _CancelledError

    @contextmanager
    def _may_be_interrupted(self) -> Iterator[None]:
        """While this lasts, a cancel request ends what is being done at once."""
        self._interruptible = True
        if self._cancelled:
            raise _CancelledError
        try:
            yield
        finally:
            self._interruptible = False

    def _reserve(self) -> None:
        Path(self._folder.root).mkdir(parents=True, exist_ok=True)
        (Path(self._folder.root) / ".reserve").write_bytes(bytes(_RESERVE_BYTES))

    def _note(self, text: str) -> None:
        """A line in the supervisor's own log."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _pass_over(_number: int, _frame: FrameType | None) -> None:
    """The terminal's signals are not for a detached process."""


def _is_full(folder: Path) -> bool:
    """Whether the disk of a folder has no room for another line of log."""
    try:
        return shutil.disk_usage(folder).free < 4096
    except OSError:
        return False


def _until(moment: float | None) -> float | None:
    """Seconds to sleep until a moment of the monotonic clock, at most a minute."""
    return 60.0 if moment is None else min(60.0, max(0.01, moment - time.monotonic()))


@contextmanager
def _said_in_the_log(what: str) -> Iterator[None]:
    """A step of the end that must not keep the others from being done; what goes wrong stands in this log."""
    try:
        yield
    except Exception:  # see above
        sys.stderr.write(f"{what} failed:\n")
        _print_trace()


def _print_trace() -> None:
    import traceback

    traceback.print_exc(file=sys.stderr)
