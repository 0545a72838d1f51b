"""From a checked command job to what a back end of this machine will do: plain data, no I/O.

Paths are those inside the job; both back ends of this machine use the same ones. Variables and paths follow Azure ML's
run-time contract (variables of a job's process, `./outputs`, `user_logs/std_log.txt`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from mlctl.assets.mlflow_runs import RUN_TAG
from mlctl.backends.base import Plan, Upload
from mlctl.backends.submitted import submitted_document
from mlctl.backends.supervised.folder import JobFolder
from mlctl.backends.supervised.processes import JOB_MARK
from mlctl.backends.supervised.tracking import experiment_id
from mlctl.entities.command_job import CommandJob, Input, Output
from mlctl.entities.compute import Compute
from mlctl.entities.datastore import BUILT_IN
from mlctl.errors import UnsupportedError
from mlctl.spec.references import substitute, substitute_optional


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job belongs: the workspace's name and absolute folder, and what settings say about it.

    `tracking_uri`: any MLflow URI, or None for the workspace's own store.
    """

    workspace: str
    folder: str
    subscription: str = "local"
    resource_group: str = "local"
    tracking_uri: str | None = None
    grace_period: float = 30.0

    def job_folder(self, name: str) -> JobFolder:
        """The folder of the job `name`."""
        return JobFolder(PurePosixPath(self.folder) / "jobs" / name)


def job_payload(job: CommandJob, place: Place) -> dict[str, Any]:
    """The payload that every back end of this machine starts from. `job.name` and `experiment_name` are set.

    Raises UnsupportedError for references that need an asset store or a service.
    """
    assert job.name, "a job has its name before it is planned"
    _refuse_what_is_elsewhere(job)
    folder = place.job_folder(job.name)
    inputs = [_data_input(job, given, folder) for given in job.inputs.values() if not given.is_literal]
    outputs = [_output(job, given, folder, place) for given in job.outputs.values()]
    values = _values(job, inputs, outputs)
    variables = _variables(job, place, folder, inputs, outputs)
    for name, text in job.environment_variables.items():
        variables[name] = substitute(text, values.get)
    # the mark by which the job's processes are found is not the job's to change
    variables[JOB_MARK] = str(folder.root)
    return {
        "folder": str(folder.root),
        "code": job.code,
        "command": substitute(substitute_optional(job.command, values.__contains__), values.get),
        "variables": variables,
        "inputs": inputs,
        "outputs": outputs,
        "instance_count": job.resources.instance_count,
        "distribution": _distribution(job),
        "timeout": job.timeout,
        "grace_period": place.grace_period,
        "experiment": job.experiment_name,
        "display_name": job.display_name,
        "tracking_uri": place.tracking_uri,
    }


def command_plan(
    backend: str, job: CommandJob, compute: Compute, payload: dict[str, Any], warnings: Sequence[str]
) -> Plan:
    """The plan around a back end's payload: everything else is the same on every back end of this machine."""
    return Plan(
        backend=backend,
        kind="command",
        name=job.name or "",
        compute=compute.name,
        payload=payload,
        record={
            **job_document(job),
            "tags": job.tags,
            "properties": job.properties,
            "description": job.description,
            "parent_job_name": job.parent_job_name,
        },
        spec=submitted_document(job),
        uploads=(Upload("code", job.code),) if job.code else (),
        warnings=tuple(warnings),
    )


def job_document(job: CommandJob) -> dict[str, Any]:
    """The fields of the spec as `az ml job show` prints them."""
    document: dict[str, Any] = {
        "type": "command",
        "command": job.command,
        "code": job.code,
        "environment": job.document.get("environment"),
        "environment_variables": dict(job.environment_variables),
        "inputs": {name: _shown_input(given) for name, given in job.inputs.items()},
        "outputs": {name: _shown_output(job, given) for name, given in job.outputs.items()},
        "resources": _shown_resources(job),
        "parameters": {},
    }
    if job.distribution:
        document["distribution"] = _distribution(job)
    if job.timeout is not None:
        document["limits"] = {"timeout": job.timeout}
    for key in ("services", "identity", "queue_settings"):
        value = getattr(job, key)
        if value:
            document[key] = value
    return document


def unused_fields(job: CommandJob) -> list[str]:
    """One sentence for each field of the spec that no back end of this machine has a use for."""
    found = [(f"inputs.{name}.datastore", "the data is read where it is") for name in job.inputs]
    found += [
        ("environment.datastore", "nothing is uploaded"),
        ("environment.auto_delete_setting", "an inline environment is not registered"),
        ("resources.max_instance_count", "a job does not grow while it runs"),
    ]
    return [f"{job.where(key)}{key} is not honoured here: {why}" for key, why in found if _written(job, key)]


