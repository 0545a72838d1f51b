"""Jobs: which back end and compute a spec goes to, and what can be asked about a job afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlctl.entities.clock import Clock, creation_context, iso_time
from mlctl.entities.compute import LOCAL_COMPUTE, Compute
from mlctl.entities.job import COMPLETED, STATUSES, JobRecord
from mlctl.errors import NotFinishedError, NotFoundError, UsageError

if TYPE_CHECKING:
    from mlctl.backends.base import Backend, LogChunk, LogCursor, Plan
    from mlctl.entities.command_job import CommandJob
    from mlctl.settings import Settings
    from mlctl.store.workspaces import WorkspaceStore

_UPDATABLE = ("display_name", "description", "tags", "properties")
_LONGEST_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class JobDesk:
    """What every operation on jobs needs: a workspace, settings, a clock, and a way to reach a back end by name."""

    store: WorkspaceStore
    settings: Settings
    clock: Clock
    connect: Callable[[str], Backend]

    def backend_of(self, name: str) -> Backend:
        """The back end that runs the job `name`. Raises NotFoundError."""
        return self.connect(self.store.jobs.get(name).backend)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A spec that was checked and planned, and what the user should be told about it."""

    plan: Plan
    backend: Backend
    warnings: tuple[str, ...]


def prepare(
    desk: JobDesk,
    path: Path,
    *,
    name: str | None = None,
    overrides: Sequence[str] = (),
    backend: str | None = None,
    strict: bool = False,
) -> Prepared:
    """Read, check and plan the command job in a YAML file. Writes nothing, but fetches what a registry has of it.

    `overrides` are az's `--set` words; `backend` wins over the spec's compute. `strict` turns an unknown compute into
    NotFoundError. Raises InvalidSpecError with every problem, UnsupportedError, NotFoundError.
    """
    from mlctl.assets.resolver import Resolver
    from mlctl.operations.job_assets import resolve_job
    from mlctl.operations.registries import registry_sources
    from mlctl.spec.job import load_command_job  # yaml and the validator: for the commands that read a file only

    job, problems = load_command_job(path, overrides=overrides, fields={"name": name} if name else {})
    compute, said = choose_compute(desk, job, backend=backend, strict=strict)
    resolver = Resolver(desk.store, registry_sources(desk.settings, desk.store))
    job = resolve_job(_with_defaults(job, desk.clock), resolver)
    bound = desk.connect(compute.backend)
    plan = bound.jobs.plan(job, compute)
    warnings = (*(f"{problem.location}: {problem.message}" for problem in problems), *said, *plan.warnings)
    return Prepared(plan, bound, warnings)


def describe_plan(plan: Plan) -> dict[str, Any]:
    """A plan as data that may be shown: without the secrets in it."""
    from mlctl.storage.hidden_texts import shown

    return dict(shown(plan.to_dict()))


def choose_compute(
    desk: JobDesk, job: CommandJob, *, backend: str | None, strict: bool
) -> tuple[Compute, tuple[str, ...]]:
    """The compute that a job goes to, and what must be said about the choice."""
    wanted = (job.compute or "").removeprefix("azureml:")
    known = desk.store.computes.find(wanted) if wanted else None
    if known and backend in (None, known.backend):
        return known, ()
    chosen = backend or desk.settings.text("defaults.backend") or LOCAL_COMPUTE
    compute = desk.store.computes.find(chosen) or Compute(name=chosen, type=chosen, backend=chosen)
    if not wanted or wanted == compute.name:
        return compute, ()
    where = job.where("compute")
    if known:
        return compute, (f"{where}compute {wanted!r} is replaced by {chosen!r}, as --backend says",)
    if strict:
        names = ", ".join(found.name for found in desk.store.computes.list())
        raise NotFoundError(
            f"{where}no compute named {wanted!r} in workspace {desk.store.name!r}",
            hint=f"computes here: {names}; without --strict the job runs on {chosen!r}",
        )
    return compute, (f"{where}compute {wanted!r} is not known in this workspace: the job runs on {chosen!r} instead",)


