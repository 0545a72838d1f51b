"""Where MLflow's file store in the workspace keeps what runs and logged models hold, read without MLflow.

Layout of MLflow's FileStore: `mlruns/<experiment>/<run>/artifacts`, since MLflow 3 also
`mlruns/<experiment>/models/<model>/artifacts` for logged models, and `mlruns/models/<name>/version-<number>/meta.yaml`
for registered ones. Jobs write these files, so what stands in them is only used to find places below the workspace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from mlctl.errors import ConflictError, MlctlError, NotFoundError, UnsupportedError
from mlctl.store.workspaces import WorkspaceStore

RUN_TAG = "mlctl.job"
"""MLflow tag that names the job on every run that its processes open."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
_CLOCKS = 2.0
"""Seconds by which the times of files and of jobs may differ."""


@dataclass(frozen=True, slots=True)
class RunArtifact:
    """What a run logged under a path: where it is, and the job whose process logged it, if that is known."""

    place: Path
    job: str | None


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version that a job registered through MLflow. `place`: its files. `version` is MLflow's number."""

    name: str
    version: str
    place: Path
    description: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


def run_artifact(store: WorkspaceStore, run: str, path: str) -> RunArtifact:
    """What `runs:/<run>/<path>` means. `run` is a job, or a run that a script opened itself.

    A path that names a model which MLflow 3 logged is that model. Raises NotFoundError, ConflictError for a job that
    has not ended, UnsupportedError for a path that leads out.
    """
    text = f"runs:/{run}/{path}"
    folder, job = _run(store, run)
    if job is not None:
        _check_ended(store, job, text)
    inside = _relative(path, text)
    own = store.job_folder(run) / "artifacts" if job == run else folder / "artifacts" if folder else None
    place = own.joinpath(inside) if own else None
    if place is None or not place.exists():
        place = logged_model(store, run, inside)
    if place is not None and not _is_ours(store, place):
        raise UnsupportedError(f"{text} is a link that leads out of the workspace", hint="log the files themselves")
    if place is None:
        what = f"run {run!r}" if job in (None, run) else f"run {run!r} of job {job!r}"
        raise NotFoundError(f"{text}: {what} logged nothing under {path!r}", hint=_what_there_is(store, run, own))
    return RunArtifact(place, job)


def job_of_run(store: WorkspaceStore, run: str) -> str | None:
    """The job whose process opened a run; a job's own run is called as it is."""
    return _run(store, run)[1]


def logged_model(store: WorkspaceStore, run: str, inside: PurePosixPath) -> Path | None:
    """A path of a job or run that begins with the name of a model which MLflow 3 logged; the newest of that name."""
    if not inside.parts:
        return None
    named = [(meta, folder) for meta, folder in _logged(store, run) if meta.get("name") == inside.parts[0]]
    if not named:
        return None
    _, folder = max(named, key=lambda one: _number(one[0].get("creation_timestamp")))
    place = folder.joinpath("artifacts", *inside.parts[1:])
    return place if place.exists() else None


def registered_by_job(store: WorkspaceStore, job: str) -> list[RegisteredModel]:
    """The versions that the processes of a job registered in MLflow's own registry, by name and version.

    Versions whose files are outside the workspace, or gone, are left out.
    """
    shelf = store.folder / "mlruns" / "models"
    started = (store.jobs.get(job).created_at or 0.0) - _CLOCKS
    found = []
    for name in _newer(shelf, started):
        for version in _newer(name, started):
            meta = _meta(version)
            place = _registered_place(store, job, meta)
            if place is not None and _is_ours(store, place) and meta.get("name") == name.name:
                about = meta.get("description")
                tags = _tags(version / "tags")
                number = version.name.removeprefix("version-")
                found.append(RegisteredModel(name.name, number, place, about if isinstance(about, str) else None, tags))
    return sorted(found, key=lambda one: (one.name, _number(one.version)))


def _run(store: WorkspaceStore, run: str) -> tuple[Path | None, str | None]:
    """The folder of a run and its job. Raises NotFoundError when nobody knows it."""
    if _ID.fullmatch(run):
        folder = next(iter(sorted((store.folder / "mlruns").glob(f"*/{run}/meta.yaml"))), None)
        if store.jobs.find(run) is not None:
            return folder and folder.parent, run
        if folder is not None:
            job = _text(folder.parent / "tags" / RUN_TAG)
            return folder.parent, job if job and store.jobs.find(job) is not None else None
    raise NotFoundError(
        f"no job and no MLflow run {run!r} in this workspace",
        hint="a job's run is called as the job is: mlctl job list",
    )