def output_uri(job_name: str, output: str) -> str:
    """The URI of a named output in its default place."""
    return f"azureml://jobs/{job_name}/outputs/{output}/paths/"


def _refuse_what_is_elsewhere(job: CommandJob) -> None:
    """Code and build contexts must be folders of this machine, and its processes and containers run Linux programs."""
    build = job.environment.build
    for key, place in (("code", job.code), ("environment.build.path", build and build.path)):
        if place and not PurePosixPath(place).is_absolute():
            raise UnsupportedError(
                f"{job.where(key)}{key}: {place!r} is not a folder of this machine",
                hint="fetch it first (git clone, mlctl job download …) and name the local folder",
            )
    if job.environment.os_type == "windows":
        key = "environment.os_type"
        raise UnsupportedError(
            f"{job.where(key)}{key}: windows environments cannot run on this machine's back ends",
            hint="leave os_type out, or write linux",
        )


def _written(job: CommandJob, key: str) -> bool:
    """Whether the spec has a value at a dotted key."""
    found: Any = job.document
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found is not None


def _data_input(job: CommandJob, given: Input, folder: JobFolder) -> dict[str, Any]:
    uri = given.path or ""
    if given.mode in ("eval_mount", "eval_download"):
        raise UnsupportedError(
            f"{job.where(f'inputs.{given.name}.mode')}inputs.{given.name}.mode: {given.mode} "
            "(evaluating an MLTable before the job starts) runs on Azure ML only",
            hint="use ro_mount or download, and load the table with the mltable package",
        )
    try:
        name = _last_segment(uri)
    except ValueError as error:
        raise UnsupportedError(
            f"{job.where(f'inputs.{given.name}.path')}inputs.{given.name}.path: {uri!r} is no address: {error}",
            hint="check the address",
        ) from error
    target = str(folder.input(given.name))
    if given.path_on_compute:
        target = given.path_on_compute
    elif given.type in ("uri_file", "custom_model", "mlflow_model", "triton_model"):
        target = f"{target}/{name}"
    return {"name": given.name, "type": given.type, "mode": given.mode, "uri": uri, "target": target}


_DATASTORE = re.compile(r"\w+")
_TAKEN_OUTPUTS = ("artifacts", "default")


def _last_segment(uri: str) -> str:
    """File name of a path or a URI; queries (SAS signatures) do not belong to it."""
    path = unquote(urlsplit(uri).path) if "://" in uri else uri
    return PurePosixPath(path.rstrip("/")).name or "data"


def _output(job: CommandJob, given: Output, folder: JobFolder, place: Place) -> dict[str, Any]:
    if given.name in _TAKEN_OUTPUTS:
        raise UnsupportedError(
            f"{job.where(f'outputs.{given.name}')}outputs.{given.name}: the default output has this name already",
            hint="give the output another name",
        )
    target = str(folder.named_output(given.name))
    deliver = None
    if given.path:
        target, deliver = _datastore_target(job, given, place)
    elif given.type == "uri_file":
        target = f"{target}/{given.name}"
    planned: dict[str, Any] = {
        "name": given.name,
        "type": given.type,
        "mode": given.mode,
        "uri": given.path or output_uri(job.name or "", given.name),
        "target": target,
    }
    if deliver:
        planned["deliver"] = deliver
    if given.asset_name:
        planned["asset"] = {"name": given.asset_name, "version": given.asset_version}
    return planned


def _datastore_target(job: CommandJob, given: Output, place: Place) -> tuple[str, str | None]:
    """Where an output with a `path` is written, and the address that it is brought to at the end.

    On one of the workspace's own datastores it is written where it belongs. For any other one it is written into the
    job's folder: what that datastore is, is not a plan's business.
    """
    key = f"outputs.{given.name}.path"
    macros = {"name": job.name or "", "output_name": given.name, "default_datastore": "workspaceblobstore"}
    uri = substitute(given.path or "", macros.get)
    _, found, rest = uri.partition("/datastores/") if uri.startswith("azureml://subscriptions/") else ("", "", "")
    if uri.startswith("azureml://datastores/"):
        found, rest = "yes", uri.removeprefix("azureml://datastores/")
    datastore, paths, path = rest.partition("/paths/")
    parts = PurePosixPath(path).parts
    named = _DATASTORE.fullmatch(datastore)
    if not found or not paths or not named or ".." in parts or PurePosixPath(path).is_absolute():
        raise UnsupportedError(
            f"{job.where(key)}{key}: cannot write to {uri!r}",
            hint="leave `path` out, or use azureml://datastores/workspaceblobstore/paths/<folder>",
        )
    if datastore in BUILT_IN:
        return str(PurePosixPath(place.folder) / "datastores" / datastore / path), None
    target = place.job_folder(job.name or "").named_output(given.name)
    file = PurePosixPath(path).name or given.name
    return str(target / file if given.type == "uri_file" else target), f"azureml://datastores/{datastore}/paths/{path}"