def describe(desk: JobDesk, record: JobRecord) -> dict[str, Any]:
    """A job in the vocabulary of `az ml job show`, with what mlctl knows beyond it."""
    folder = desk.store.job_folder(record.name)
    shown: dict[str, Any] = {
        **record.document,
        "name": record.name,
        "id": f"azureml://jobs/{record.name}",
        "status": record.status,
        "compute": f"azureml:{record.compute}",
        "backend": record.backend,
        "display_name": record.display_name,
        "description": record.description,
        "experiment_name": record.experiment_name,
        "parent_job_name": record.parent_job_name,
        "tags": _shown_tags(record.tags),
        "properties": record.properties,
        "archived": record.archived,
        "creation_context": creation_context(record.created_at, record.created_by),
        "start_time": iso_time(record.started_at),
        "end_time": iso_time(record.ended_at),
        "exit_code": record.exit_code,
        "error": record.error,
        "usage": record.usage,
        "services": services(desk, record),
    }
    shown["outputs"] = {
        "default": {
            "mode": "rw_mount",
            "path": f"azureml://jobs/{record.name}/outputs/artifacts/paths/",
            "type": "uri_folder",
        },
        **record.document.get("outputs", {}),
    }
    shown["folder"] = str(folder)
    return {key: value for key, value in shown.items() if value is not None or key in _ALWAYS_SHOWN}


_ALWAYS_SHOWN = frozenset({"display_name", "status", "name", "error", "exit_code"})


def show(desk: JobDesk, name: str, *, metrics: bool = False) -> dict[str, Any]:
    """One job as it is now, with the reason when it waits. Raises NotFoundError."""
    backend = desk.backend_of(name)
    record = backend.jobs.get(name)
    shown = describe(desk, record)
    reason = backend.jobs.waiting_reason(record)
    if reason:
        shown["waiting_reason"] = reason
    if metrics:
        shown["metrics"] = {found.key: found.value for found in backend.jobs.metrics(name)}
    return shown


def list_jobs(
    desk: JobDesk,
    *,
    max_results: int | None,
    view: str = "active",
    parent: str | None = None,
    status: str | None = None,
    metric: str | None = None,
    ascending: bool = False,
) -> list[dict[str, Any]]:
    """Jobs, newest first, or by the last value of a metric (highest first unless `ascending`)."""
    known = next((word for word in STATUSES if word.lower() == status.lower()), None) if status else None
    if status and known is None:
        raise UsageError(f"{status!r} is no status of a job", hint=f"one of: {', '.join(STATUSES)}")
    _look_after(desk)
    found = desk.store.jobs.list(
        max_results=max_results,
        view=view,
        parent=parent,
        statuses=[known] if known else None,
        metric=metric,
        ascending=ascending,
    )
    shown = [describe(desk, record) for record in found]
    if metric:
        for one in shown:
            one["metrics"] = {kept.key: kept.value for kept in desk.store.jobs.metrics(one["name"])}
    return shown


def wait(desk: JobDesk, name: str, *, timeout: float | None = None) -> JobRecord:
    """Wait until a job has ended. `timeout` in seconds. Raises NotFinishedError when it runs out, NotFoundError."""
    backend = desk.backend_of(name)
    give_up = time.monotonic() + timeout if timeout is not None else None
    pause = 0.02
    while not (record := backend.jobs.get(name)).is_terminal:
        if give_up is not None and time.monotonic() >= give_up:
            reason = backend.jobs.waiting_reason(record)
            raise NotFinishedError(
                f"job {name!r} is {record.status} after {timeout:g} s" + (f": {reason}" if reason else ""),
                hint=f"it goes on; mlctl job stream -n {name}",
            )
        time.sleep(pause)
        pause = min(pause * 1.4, _LONGEST_PAUSE)
    return record


def stream(
    desk: JobDesk, name: str, *, follow: bool = True, since: LogCursor | None = None, rank: int | None = None
) -> Iterator[LogChunk]:
    """The log of a job; see `Jobs.logs`. Raises NotFoundError before the first chunk."""
    return desk.backend_of(name).jobs.logs(name, follow=follow, since=since, rank=rank)


def cancel(desk: JobDesk, name: str) -> JobRecord:
    """Cancel a job and wait until it has ended. A finished job stays as it is."""
    return desk.backend_of(name).jobs.cancel(name)


