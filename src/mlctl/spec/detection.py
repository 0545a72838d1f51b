"""Which kind of spec a document is, by what it holds.

Azure ML never reads `$schema`: a command decides the family, and keys inside decide the kind. Without a command, the
family is what the keys say when they say it clearly, else what `$schema` says, else the best guess from the shape.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlctl.spec.kinds import KINDS, TYPES, Kind, default_kind, kind_named, kind_of_type
from mlctl.spec.resemblance import nearest_kind

_AZURE = r"(?i)azureml|azure-ml|machinelearningservices"

_FOREIGN_TEXT = (
    (r"(?m)^apiVersion:\s*\S", r"(?m)^kind:\s*\S", "a Kubernetes manifest"),
    (r"(?m)^on:", r"(?m)^\s+runs-on:|^\s+uses:", "a GitHub workflow"),
    (r"(?m)^(?:stages|pool|steps|jobs|extends):",
     r"(?m)^\s*- (?:task|stage|script|job|template|deployment): ", "an Azure pipeline"),
)  # fmt: skip

_TELLING = (
    r"(?m)^(command|environment|code|compute|jobs|trial|search_space|endpoint_name|instance_type|instance_count|conda_file|"
    r"code_configuration|auth_mode|traffic|experiment_name|environment_variables|inputs|outputs):"
)
_TYPE = r"(?m)^type:\s*[\"']?(\w+)"
FLOW = "a prompt flow"

_PRIMITIVES = frozenset({"string", "integer", "number", "boolean"})
_ASSET_TYPES = frozenset({"uri_file", "uri_folder", "mltable"})
_WORKSPACE = frozenset(
    {"hbi_workspace", "key_vault", "application_insights", "managed_network", "customer_managed_key",
     "customer_managed_keys", "image_build_compute"}
)  # fmt: skip
_REGISTRY = frozenset(
    {"name", "description", "tags", "location", "public_network_access", "intellectual_property_publisher",
     "managed_resource_group", "replication_locations", "container_registry", "identity"}
)  # fmt: skip
_DATASTORE = frozenset({"account_name", "store_name", "one_lake_workspace_name"})
_CONNECTION = frozenset({"target", "endpoint", "url"})
_MODEL_TYPES = frozenset({"custom_model", "mlflow_model", "triton_model"})
_JOB_ONLY = frozenset(
    {
        "compute", "experiment_name", "limits", "services", "identity", "queue_settings", "environment_variables",
        "settings", "parent_job_name", "trial", "objective", "task", "resources", "distribution",
    }
)  # fmt: skip
_JOB_KEYS = frozenset(
    {
        "command", "jobs", "trial", "search_space", "objective", "environment", "code", "compute", "inputs", "outputs",
        "environment_variables", "experiment_name", "distribution", "training_data",
    }
)  # fmt: skip
"""Keys by which jobs and components are known even when one of them is misspelt."""

_ASSET_KEYS = frozenset(
    {"name", "version", "type", "path", "description", "tags", "properties", "stage", "flavors", "datastore"}
)
_COMPONENT_ONLY = frozenset({"is_deterministic", "additional_includes", "version", "successful_return_code"})


class Detected(NamedTuple):
    """The kind of a document, or why it is none (`kind` is None and `reason` says what it is instead)."""

    kind: Kind | None
    reason: str = ""


def foreign_text(text: str) -> str | None:
    """What a file is that can be told from its text not to be an Azure ML spec; None when it may be one."""
    if re.search(_AZURE, text.partition("\n\n")[0][:400]):
        return None
    for first, second, what in _FOREIGN_TEXT:
        if re.search(first, text) and re.search(second, text):
            return what
    return None


def looks_like_spec(text: str) -> bool:
    """Whether text that is no YAML was meant to be an Azure ML spec.

    It speaks of Azure ML, names a `type` that Azure ML has, or has several of its keys.
    """
    named = re.search(_TYPE, text)
    if named and any(named[1].lower() in types for types in (*TYPES.values(), _ASSET_TYPES, _MODEL_TYPES)):
        return True
    return bool(re.search(_AZURE, text)) or len(set(re.findall(_TELLING, text))) > 1


def detect(data: Any) -> Detected:
    """The kind of a document's data."""
    if not isinstance(data, dict):
        return Detected(None, "a list" if isinstance(data, list) else "no map of keys")
    named = data.get("$schema")
    claimed, foreign = _claimed(named) if isinstance(named, str) else (None, None)
    if foreign:
        return Detected(None, foreign)
    shape = _clear_family(data)
    if claimed is not None:
        if shape is not None and claimed.family not in shape:
            family = shape[0]
            return Detected(_refined(family, data) or default_kind(family))
        return Detected(_refined_claim(claimed, data))
    if shape is None:
        what = _foreign_shape(data)
        if what:
            return Detected(None, what)
    likely = _component_or_job(data) if shape == ("job", "component") else shape[0] if shape else _guess(data)
    kind = nearest_kind(data) if likely is None else _refined(likely, data) or default_kind(likely)
    return Detected(kind) if kind else Detected(None, "no kind of Azure ML spec that is known")


