"""Which sections a kind of document reads, what each back end makes of the document as a whole, and where a part begins
that is a spec of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlctl.backends.capabilities import AZUREML, KUBERNETES, YES, Fate, KeyPath, approximated, refused
from mlctl.backends.capabilities.flows import NO_SPARK
from mlctl.spec.kinds import KINDS

_COMMAND = ("command", "ports", "base")
_COMPONENT = ("step", *_COMMAND, "declared")
_PARALLEL = ("step", "parallel", *_COMMAND, "declared")
_PIPELINE = ("step", "pipeline", "ports", "base", "declared")
_SWEEP = ("sweep", *_COMMAND, "declared")
_ONLINE = ("deployment",)
_BATCH = ("batch deployment", "parallel", "step", *_COMMAND)

KIND_SECTIONS: dict[str, tuple[str, ...]] = {
    "commandJob": _COMMAND,
    "commandComponent": _COMPONENT,
    "sweepJob": _SWEEP,
    "pipelineJob": _PIPELINE,
    "pipelineComponent": _PIPELINE,
    "parallelComponent": _PARALLEL,
    "sparkJob": ("spark",),
    "sparkComponent": ("spark",),
    **dict.fromkeys(("automlJob", "importJob", "finetuningJob", "distillationJob"), ("service step",)),
    **dict.fromkeys(
        ("automlComponent", "importComponent", "dataTransferComponent", "flowComponent"), ("service step",)
    ),
    "jobSchedule": ("schedule",),
    "managedOnlineEndpoint": ("endpoint",),
    "kubernetesOnlineEndpoint": ("endpoint", "base"),
    "batchEndpoint": ("batch endpoint", "endpoint"),
    "managedOnlineDeployment": _ONLINE,
    "kubernetesOnlineDeployment": _ONLINE,
    **dict.fromkeys(("modelBatchDeployment", "pipelineComponentBatchDeployment", "batchDeployment"), _BATCH),
    "modelPackage": ("package",),
    "environment": ("asset", "environment"),
    "model": ("asset", "asset path"),
    "data": ("asset", "asset path"),
    **dict.fromkeys(("azureBlobDatastore", "azureFileDatastore", "azureDataLakeGen2Datastore"), ("datastore",)),
    **dict.fromkeys(("oneLakeDatastore", "localFolderDatastore", "s3Datastore"), ("own datastore",)),
    "kubernetesCompute": ("kubernetes compute",),
    "localCompute": ("own compute",),
    "dockerCompute": ("own compute",),
    "workspace": ("workspace",),
}
"""Sections of each kind, the first that knows a key wins; other kinds are Azure ML's alone."""

STEP_SECTIONS: dict[str, tuple[str, ...]] = {
    "command": _COMPONENT,
    "sweep": _SWEEP,
    "parallel": _PARALLEL,
    "pipeline": _PIPELINE,
    "pipeline_component": _PIPELINE,
    "spark": ("spark",),
    **dict.fromkeys(("do_while", "if_else", "parallel_for"), ("control step",)),
}
"""Sections of a step by its `type`; other types are services of Azure ML."""

PARTS: dict[tuple[str, str], str] = {
    ("command", "environment"): "environment",
    ("command", "component"): "step",
    ("step", "component"): "step",
    ("parallel", "task.environment"): "environment",
    ("sweep", "trial"): "step",
    ("pipeline", "jobs.*"): "step",
    ("schedule", "create_job"): "scheduled job",
    ("deployment", "environment"): "serving environment",
    ("deployment", "model"): "model",
    ("batch deployment", "environment"): "environment",
    ("batch deployment", "model"): "model",
    ("batch deployment", "job_definition"): "step",
}
"""Section and key where a spec stands inside a spec, and what it is."""


def part_at(sections: Sequence[str], at: KeyPath) -> str | None:
    """What stands at a place, when it is a spec of its own."""
    for (section, key), part in PARTS.items():
        pattern = key.split(".")
        if section in sections and len(pattern) == len(at):  # noqa: SIM102 - zip is strict
            if all(want in ("*", one) for want, one in zip(pattern, at, strict=True)):
                return part
    return None


def sections_of(kind: str) -> tuple[str, ...]:
    """The sections that a kind of document reads."""
    return KIND_SECTIONS.get(kind, ("azure",))