def download(
    desk: JobDesk, name: str, *, into: Path, output: str | None = None, everything: bool = False
) -> tuple[Path, tuple[str, ...]]:
    """Bring what a job wrote to a folder, as `Jobs.download`; a sentence for each pipe, socket and device left out."""
    from mlctl.assets.places import output_places
    from mlctl.store.copies import special_files

    folder = desk.backend_of(name).jobs.download(name, into=into, output=output, everything=everything)
    if "folder" not in desk.store.jobs.plan(name)["payload"]:
        return folder, ()  # its files are not on this machine
    wanted = [place for found, place in output_places(name, desk.store).items() if everything or found == output]
    if output in (None, "artifacts", "default"):
        wanted.append(desk.store.job_folder(name) / "artifacts")
    return folder, tuple(said for place in wanted for said in special_files(place))


def set_archived(desk: JobDesk, name: str, *, archived: bool) -> None:
    """Hide a job from the list, or show it again."""
    desk.store.jobs.update(name, archived=archived)


def update(
    desk: JobDesk,
    name: str,
    *,
    operations: Sequence[tuple[str, Sequence[str]]],
    force_string: bool = False,
) -> JobRecord:
    """az's generic update (see `apply_update`) of display name, description, tags and properties.

    Raises UsageError for other keys.
    """
    from mlctl.spec.overrides import apply_update
    from mlctl.storage.hidden_texts import conceal

    record = desk.store.jobs.get(name)
    before = describe(desk, record)
    after = apply_update(before, operations, force_string=force_string)
    changed = [key for key in {*before, *after} if before.get(key) != after.get(key)]
    refused = sorted(key for key in changed if key not in _UPDATABLE)
    if refused:
        raise UsageError(
            f"job update cannot change {', '.join(refused)}", hint=f"it can change {', '.join(_UPDATABLE)}"
        )
    fields: dict[str, Any] = {key: _as_text(key, after.get(key)) for key in changed}
    if "tags" in fields:
        hidden = {key: text for key, text in record.tags.items() if key not in _shown_tags(record.tags)}
        fields["tags"] = {**hidden, **fields["tags"]}
    return desk.store.jobs.update(name, **conceal(fields, desk.store.secrets))


def services(desk: JobDesk, record: JobRecord) -> dict[str, Any]:
    """Addresses of a job: where it is tracked, and its folder in place of the studio page."""
    uri = (desk.store.folder / "mlruns").as_uri()
    if given := desk.settings.text("tracking.uri"):
        from mlctl.store.signed_addresses import printable

        uri = printable(given)
    return {
        "Tracking": {"type": "Tracking", "endpoint": uri},
        "Studio": {"type": "Studio", "endpoint": desk.store.job_folder(record.name).as_uri()},
    }


def outcome(record: JobRecord) -> tuple[bool, str]:
    """Whether a finished job completed, and the sentence that says how it ended."""
    if record.status == COMPLETED:
        return True, f"job {record.name!r} completed"
    told = (record.error or {}).get("message")
    word = {"Canceled": "was cancelled"}.get(record.status, "failed")
    return False, f"job {record.name!r} {word}" + (f": {told}" if told else "")


def _as_text(key: str, value: Any) -> Any:
    """A field as it is stored: `--set tags.n=3` gives a number, and tags are text. Raises UsageError for no map."""
    if key not in ("tags", "properties"):
        return None if value is None else str(value)
    if not isinstance(value, Mapping | None):
        raise UsageError(f"{key} cannot be {value!r}", hint=f"--set {key}.<name>=<value>")
    return {name: str(text) for name, text in (value or {}).items()}


def _with_defaults(job: CommandJob, clock: Clock) -> CommandJob:
    """A name, and az's default for the experiment: the name of the folder that the job was submitted from."""
    name = job.name or clock.new_job_name()
    experiment = job.experiment_name or Path.cwd().name or "Default"
    return replace(job, name=name, display_name=job.display_name or name, experiment_name=experiment)


def _look_after(desk: JobDesk) -> None:
    """Let a back end notice what died and move its queue on, when something is going on at all."""
    for backend in desk.store.jobs.backends_at_work():
        desk.connect(backend).jobs.look_after()


def _shown_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """az hides its own bookkeeping."""
    return {key: text for key, text in tags.items() if "_aml_system_" not in key}