def claimed_kind(address: str) -> Kind | None:
    """The kind that a `$schema` names; None when it names none that is known."""
    return _claimed(address)[0]


def refine(kind: Kind, data: Any) -> Kind:
    """The kind of the same family that the document's keys mean."""
    return _refined_claim(kind, data) if isinstance(data, dict) else kind


@functools.lru_cache(maxsize=128)
def _claimed(address: str) -> tuple[Kind | None, str | None]:
    """The kind that `$schema` names; or, when it is no Azure ML schema, what that says about the file."""
    if "promptflow" in address:
        return None, FLOW
    if not re.search(_AZURE, address):
        known = kind_named(address.rpartition("/")[2])
        return known, None
    name = address.rpartition("/")[2].removesuffix(".json").removesuffix(".schema")
    return kind_named(name), None


def _refined_claim(claimed: Kind, data: Mapping[str, Any]) -> Kind:
    if claimed.name in (
        "featureSetSpecification",
        "featureSetBackfill",
        "modelPackage",
        "dataImport",
        "deploymentTemplate",
    ):
        return claimed
    if claimed.name == "data" and "source" in data and "path" in data:
        return KINDS["dataImport"]
    found = _refined(claimed.family, data)
    if found is not None:
        return found
    return claimed if "type" in data or "kind" in data else _without_type(claimed)


def _without_type(claimed: Kind) -> Kind:
    """A file whose `$schema` names one type, and that leaves `type` out, is what az takes it for: the default."""
    if claimed.family in ("job", "component", "online-deployment"):
        return default_kind(claimed.family) or claimed
    return claimed


def _refined(family: str, data: Mapping[str, Any]) -> Kind | None:  # noqa: PLR0911 - one line per family
    """The kind in a family by `type` or by the keys that az goes by; None when they say nothing."""
    if family == "schedule":
        for key, name in (("create_monitor", "monitorSchedule"), ("import_data", "importSchedule")):
            if key in data:
                return KINDS[name]
        return KINDS["jobSchedule"] if "create_job" in data else None
    if family == "online-endpoint":
        return KINDS["kubernetesOnlineEndpoint" if "compute" in data else "managedOnlineEndpoint"]
    value = data.get("kind" if family == "workspace" else "type")
    if isinstance(value, str):
        return kind_of_type(family, value) or _meant(family, value)
    if family == "data" and "source" in data:
        return KINDS["dataImport"]
    if family == "job" and "jobs" in data and "command" not in data:
        return KINDS["pipelineJob"] if data.get("type") is None else None
    if family == "batch-deployment":
        if "settings" in data:
            return KINDS["modelBatchDeployment"]
        return KINDS["pipelineComponentBatchDeployment"] if "component" in data and "model" not in data else None
    return None


