"""A job that was submitted, as files that submit it again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlctl.entities.command_job import CommandJob
from mlctl.entities.environment import Environment
from mlctl.errors import ConflictError, MlctlError
from mlctl.operations.jobs import JobDesk, choose_compute
from mlctl.storage.hidden_texts import has_hidden
from mlctl.store.database import translate_os_error
from mlctl.store.signed_addresses import printable

JOB_FILE, CONDA_FILE, CODE_FOLDER = "job.yml", "conda.yml", "code"


@dataclass(frozen=True, slots=True)
class Exported:
    """The spec of a job, without its name, and sentences about what it lacks."""

    document: dict[str, Any]
    warnings: tuple[str, ...] = ()


def export(desk: JobDesk, name: str) -> Exported:
    """The spec of a job as it was submitted; `code` is the folder that it came from. Raises NotFoundError.

    Signatures of addresses are left out, and warned of; so is a code folder that has changed since.
    """
    plan = desk.store.jobs.plan(name)
    document, warnings = _spec(desk, name, plan)
    code = document.get("code")
    if code and not _is_unchanged(desk, name, Path(code)):
        warnings.append(
            f"{code} has changed since the job was submitted: mlctl job export {name} --to FOLDER writes it as it was"
        )
    return Exported(document, tuple(warnings))


def export_to(desk: JobDesk, name: str, folder: Path, *, write: Callable[[Any], str]) -> tuple[Path, tuple[str, ...]]:
    """Write job.yml with the code as it was and the conda file beside it into a new folder; the path of job.yml.

    `write` makes YAML of data. Raises NotFoundError, ConflictError when the folder holds something, and the errors of
    the content store.
    """
    plan = desk.store.jobs.plan(name)
    document, warnings = _spec(desk, name, plan)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} is there already", hint="name a folder that is empty or new")
    target = folder.resolve()
    incoming = target.parent / f".{target.name}.{os.urandom(6).hex()}"
    try:
        incoming.mkdir(parents=True)
        if plan.get("code_digest"):
            desk.store.content.materialise(plan["code_digest"], incoming / CODE_FOLDER)
            document["code"] = f"./{CODE_FOLDER}"
        environment = document.get("environment")
        if isinstance(environment, dict) and environment.get("conda_file"):
            (incoming / CONDA_FILE).write_text(write(environment["conda_file"]), encoding="utf-8")
            document["environment"] = {**environment, "conda_file": f"./{CONDA_FILE}"}
        (incoming / JOB_FILE).write_text(write(document), encoding="utf-8")
        incoming.rename(target)
    except OSError as error:
        raise translate_os_error(error, folder) from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    build = environment.get("build") if isinstance(environment, dict) else None
    if build:
        warnings.append(f"the build context stays where it is: {build['path']}")
    return folder / JOB_FILE, tuple(warnings)


def _spec(desk: JobDesk, name: str, plan: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    document = dict(plan.get("spec") or _printed(desk.store.jobs.get(name).document))
    compute = _compute(desk, document.get("compute"), plan["compute"])
    if compute is not None:
        document["compute"] = compute
    elif "compute" in document:
        del document["compute"]
    warnings: list[str] = []
    inputs = document.get("inputs") or {}
    shown = {key: _without_signature(key, given, warnings) for key, given in inputs.items()}
    document = {**document, "inputs": shown} if inputs else document
    if has_hidden(document, desk.store.secrets):
        warnings.append("secrets are hidden ('…'): this workspace knows them, elsewhere the whole texts must be given")
    return document, warnings


def _printed(document: dict[str, Any]) -> dict[str, Any]:
    """The spec of a job from before plans kept it: what `job show` prints can be submitted, too."""
    return {key: value for key, value in document.items() if value not in (None, {}, []) and key not in _NOT_WRITTEN}


_NOT_WRITTEN = ("parameters", "warnings")


def _compute(desk: JobDesk, written: str | None, ran_on: str) -> str | None:
    """The compute as it was written when that leads to the one that the job ran on, else the latter."""
    wanted = CommandJob(command="", environment=Environment(), compute=written)
    try:
        chosen = choose_compute(desk, wanted, backend=None, strict=False)[0].name
    except MlctlError:
        chosen = ""
    return written if chosen == ran_on else f"azureml:{ran_on}"


def _without_signature(name: str, given: Any, warnings: list[str]) -> Any:
    path = given.get("path") if isinstance(given, dict) else None
    if not path or "://" not in path:
        return given
    shown = printable(path)
    if shown != path:
        warnings.append(f"inputs.{name}.path: the signature of the address is left out; put one in before you submit")
    return {**given, "path": shown}


def _is_unchanged(desk: JobDesk, name: str, code: Path) -> bool:
    from mlctl.store.snapshot import folder_hash

    known = desk.store.jobs.get(name).properties.get("mlctl.code_hash")
    try:
        return code.exists() and folder_hash(code) == known
    except MlctlError:
        return False