def _check_ended(store: WorkspaceStore, job: str, text: str) -> None:
    record = store.jobs.get(job)
    if not record.is_terminal:
        raise ConflictError(
            f"{text}: job {job!r} is {record.status}, what it logs is not complete", hint=f"mlctl job wait -n {job}"
        )


def _logged(store: WorkspaceStore, run: str) -> Iterator[tuple[dict[str, Any], Path]]:
    """The models that a run or the processes of a job logged with MLflow 3: their facts and their folders."""
    for path in (store.folder / "mlruns").glob("*/models/*/meta.yaml"):
        tagged = _text(path.parent / "tags" / RUN_TAG) == run
        # among thousands of models most need no look at what their YAML means
        if tagged or run in _text(path):
            meta = _meta(path.parent)
            if tagged or meta.get("source_run_id") == run:
                yield meta, path.parent


def _registered_place(store: WorkspaceStore, job: str, meta: dict[str, Any]) -> Path | None:
    """Where the files of a registered version are, when a process of the job made it."""
    model, run = meta.get("model_id"), meta.get("run_id")
    root = store.folder / "mlruns"
    if isinstance(model, str) and _ID.fullmatch(model):
        for folder in root.glob(f"*/models/{model}"):
            if _text(folder / "tags" / RUN_TAG) == job:
                return folder / "artifacts"
    if not isinstance(run, str) or not _ID.fullmatch(run):
        return None
    if run == job:
        own: Path | None = store.job_folder(job) / "artifacts"
    else:
        own = next(
            (folder / "artifacts" for folder in root.glob(f"*/{run}") if _text(folder / "tags" / RUN_TAG) == job), None
        )
    path = own and _path_in_run(str(meta.get("source") or ""), run)
    return own.joinpath(path) if own and path else None


def _path_in_run(source: str, run: str) -> PurePosixPath | None:
    """The path inside the run's artifacts: from `runs:/<run>/<path>`, or from an address that ends with it.

    Only the path is taken from an address, and never where it says that the artifacts are.
    """
    if source.startswith(f"runs:/{run}/"):
        path = source.removeprefix(f"runs:/{run}/")
    else:
        path = unquote(urlsplit(source).path).rpartition(f"/{run}/artifacts/")[2]
    parts = PurePosixPath(path).parts
    return PurePosixPath(path) if parts and parts[0] != "/" and ".." not in parts else None


def _is_ours(store: WorkspaceStore, place: Path) -> bool:
    """Whether something is there, and not behind a link that leads out of the workspace."""
    return place.exists() and place.resolve().is_relative_to(store.folder.resolve())


def _relative(path: str, text: str) -> PurePosixPath:
    parts = PurePosixPath(unquote(path)).parts
    if ".." in parts or (parts and parts[0] == "/"):
        raise UnsupportedError(f"{text!r} leads out of its run", hint="write the path without '..'")
    return PurePosixPath(*parts)


def _what_there_is(store: WorkspaceStore, run: str, own: Path | None) -> str:
    names = {str(meta.get("name")) for meta, _ in _logged(store, run)}
    if own and own.is_dir():
        names |= {path.name for path in own.iterdir()}
    return f"it has {', '.join(sorted(names)[:10])}" if names else "it logged no artifacts"


def _newer(folder: Path, since: float) -> list[Path]:
    """Folders in a folder that changed since a moment: all others were made by earlier jobs."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and path.stat().st_mtime >= since)
    except OSError:
        return []


def _meta(folder: Path) -> dict[str, Any]:
    """A `meta.yaml`; empty when it is not there, being written, or no such file."""
    from mlctl.spec.reader import read_file

    try:
        data: dict[str, Any] = read_file(folder / "meta.yaml").data
    except MlctlError:
        return {}
    return data


def _tags(folder: Path) -> dict[str, str]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return {}
    return {path.name: _text(path) for path in paths}


def _text(path: Path) -> str:
    """What a tag holds; empty when it is not there."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:5000]
    except OSError:
        return ""


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
