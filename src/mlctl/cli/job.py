"""`mlctl job …`: the verbs of `az ml job`, and what users of it miss (wait, metrics, dry run, log from a line on)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from mlctl.cli import job_diff, job_export
from mlctl.cli import lineage as lineages
from mlctl.cli.command import Accepted, Result, command
from mlctl.cli.job_desk import job_desk
from mlctl.cli.job_log import show_log, told_end
from mlctl.cli.names import complete_backends
from mlctl.cli.options import (
    POLICY,
    ArchivedOnly,
    File,
    ForceString,
    IncludeArchived,
    Name,
    NewName,
    Operations,
    SetValues,
)
from mlctl.context import Context
from mlctl.entities.clock import parse_duration
from mlctl.errors import UsageError
from mlctl.operations import jobs

Web = Annotated[bool, typer.Option("--web", "-e", help="Open the job's folder in the browser.")]
BackendName = Annotated[
    str | None,
    typer.Option(
        "--backend", metavar="NAME", autocompletion=complete_backends, help="Back end that runs it: local or docker."
    ),
]


@command(accepted=(*POLICY, Accepted(("--skip-validation",), "flag"), Accepted(("--no-wait",), "flag")))
def create(
    context: Context,
    *,
    file: File,
    name: NewName = None,
    set_: SetValues = None,
    stream: Annotated[
        bool, typer.Option("--stream", "-s", help="Follow the log (on stderr) until the job ends.")
    ] = False,
    web: Web = False,
    save_as: Annotated[
        Path | None, typer.Option("--save-as", "-a", metavar="FILE", help="Write the created job to a YAML file too.")
    ] = None,
    backend: BackendName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan as data and submit nothing.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a compute that this workspace does not know.")
    ] = False,
) -> Result:
    """Create a job from its YAML file.

    Returns as soon as the job is queued. With --stream it follows the log and ends with 0, or 10 when the job failed.
    """
    desk = job_desk(context)
    prepared = jobs.prepare(desk, file, name=name, overrides=set_ or [], backend=backend, strict=strict)
    context.say.warnings(prepared.warnings)
    if save_as and not (save_as.parent.is_dir() and os.access(save_as.parent, os.W_OK)):
        raise UsageError(f"--save-as: {save_as.parent} is no folder that can be written", hint="nothing was submitted")
    if dry_run:
        return Result(jobs.describe_plan(prepared.plan))
    record = prepared.backend.jobs.submit(prepared.plan)
    context.store.content.release()  # what was fetched for it has its record: nobody who cleans up waits for the log
    context.say.warnings(record.document.get("warnings", []))
    exit_code = 0
    if stream:
        context.say.info(f"job {record.name!r} is {record.status}")
        show_log(context, desk, record.name, to_stdout=False)
        record = prepared.backend.jobs.get(record.name)
        exit_code = told_end(context, record)
    shown = jobs.describe(desk, record)
    if save_as:
        _save(save_as, shown)
    if web:
        _open(context, shown)
    return Result(shown, exit_code=exit_code)


@command(view="job list", name="list")
def list_(
    context: Context,
    *,
    max_results: Annotated[int, typer.Option("--max-results", "-r", min=1, help="At most that many jobs.")] = 50,
    all_results: Annotated[bool, typer.Option("--all-results", help="All jobs.")] = False,
    parent_job_name: Annotated[
        str | None, typer.Option("--parent-job-name", "-p", help="Children of this job only.")
    ] = None,
    archived_only: ArchivedOnly = False,
    include_archived: IncludeArchived = False,
    status: Annotated[str | None, typer.Option("--status", help="Jobs with this status only.")] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Order by the last value of this metric, highest first.")
    ] = None,
    ascending: Annotated[bool, typer.Option("--ascending", help="Lowest value first, with --metric.")] = False,
) -> list[dict[str, Any]]:
    """List jobs, newest first, or ordered by a metric."""
    if archived_only and include_archived:
        raise UsageError("--archived-only and --include-archived exclude each other", hint="give one of them")
    view = "archived" if archived_only else "all" if include_archived else "active"
    limit = None if all_results else max_results
    return jobs.list_jobs(
        job_desk(context),
        max_results=limit,
        view=view,
        parent=parent_job_name,
        status=status,
        metric=metric,
        ascending=ascending,
    )


@command
def show(
    context: Context,
    *,
    name: Name,
    metrics: Annotated[bool, typer.Option("--metrics", help="Add the last value of each metric.")] = False,
    web: Web = False,
) -> dict[str, Any]:
    """Show a job as it is now; one that waits says why."""
    shown = jobs.show(job_desk(context), name, metrics=metrics)
    if web:
        _open(context, shown)
    return shown


@command(accepted=POLICY)
def stream(
    context: Context,
    *,
    name: Name,
    since: Annotated[
        int, typer.Option("--since", min=0, help="Leave out that many lines of the log, such as those already seen.")
    ] = 0,
    rank: Annotated[int | None, typer.Option("--rank", min=0, help="One process of a distributed job only.")] = None,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="What there is now, without waiting.")] = False,
) -> Result:
    """Stream a job's log until the job ends; exit code 10 when it failed.

    The log goes to stdout. With -o or --query stdout has the job instead, and the log goes to stderr.
    """
    from mlctl.backends.base import LogCursor

    desk = job_desk(context)
    cursor = LogCursor(dict.fromkeys(_sources(rank), since)) if since else None
    show_log(context, desk, name, to_stdout=not context.output_given, follow=not no_follow, since=cursor, rank=rank)
    record = desk.backend_of(name).jobs.get(name)
    exit_code = told_end(context, record) if record.is_terminal else 0
    return Result(jobs.describe(desk, record) if context.output_given else None, exit_code=exit_code)


@command
def wait(
    context: Context,
    *,
    name: Name,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="DURATION", help="Give up after 90s, 10m, 1h30m …: exit code 8.")
    ] = None,
) -> Result:
    """Wait until a job has ended: exit code 0 when it completed, 10 when not, 8 when time ran out."""
    try:
        seconds = parse_duration(timeout) if timeout is not None else None
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from error
    desk = job_desk(context)
    record = jobs.wait(desk, name, timeout=seconds)
    return Result(jobs.describe(desk, record), exit_code=told_end(context, record))


@command(accepted=POLICY)
def cancel(context: Context, *, name: Name) -> dict[str, Any]:
    """Cancel a job and wait until it has ended. A job that has ended already stays as it is."""
    desk = job_desk(context)
    with context.say.progress(f"cancelling {name}"):
        return jobs.describe(desk, jobs.cancel(desk, name))


@command(accepted=POLICY)
def download(
    context: Context,
    *,
    name: Name,
    all_: Annotated[bool, typer.Option("--all", help="Logs, default output and all named outputs.")] = False,
    download_path: Annotated[
        Path, typer.Option("--download-path", "-p", metavar="FOLDER", help="Where to; this folder when not given.")
    ] = Path(),
    output_name: Annotated[str | None, typer.Option("--output-name", help="One named output only.")] = None,
) -> None:
    """Download what a finished job wrote: `artifacts/`, and `named-outputs/<name>/` with --all or --output-name."""
    desk = job_desk(context)
    with context.say.progress(f"downloading {name}"):
        into, left_out = jobs.download(desk, name, into=download_path, output=output_name, everything=all_)
    context.say.warnings(left_out)
    context.say.info(f"downloaded to {into.absolute()}")


@command(accepted=POLICY)
def update(
    context: Context,
    *,
    name: Name,
    operations: Operations = None,
    force_string: ForceString = False,
    web: Web = False,
) -> dict[str, Any]:
    """Update a job's display name, description, tags or properties."""
    desk = job_desk(context)
    record = jobs.update(desk, name, operations=operations or (), force_string=force_string)
    shown = jobs.describe(desk, record)
    if web:
        _open(context, shown)
    return shown