def _meant(family: str, value: str) -> Kind | None:
    """The kind whose `type` was probably meant by one that does not exist."""
    types = TYPES.get(family)
    if not types:
        return None
    from mlctl.spec.problems import closest

    word = closest(value, types)
    return KINDS[types[word]] if word else None


def _clear_family(data: Mapping[str, Any]) -> tuple[str, ...] | None:  # noqa: PLR0911 - one line per sign
    """The families that the keys allow, when they leave no doubt; the likeliest first."""
    keys = data.keys()
    kind = data.get("type")
    if isinstance(kind, str) and kind.lower() in TYPES["compute"] and kind.lower() != "kubernetes":
        return ("compute",)
    if {"create_job", "create_monitor", "import_data"} & keys:
        return ("schedule",)
    if "replication_locations" in keys:
        return ("registry",)
    if "endpoint_name" in keys or {"code_configuration", "scale_settings", "request_settings"} & keys:
        return (
            ("batch-deployment", "online-deployment") if _is_batch(data) else ("online-deployment", "batch-deployment")
        )
    if "index_columns" in keys:
        return ("feature-store-entity",)
    if "command" in keys and ("environment" in keys or data.get("type") == "command"):
        return ("job", "component")
    if "trial" in keys and ("search_space" in keys or "objective" in keys):
        return ("job",)
    if data.get("type") == "pipeline" and isinstance(data.get("jobs"), dict):
        return ("job", "component")
    return None


def _is_batch(data: Mapping[str, Any]) -> bool:
    return data.get("type") in ("model", "pipeline") or bool(
        {"mini_batch_size", "output_action", "max_concurrency_per_instance", "retry_settings", "compute"} & data.keys()
    )


def _component_or_job(data: Mapping[str, Any]) -> str:
    """`component` or `job`, for what may be both: a component declares and has a name, a job gives."""
    if "settings" in data and "version" not in data:
        return "job"
    score = 2 * len(_COMPONENT_ONLY & data.keys()) - 2 * len(_JOB_ONLY & data.keys() - {"resources", "distribution"})
    for group in ("inputs", "outputs"):
        ports = data.get(group)
        if not isinstance(ports, dict):
            continue
        for port in ports.values():
            if not isinstance(port, dict) or "path" in port or "value" in port:
                score -= 1
            elif str(port.get("type")) in _PRIMITIVES or {"optional", "default", "enum", "min", "max"} & port.keys():
                score += 2
            elif group == "inputs" and "name" in data:
                score += 1
    return "component" if score > 0 or (score == 0 and {"name", "display_name"} <= data.keys()) else "job"


def _guess(data: Mapping[str, Any]) -> str | None:  # noqa: PLR0911, PLR0912, C901 - one line per sign, read in order
    """The family that the shape makes likely, without `$schema` and without a clear sign."""
    keys = data.keys()
    value = data.get("type")
    kind = value.lower() if isinstance(value, str) else None
    if kind in TYPES["job"] and {"command", "jobs", "trial", "entry", "task", "component", "training_data"} & keys:
        return _component_or_job(data)
    if kind in TYPES["component"] and {"task", "entry", "command", "source", "jobs"} & keys:
        return "component"
    if keys <= _REGISTRY and {"location", "public_network_access"} & keys and "name" in keys and len(keys) > 2:
        return "registry"
    if kind in TYPES["datastore"] and (_DATASTORE & keys or ("container_name" in keys and not _CONNECTION & keys)):
        return "datastore"
    if kind in TYPES["connection"] or ("credentials" in keys and kind and {"target", "endpoint"} & keys):
        return "connection"
    if kind in TYPES["compute"] or (kind and {"size", "max_instances", "min_instances"} & keys):
        return "compute"
    if kind in _MODEL_TYPES or ("flavors" in keys and "path" in keys):
        return "model"
    if {"local_path", "asset_path"} & keys and {"name", "version"} <= keys:
        # keys of an older preview
        return "model"
    if kind in _ASSET_TYPES and "path" in keys:
        return "data"
    if data.get("kind") in ("hub", "project") or _WORKSPACE & keys:
        return "workspace"
    if "auth_mode" in keys or "traffic" in keys or "mirror_traffic" in keys:
        return "batch-endpoint" if "defaults" in keys else "online-endpoint"
    if {"image", "build"} & keys and "name" in keys and not {"steps", "services", "jobs"} & keys:
        return "environment"
    if "conda_file" in keys:
        return "environment"
    if "specification" in keys and "entities" in keys:
        return "feature-set"
    if "model_id" in keys and keys <= {"$schema", "name", "model_id", "auth_mode", "tags", "properties", "description"}:
        return "serverless-endpoint"
    if isinstance(data.get("jobs"), dict) and ({"inputs", "outputs", "settings"} & keys or _has_steps(data["jobs"])):
        return _component_or_job(data)
    return _guess_misspelt(data, kind)


