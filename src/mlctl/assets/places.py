"""Where on this machine the files are that an address means."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from mlctl.assets.mlflow_runs import logged_model, run_artifact
from mlctl.entities.datastore import LOCAL_FOLDER
from mlctl.errors import ConflictError, NotFoundError, UnsupportedError
from mlctl.spec.references import DATASTORE, parse
from mlctl.storage.addresses import inside, kept_here, parts_below
from mlctl.store.git_trees import fetch_git
from mlctl.store.workspaces import WorkspaceStore

_RUN = re.compile(r"runs:/([^/]+)(?:/(.*))?")


def local_place(uri: str, store: WorkspaceStore) -> Path:
    """The file or folder that an address means: a local path, file:, azureml://jobs/…, runs:/…, azureml://datastores/….

    Raises NotFoundError when nothing is there, ConflictError for the output of a job that has not ended, and
    UnsupportedError for what is no place of this machine.
    """
    if uri.startswith("azureml://jobs/"):
        path = _job_output(uri, store)
    elif (kept := kept_here(uri, store)) is not None:
        path = kept
    elif uri.startswith("azureml://") and "datastores/" in uri:
        datastore, _, rest = uri.partition("datastores/")[2].partition("/paths/")
        path = inside(store.datastore_folder(datastore), rest, uri)
    elif run := _RUN.fullmatch(uri):
        path = run_artifact(store, run[1], run[2] or "").place
    elif uri.startswith("git+"):
        path = fetch_git(uri, store.folder / "git").path
    elif uri.startswith("file:"):
        path = Path(unquote(urlsplit(uri).path) if uri.startswith("file://") else uri.removeprefix("file:"))
    elif "://" in uri or uri.startswith(("azureml:", "runs:")):
        raise UnsupportedError(
            f"{uri!r} cannot be read on this machine",
            hint="readable here: local paths, file://, http(s)://, public wasbs:// and abfss://, "
            "azureml://jobs/…, azureml://datastores/…, git+https://…",
        )
    else:
        path = Path(uri)
    if not path.exists():
        raise NotFoundError(f"{uri!r} does not exist", hint=f"looked at {path}")
    return path


def output_places(name: str, store: WorkspaceStore) -> dict[str, Path]:
    """Where the named outputs of a job are now: the workspace may have been moved since the job was planned."""
    payload = store.jobs.plan(name)["payload"]
    planned = Path(payload["folder"]).parent.parent
    places = {}
    for data in payload["outputs"]:
        target = Path(data["target"])
        places[data["name"]] = store.folder / target.relative_to(planned) if planned in target.parents else target
    return places


def check_address(uri: str, store: WorkspaceStore) -> None:
    """Raise UnsupportedError for an address that leads out of its datastore. Whether anything is there is not asked."""
    reference = parse(uri)
    if reference.kind != DATASTORE:
        return
    datastore = store.datastores.find(reference.datastore or "")
    if datastore is not None and datastore.type == LOCAL_FOLDER:
        inside(Path(datastore.settings["path"]), reference.path or "", uri)
    else:
        parts_below(reference.path or "", uri)


def _job_output(uri: str, store: WorkspaceStore) -> Path:
    """`azureml://jobs/<job>/outputs/<output>[/paths/<path>]`; `artifacts` and `default` are the default output."""
    name, _, rest = uri.removeprefix("azureml://jobs/").partition("/outputs/")
    output, _, path = rest.partition("/paths/")
    output = output.strip("/")
    record = store.jobs.get(name)
    if not record.is_terminal:
        raise ConflictError(
            f"{uri}: job {name!r} is {record.status}, its outputs are not complete",
            hint=f"mlctl job wait -n {name}",
        )
    if output in ("artifacts", "default", ""):
        place = inside(store.job_folder(name) / "artifacts", path, uri)
        # a model that MLflow 3 logged is not among the artifacts of its run, but everybody looks for it there
        logged = None if place.exists() else logged_model(store, name, PurePosixPath(unquote(path)))
        return logged or place
    outputs = output_places(name, store)
    if output in outputs:
        place = outputs[output]
        return inside(place.parent if place.is_file() and path else place, path, uri)
    names = list(outputs)
    raise NotFoundError(
        f"{uri}: job {name!r} has no output {output!r}", hint=f"its outputs: {', '.join(['artifacts', *names])}"
    )