@command(accepted=POLICY)
def archive(context: Context, *, name: Name) -> None:
    """Archive a job: it stays, and no longer shows in the list."""
    jobs.set_archived(job_desk(context), name, archived=True)


@command(accepted=POLICY)
def restore(context: Context, *, name: Name) -> None:
    """Restore an archived job to the list."""
    jobs.set_archived(job_desk(context), name, archived=False)


@command(accepted=(*POLICY, Accepted(("--node-index", "-i"))))
def show_services(context: Context, *, name: Name) -> dict[str, Any]:
    """Show the addresses of a job: where it is tracked, and its folder."""
    desk = job_desk(context)
    return jobs.services(desk, desk.backend_of(name).jobs.get(name))


export = job_export.export
diff = job_diff.diff
lineage = lineages.lineage
used_by = lineages.job_used_by


def _sources(rank: int | None) -> list[str]:
    """The log files that `--since` counts in: one, or that of a rank."""
    return ["user_logs/std_log.txt", *([f"user_logs/std_log_process_{rank:02d}.txt"] if rank is not None else [])]


def _save(path: Path, shown: dict[str, Any]) -> None:
    from mlctl.output.formats import to_yaml

    try:
        path.write_text(to_yaml(shown), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--save-as: cannot write {path}: {error.strerror}") from error


def _open(context: Context, shown: dict[str, Any]) -> None:
    """Open the job's page; without a browser, say its address."""
    import webbrowser

    address = shown["services"]["Studio"]["endpoint"]
    if not webbrowser.open(address):
        context.say.warning(f"no browser to open {address}")