def _has_steps(jobs: Mapping[str, Any]) -> bool:
    """Whether one of the jobs is a step of a pipeline; those of CI services have other keys."""
    return any(isinstance(job, dict) and {"component", "trial"} & job.keys() for job in jobs.values())


def _guess_misspelt(data: Mapping[str, Any], kind: str | None) -> str | None:
    """The family of a file in which a telling key is missing or misspelt: what is left still tells enough."""
    from mlctl.spec.problems import closest

    keys = data.keys()
    refers = any(str(data.get(key)).startswith("azureml:") for key in ("environment", "compute"))
    runs = kind in TYPES["job"] | TYPES["component"]
    known: set[str | None] = set()
    if runs or refers or "command" in keys:
        # comparing words is slow, and most files that come here are no specs
        known = {closest(key, _JOB_KEYS) for key in keys if isinstance(key, str)} - {None}
    if runs and known:
        return _component_or_job(data)
    if {"instance_type", "instance_count"} <= keys or (kind == "model" and {"settings", "resources"} & keys):
        return "batch-deployment" if _is_batch(data) else "online-deployment"
    if {"mini_batch_size", "output_file_name"} <= keys and _is_batch(data):
        return "batch-deployment"
    if ("command" in keys and len(known) > 1) or (refers and known > {"environment"}):
        return _component_or_job(data)
    if {"name", "type"} <= keys and closest(kind or "", _ASSET_TYPES | _MODEL_TYPES) and keys <= _ASSET_KEYS:
        return "model" if kind in _MODEL_TYPES else "data"
    return None


def _foreign_shape(data: Mapping[str, Any]) -> str | None:  # noqa: PLR0911 - one line per sign
    """What a map is that looks like something else than an Azure ML spec."""
    keys = data.keys()
    if "build_dependencies" in keys or ("python" in keys and "dependencies" in keys):
        return "an MLflow python_env"
    if "dependencies" in keys and ("channels" in keys or isinstance(data["dependencies"], list)):
        return "a conda file"
    if "nodes" in keys and ("outputs" in keys or "inputs" in keys):
        return FLOW
    if {"apiVersion", "kind"} <= keys:
        return "a Kubernetes manifest"
    if "json-schema.org" in str(data.get("$schema")):
        return "a JSON Schema"
    if {"method", "parameters"} <= keys and {"program", "metric", "command"} & keys:
        return "a sweep of Weights & Biases"
    if {"script", "framework"} <= keys:
        return "a run configuration of Azure ML v1"
    if "entry_points" in keys:
        return "an MLflow project"
    if isinstance(data.get("services"), dict) and "command" not in keys:
        return "a compose file"
    if isinstance(data.get("repos"), list):
        return "a pre-commit configuration"
    return None
