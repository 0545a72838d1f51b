"""What a job finds when it starts: its code, its inputs and the places for its outputs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from mlctl.assets.places import local_place
from mlctl.assets.web import fetch_web, is_web, refuse_web_folder
from mlctl.backends.supervised.datastores import bring_remote, is_elsewhere, link_output
from mlctl.backends.supervised.folder import JobFolder
from mlctl.errors import UnavailableError, located
from mlctl.storage.hidden_texts import check_known
from mlctl.store.copies import without_special
from mlctl.store.workspaces import WorkspaceStore

READ_ONLY_MODES = frozenset({"ro_mount", "mount"})


def check_inputs(inputs: Iterable[dict[str, Any]], store: WorkspaceStore) -> None:
    """Refuse, before anything is stored, inputs that are known to be missing. Web addresses are not asked.

    Raises NotFoundError, ConflictError (the job that makes an input has not ended) and UnsupportedError.
    """
    for data in inputs:
        check_known(data["uri"], store.secrets)
        if data["mode"] == "direct":
            continue
        if is_elsewhere(data, store):
            continue
        if is_web(data["uri"]):
            refuse_web_folder(f"inputs.{data['name']}", data["type"], data["uri"])
        else:
            local_source(data, store)


def lay_out_code(digest: str | None, folder: JobFolder, store: WorkspaceStore) -> None:
    """Unpack the snapshot into the working directory and join `./outputs` and `./logs` to the artifacts.

    The folders really are in the working directory, so that a script may delete and make them again; the artifacts
    show them through a link until the job ends (see `keep_outputs`).
    """
    code, artifacts = Path(folder.code), Path(folder.artifacts)
    code.mkdir(parents=True, exist_ok=True)
    if digest:
        store.content.materialise(digest, code)
    for part in ("user_logs", "azureml-logs", "system_logs"):
        (artifacts / part).mkdir(parents=True, exist_ok=True)
    for name in ("outputs", "logs"):
        (code / name).mkdir(exist_ok=True)
        link = artifacts / name
        if not link.is_symlink():
            link.symlink_to(f"../code/{name}")


def keep_outputs(folder: JobFolder) -> None:
    """At the end: move `./outputs` and `./logs` of the working directory to the artifacts, for good."""
    for name in ("outputs", "logs"):
        link, source = Path(folder.artifacts / name), Path(folder.code / name)
        if link.is_symlink() and source.is_dir() and not source.is_symlink():
            link.unlink()
            source.rename(link)
        elif link.is_symlink():
            # the job removed the folder, or put a link in its place
            link.unlink()
            link.mkdir()


def bring_inputs(
    inputs: Iterable[dict[str, Any]], store: WorkspaceStore, cache: Path
) -> tuple[list[dict[str, Any]], list[str]]:
    """Make each data input appear at its target: download what is remote, copy what has mode download.

    Returns the mounts that are left for the runner, [{"source", "target", "read_only"}], and warnings.
    Raises NotFoundError, UnavailableError (no network, no space) and UnsupportedError.
    """
    mounts: list[dict[str, Any]] = []
    warnings: list[str] = []
    wanted = [data for data in inputs if data["mode"] != "direct"]
    remote = bring_remote([data for data in wanted if is_elsewhere(data, store)], store, cache)
    for data in wanted:
        if data["name"] in remote:
            source = remote[data["name"]]
        elif is_web(data["uri"]):
            refuse_web_folder(f"inputs.{data['name']}", data["type"], data["uri"])
            fetched = fetch_web(data["uri"], store, cache)
            source = fetched.path
            warnings += fetched.warnings
        else:
            source = local_source(data, store)
        if data["mode"] in READ_ONLY_MODES:
            mounts.append({"source": str(source), "target": data["target"], "read_only": True})
        else:
            warnings += copy(source, Path(data["target"]), follow_links=not data["uri"].startswith("azureml:"))
    return mounts, warnings


def prepare_outputs(
    outputs: Iterable[dict[str, Any]], folder: JobFolder, store: WorkspaceStore
) -> list[dict[str, Any]]:
    """Make the places of named outputs. Returns the mounts of those outside the job's folder."""
    mounts = []
    for data in outputs:
        if data["mode"] == "direct":
            continue
        target = Path(data["target"])
        linked = link_output(data, store) if "deliver" in data else None
        place = linked or (target.parent if data["type"] == "uri_file" else target)
        place.mkdir(parents=True, exist_ok=True)
        if PurePosixPath(folder.root) not in PurePosixPath(place).parents:
            mounts.append({"source": str(place), "target": str(place), "read_only": False})
    return mounts


def local_source(data: dict[str, Any], store: WorkspaceStore) -> Path:
    """The file or folder of this machine that an input's URI means. Raises as `local_place`, naming the input."""
    with located(f"inputs.{data['name']}.path: "):
        return local_place(data["uri"], store)


def copy(source: Path, target: Path, *, follow_links: bool) -> list[str]:
    """Copy a file or a folder. What a job wrote is copied with its links as links: one may point to anything of ours.

    Returns a sentence for each pipe, socket and device, which are left out. Raises UnavailableError when it cannot be
    done, such as on a full disk.
    """
    left_out: list[str] = []
    try:
        if source.is_dir():
            ignore = without_special(left_out, follow_links=follow_links)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target, dirs_exist_ok=True, symlinks=not follow_links, ignore=ignore)
        elif not without_special(left_out, follow_links=follow_links)(str(source.parent), [source.name]):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target, follow_symlinks=follow_links)
    except shutil.Error as error:
        first = error.args[0][0]
        raise UnavailableError(f"cannot copy {first[0]} to {first[1]}: {first[2]}") from error
    except OSError as error:
        raise UnavailableError(f"cannot copy {source} to {target}: {error.strerror or error}") from error
    return left_out