def _values(job: CommandJob, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> dict[str, str]:
    """What each expression of the command stands for."""
    values = {f"inputs.{i.name}": literal_text(i.value) for i in job.inputs.values() if i.is_literal}
    values |= {f"inputs.{i['name']}": i["uri"] if i["mode"] == "direct" else i["target"] for i in inputs}
    values |= {f"outputs.{o['name']}": o["uri"] if o["mode"] == "direct" else o["target"] for o in outputs}
    return values


def literal_text(value: str | float | bool | None) -> str:
    """A literal input as the command sees it; az sends `str(value)`, so true is `True`."""
    return "" if value is None else str(value)


def _variables(
    job: CommandJob,
    place: Place,
    folder: JobFolder,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
) -> dict[str, str]:
    name, experiment = job.name or "", job.experiment_name or "Default"
    variables = {
        JOB_MARK: str(folder.root),
        "AZUREML_RUN_ID": name,
        "AZUREML_ROOT_RUN_ID": job.parent_job_name or name,
        "AZUREML_EXPERIMENT_ID": experiment_id(experiment),
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_ARM_SUBSCRIPTION": place.subscription,
        "AZUREML_ARM_RESOURCEGROUP": place.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": place.workspace,
        "AZUREML_WORKSPACE_ID": place.workspace,
        "AZUREML_CR_NODE_RANK": "0",
        "AZUREML_NODE_COUNT": str(job.resources.instance_count),
        "AZUREML_PROCESS_NAME": "main",
        "AZ_BATCHAI_JOB_WORK_DIR": str(folder.code),
        # a log that is read while the job runs must not wait in a buffer
        "PYTHONUNBUFFERED": "1",
        **_tracking_variables(job, place, experiment),
    }
    for data in inputs:
        value = data["uri"] if data["mode"] == "direct" else data["target"]
        variables[f"AZURE_ML_INPUT_{data['name']}"] = value
        variables[f"AZUREML_DATAREFERENCE_{data['name']}"] = value
    for data in outputs:
        variables[f"AZURE_ML_OUTPUT_{data['name']}"] = data["uri"] if data["mode"] == "direct" else data["target"]
    for given in job.inputs.values():
        if given.is_literal:
            variables[f"AZUREML_PARAMETER_{given.name}"] = literal_text(given.value)
    return variables


def _tracking_variables(job: CommandJob, place: Place, experiment: str) -> dict[str, str]:
    """MLflow's public variables. The run is made before the job starts only in the workspace's own store."""
    variables = {
        "MLFLOW_EXPERIMENT_NAME": experiment,
        "MLFLOW_RUN_CONTEXT": json.dumps({RUN_TAG: job.name, "mlctl.workspace": place.workspace}),
    }
    if place.tracking_uri:
        return {"MLFLOW_TRACKING_URI": place.tracking_uri, **variables}
    return {
        "MLFLOW_TRACKING_URI": "file://" + quote(f"{place.folder}/mlruns"),
        # MLflow 3.7 and later refuse the file store without it; see docs/architecture.md for why it is the store
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_EXPERIMENT_ID": experiment_id(experiment),
        "MLFLOW_RUN_ID": job.name or "",
        **variables,
    }


def _distribution(job: CommandJob) -> dict[str, Any] | None:
    if job.distribution is None:
        return None
    return {
        "type": job.distribution.type,
        "process_count_per_instance": job.distribution.process_count_per_instance,
        **job.distribution.settings,
    }


def _shown_input(given: Input) -> Any:
    if given.is_literal:
        return literal_text(given.value)
    return {"type": given.type, "mode": given.mode, "path": given.asset or given.path or ""}


def _shown_output(job: CommandJob, given: Output) -> dict[str, Any]:
    shown = {
        "type": given.type,
        "mode": given.mode,
        "path": given.path or output_uri(job.name or "", given.name),
        "name": given.asset_name,
        "version": given.asset_version,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _shown_resources(job: CommandJob) -> dict[str, Any]:
    resources: Mapping[str, Any] = {
        "instance_count": job.resources.instance_count,
        "instance_type": job.resources.instance_type,
        "shm_size": job.resources.shm_size,
        "docker_args": " ".join(job.resources.docker_args) or None,
        "max_instance_count": job.resources.max_instance_count,
        "properties": job.resources.properties or None,
    }
    return {key: value for key, value in resources.items() if value is not None}