def sections_of_part(part: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    """The sections that a part of a document reads; `value` is the part."""
    if part == "environment":
        return ("environment",)
    if part == "serving environment":
        return ("serving environment", "environment")
    if part == "model":
        return sections_of("model")
    word = value.get("type")
    if not isinstance(word, str):
        word = "pipeline" if "jobs" in value else "command"
    sections = STEP_SECTIONS.get(word.lower(), ("service step",))
    return ("scheduled job", *sections) if part == "scheduled job" else sections


_NOT_YET = "{title}: not available on this back end yet"
_SERVICE = refused("{title}: done by a service of Azure ML")
_AZURE = refused("{title}: a resource of Azure")
_FAMILIES: dict[str, str] = {
    "job": _NOT_YET + "; only command jobs are",
    "compute": "{title}: no place of this back end; a local or docker compute of the same name takes its place",
}
_AVAILABLE_HERE = frozenset({
    "commandJob", "workspace", "azureBlobDatastore", "azureDataLakeGen2Datastore", "oneLakeDatastore",
    "localFolderDatastore", "s3Datastore", "registry", "data", "model", "environment",
    "managedOnlineEndpoint", "kubernetesOnlineEndpoint", "managedOnlineDeployment", "kubernetesOnlineDeployment",
    "batchEndpoint", "batchDeployment", "modelBatchDeployment", "dataImport",
    *(name for name, kind in KINDS.items() if kind.family in ("component", "connection")),
})  # fmt: skip
_NO_FILE_SHARE = refused("a file share is mounted (SMB or NFS), and its folder registered with type: local_folder")
_CLUSTER_REFUSES: dict[str, Fate] = {
    **dict.fromkeys(("automlJob", "importJob", "finetuningJob", "distillationJob", "serverlessEndpoint"), _SERVICE),
    **dict.fromkeys(("dataImport", "index", "modelPackage", "importSchedule", "monitorSchedule"), _SERVICE),
    **dict.fromkeys(("featureSet", "featureSetSpecification", "featureSetBackfill", "featureStoreEntity"), _SERVICE),
    **dict.fromkeys(("automlComponent", "importComponent", "dataTransferComponent", "flowComponent"), _SERVICE),
    **dict.fromkeys(("sparkJob", "sparkComponent"), refused(NO_SPARK)),
    "azureDataLakeGen1Datastore": refused("Azure has retired Data Lake Storage Gen1 (29 February 2024)"),
    "oneLakeDatastore": refused("OneLake is read by Azure ML only: copy the data to a blob container"),
}
_OTHERS: dict[tuple[str, str], Fate] = {
    ("localCompute", "local"): YES,
    ("dockerCompute", "docker"): YES,
    ("modelPackage", "docker"): YES,
    ("modelPackage", "local"): refused("a package is an image, which an engine builds: use --backend docker"),
    ("localCompute", "docker"): refused("a compute of type local runs the jobs of the local back end"),
    ("dockerCompute", "local"): refused("a compute of type docker runs the jobs of the docker back end"),
    **{
        (kind, backend): refused("mlctl's own kind of compute: it is a place on this machine")
        for kind in ("localCompute", "dockerCompute")
        for backend in (KUBERNETES, AZUREML)
    },
    **{
        (kind, AZUREML): refused("mlctl's own kind of datastore: Azure ML has no such type")
        for kind in ("localFolderDatastore", "s3Datastore")
    },
    ("localFolderDatastore", KUBERNETES): refused("a folder of this machine: pods cannot read it"),
    **{("azureFileDatastore", backend): _NO_FILE_SHARE for backend in ("local", "docker")},
    **{
        ("azureDataLakeGen1Datastore", backend): refused("Azure has retired Data Lake Storage Gen1 (29 February 2024)")
        for backend in ("local", "docker")
    },
    ("azureDataLakeGen1Datastore", AZUREML): approximated(
        "Azure has retired Data Lake Storage Gen1 (29 February 2024): nothing can be read from it"
    ),
}


def fate_of_document(kind: str, backend: str) -> Fate:
    """What a back end makes of a document of its own, before its keys are looked at; `{title}` is the kind's title."""
    if (kind, backend) in _OTHERS:
        return _OTHERS[kind, backend]
    if backend == AZUREML:
        return YES
    return _of_cluster(kind) if backend == KUBERNETES else _of_this_machine(kind)


def _of_cluster(kind: str) -> Fate:
    if kind in _CLUSTER_REFUSES or kind in KIND_SECTIONS:
        return _CLUSTER_REFUSES.get(kind, YES)
    if KINDS[kind].family == "compute":
        return refused("attach a cluster as compute of type kubernetes with the same name")
    return _AZURE


def _of_this_machine(kind: str) -> Fate:
    if kind in _AVAILABLE_HERE:
        return YES
    if _CLUSTER_REFUSES.get(kind) is _SERVICE:
        return _SERVICE
    family = KINDS[kind].family
    if kind not in KIND_SECTIONS and family not in _FAMILIES:
        return _AZURE
    return refused(_FAMILIES.get(family, _NOT_YET))
