"""Nothing is ignored in silence: every key of the command job's schema is honoured, warned of, or refused.

The table below has a row for each key. A new key in the schema without a row fails, on every back end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import Bound

from mlctl.backends.base import Plan
from mlctl.backends.supervised.folder import JobFolder
from mlctl.backends.supervised.launches import launches
from mlctl.errors import MlctlError

SCHEMAS = {path.name: json.loads(path.read_text()) for path in (Path(__file__).parents[2] / "schemas").glob("*.json")}


def resolve(schema: Mapping[str, Any], document: str) -> tuple[Mapping[str, Any], str]:
    """The schema that a `$ref` leads to, and the file it stands in."""
    while "$ref" in schema:
        name, _, pointer = schema["$ref"].partition("#")
        document = name or document
        schema = SCHEMAS[document]
        for part in filter(None, pointer.split("/")):
            schema = schema[part]
    return schema, document


def keys(schema: Mapping[str, Any], document: str, path: str = "") -> Iterator[tuple[str, bool]]:
    """Dotted keys (`*` for free names, `[]` for items) and whether they are read-only."""
    schema, document = resolve(schema, document)
    for branch in schema.get("anyOf", ()):
        yield from keys(branch, document, path)
    for key, value in schema.get("properties", {}).items():
        below = f"{path}.{key}".lstrip(".")
        yield below, bool(resolve(value, document)[0].get("readOnly"))
        yield from keys(value, document, below)
    if isinstance(schema.get("additionalProperties"), dict):
        yield f"{path}.*", False
        yield from keys(schema["additionalProperties"], document, f"{path}.*")
    if "items" in schema:
        yield from keys(schema["items"], document, f"{path}[]")


ALL = dict(keys(SCHEMAS["commandJob.schema.json"], "commandJob.schema.json"))
READ_ONLY = [key for key, read_only in ALL.items() if read_only]


@dataclass(frozen=True)
class Kept:
    """Honoured: the plan has this value at a dotted path."""

    path: str
    value: Any


@dataclass(frozen=True)
class Launched:
    """Honoured: what is launched has this text in a command or a variable."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Not honoured, and a warning names this key with its line."""

    key: str


@dataclass(frozen=True)
class Refused:
    """An error names this key with its line."""

    key: str
    code: str = "unsupported"


Fate = Kept | Launched | Warned | Refused


@dataclass(frozen=True)
class Row:
    """A spec that uses a key, and what becomes of it on each back end. `docker` None: as on local."""

    spec: dict[str, Any]
    local: Fate
    docker: Fate | None = None


@dataclass(frozen=True)
class Meaningless:
    """A key that says nothing about a run; `why` is where that is written down."""

    why: str


IMAGE = {"image": "library/python:3.11"}
CONDA = {"dependencies": ["python=3.11", "numpy=1.26"]}
ROUTE = {"port": 80, "path": "/"}
ROUTES = {"liveness_route": ROUTE, "readiness_route": ROUTE, "scoring_route": ROUTE}
INFERENCE = Row({"environment": {**IMAGE, "inference_config": ROUTES}}, Warned("environment.inference_config"))
DATA = {"path": "."}


def environment(key: str, value: Any, fate: Fate | None = None, docker: Fate | None = None) -> Row:
    """An inline environment with one more key; without a fate it is shown with the job."""
    return Row({"environment": {**IMAGE, key: value}}, fate or Kept(f"record.environment.{key}", value), docker)


def distribution(**given: Any) -> dict[str, Any]:
    return {"distribution": given, "resources": {"instance_count": 2}}


def ray(key: str, value: Any, text: str) -> Row:
    return Row(distribution(type="ray", **{key: value}), Launched(text))


def identity(key: str) -> Row:
    return Row({"identity": {"type": "managed", key: "x"}}, Warned("identity"))


def service(kind: str, **given: Any) -> Row:
    return Row({"services": {"mine": {"type": kind, **given}}}, Warned("services"))


TABLE: dict[str, Row | Meaningless] = {
    "$schema": Meaningless("for editors, says the schema"),
    "type": Row({"type": "command"}, Kept("kind", "command")),
    "name": Row({"name": "mine"}, Kept("name", "mine")),
    "display_name": Row({"display_name": "A name"}, Kept("payload.display_name", "A name")),
    "experiment_name": Row({"experiment_name": "e1"}, Kept("payload.variables.MLFLOW_EXPERIMENT_NAME", "e1")),
    "description": Row({"description": "words"}, Kept("record.description", "words")),
    "tags": Row({"tags": {"a": "b"}}, Kept("record.tags", {"a": "b"})),
    "tags.*": Row({"tags": {"a": "b"}}, Kept("record.tags.a", "b")),
    "properties": Row({"properties": {"a": "b"}}, Kept("record.properties", {"a": "b"})),
    "properties.*": Row({"properties": {"a": "b"}}, Kept("record.properties.a", "b")),
    "parent_job_name": Row({"parent_job_name": "above"}, Kept("payload.variables.AZUREML_ROOT_RUN_ID", "above")),
    "command": Row({"command": "echo hi"}, Kept("payload.command", "echo hi")),
    "code": Row({"code": "src"}, Kept("uploads.0.path", "{folder}/src")),
    "environment": Row(
        {"environment": "azureml:sklearn-1.5@latest"},
        Kept("payload.environment.origin", "curated environment sklearn-1.5"),
        Kept("payload.docker.image", "mcr.microsoft.com/azureml/curated/sklearn-1.5:latest"),
    ),
    "environment.$schema": Meaningless("for editors, says the schema"),
    "environment.name": environment("name", "mine", Warned("environment.name")),
    "environment.id": environment("id", "x"),
    "environment.version": environment("version", "1"),
    "environment.description": environment("description", "words"),
    "environment.tags": environment("tags", {"a": "b"}),
    "environment.image": Row(
        {"environment": IMAGE}, Warned("environment"), Kept("payload.docker.image", "library/python:3.11")
    ),
    "environment.build": Row(
        {"environment": {"build": {"path": "context"}}},
        Refused("environment.build"),
        Kept("payload.docker.build", {"path": "{folder}/context", "dockerfile_path": "Dockerfile"}),
    ),
    "environment.build.path": Row(
        {"environment": {"build": {"path": "https://github.com/o/r.git#main:folder"}}},
        Refused("environment.build"),
        Refused("environment.build.path"),
    ),
    "environment.build.dockerfile_path": Row(
        {"environment": {"build": {"path": "context", "dockerfile_path": "other/Dockerfile"}}},
        Refused("environment.build"),
        Kept("payload.docker.build.dockerfile_path", "other/Dockerfile"),
    ),
    "environment.conda_file": Row(
        {"environment": {**IMAGE, "conda_file": CONDA}},
        Kept("payload.environment.packages", ["numpy==1.26.*"]),
        Kept("payload.docker.conda", CONDA),
    ),
    **{key: INFERENCE for key in ALL if key.startswith("environment.inference_config")},
    "environment.os_type": environment("os_type", "windows", Refused("environment.os_type")),
    "environment.datastore": environment("datastore", "azureml:d", Warned("environment.datastore")),
    **{
        key: environment(
            "auto_delete_setting",
            {"value": "30d", "condition": "created_greater_than"},
            Warned("environment.auto_delete_setting"),
        )
        for key in ALL
        if key.startswith("environment.auto_delete_setting")
    },
    "environment_variables": Row({"environment_variables": {"A": "b"}}, Kept("payload.variables.A", "b")),
    "environment_variables.*": Row({"environment_variables": {"A": 1}}, Kept("payload.variables.A", "1")),
    "environment_variables[].name": Row(
        {"environment_variables": [{"name": "A", "value": "b"}]}, Kept("payload.variables.A", "b")
    ),
    "environment_variables[].value": Row({"environment_variables": ["A=b"]}, Kept("payload.variables.A", "b")),
    "compute": Row({"compute": "azureml:elsewhere"}, Warned("compute")),
    "inputs": Row({"inputs": {"a": 1}}, Kept("payload.variables.AZUREML_PARAMETER_a", "1")),
    "inputs.*": Row({"inputs": {"a": 1}}, Kept("record.inputs.a", "1")),
    "inputs.*.type": Row(
        {"inputs": {"a": {**DATA, "type": "custom_model"}}}, Kept("payload.inputs.0.type", "custom_model")
    ),
    "inputs.*.path": Row({"inputs": {"a": DATA}}, Kept("payload.inputs.0.uri", "{folder}")),
    "inputs.*.mode": Row({"inputs": {"a": {**DATA, "mode": "download"}}}, Kept("payload.inputs.0.mode", "download")),
    "inputs.*.path_on_compute": Row(
        {"inputs": {"a": {**DATA, "path_on_compute": "/data"}}},
        Refused("inputs.a.path_on_compute"),
        Kept("payload.inputs.0.target", "/data"),
    ),
    "inputs.*.datastore": Row({"inputs": {"a": {**DATA, "datastore": "azureml:d"}}}, Warned("inputs.a.datastore")),
    "inputs.*.value": Row({"inputs": {"a": {"value": 2}}}, Kept("payload.variables.AZUREML_PARAMETER_a", "2")),
    "outputs": Row({"outputs": {"o": {}}}, Kept("payload.outputs.0.name", "o")),
    "outputs.*": Row({"outputs": {"o": None}}, Kept("payload.outputs.0.name", "o")),
    "outputs.*.type": Row({"outputs": {"o": {"type": "uri_file"}}}, Kept("payload.outputs.0.type", "uri_file")),
    "outputs.*.mode": Row({"outputs": {"o": {"mode": "direct"}}}, Kept("payload.outputs.0.mode", "direct")),
    "outputs.*.path": Row(
        {"outputs": {"o": {"path": "azureml://datastores/workspaceblobstore/paths/a/"}}},
        Kept("payload.outputs.0.target", "{workspace}/datastores/workspaceblobstore/a"),
    ),
    "outputs.*.name": Row({"outputs": {"o": {"name": "asset"}}}, Kept("payload.outputs.0.asset.name", "asset")),
    # a version belongs to the name, whose warning says that nothing is registered
    "outputs.*.version": Row(
        {"outputs": {"o": {"name": "asset", "version": "2"}}}, Kept("payload.outputs.0.asset.version", "2")
    ),
    "resources": Row({"resources": {"instance_count": 3}}, Kept("payload.instance_count", 3)),
    "resources.instance_count": Row({"resources": {"instance_count": 2}}, Warned("resources.instance_count")),
    "resources.instance_type": Row({"resources": {"instance_type": "big"}}, Warned("resources.instance_type")),
    "resources.max_instance_count": Row(
        {"resources": {"max_instance_count": 4}}, Warned("resources.max_instance_count")
    ),
    "resources.shm_size": Row(
        {"resources": {"shm_size": "3g"}}, Warned("resources.shm_size"), Kept("payload.docker.shm_size", "3g")
    ),
    "resources.docker_args": Row(
        {"resources": {"docker_args": "--memory 1g"}},
        Warned("resources.docker_args"),
        Kept("payload.docker.options.host.Memory", 1 << 30),
    ),
    "resources.locations": Row({"resources": {"locations": ["westeurope"]}}, Warned("resources.locations")),
    "resources.properties": Row({"resources": {"properties": {"a": 1}}}, Warned("resources.properties")),
    "distribution": Row(distribution(type="pytorch"), Launched("WORLD_SIZE=2")),
    "distribution.type": Row(distribution(type="tensorflow"), Launched("TF_CONFIG=")),
    "distribution.process_count_per_instance": Row(
        distribution(type="mpi", process_count_per_instance=3), Launched("OMPI_COMM_WORLD_SIZE=6")
    ),
    "distribution.worker_count": Row(distribution(type="tensorflow", worker_count=3), Launched('"index": 2')),
    "distribution.parameter_server_count": Row(
        distribution(type="tensorflow", parameter_server_count=1), Launched('"type": "ps"')
    ),
    "distribution.port": ray("port", 6123, "--port=6123"),
    "distribution.address": ray("address", "10.0.0.1:6379", "RAY_ADDRESS=10.0.0.1:6379"),
    "distribution.include_dashboard": ray("include_dashboard", True, "--include-dashboard=true"),
    "distribution.dashboard_port": ray("dashboard_port", 8123, "--dashboard-port=8123"),
    "distribution.head_node_additional_args": ray("head_node_additional_args", "--num-cpus 1", "--num-cpus 1"),
    "distribution.worker_node_additional_args": ray("worker_node_additional_args", "--num-gpus 0", "--num-gpus 0"),
    "limits": Row({"limits": {"timeout": 5}}, Kept("payload.timeout", 5)),
    "limits.timeout": Row({"limits": {"timeout": 5}}, Kept("record.limits.timeout", 5)),
    "queue_settings": Row({"queue_settings": {"job_tier": "spot"}}, Warned("queue_settings")),
    "queue_settings.job_tier": Row({"queue_settings": {"job_tier": "spot"}}, Warned("queue_settings")),
    "queue_settings.priority": Row({"queue_settings": {"priority": "high"}}, Warned("queue_settings")),
    "identity": Row({"identity": {"type": "aml_token"}}, Warned("identity")),
    "identity.type": Row({"identity": {"type": "user_identity"}}, Warned("identity")),
    "identity.client_id": identity("client_id"),
    "identity.object_id": identity("object_id"),
    "identity.msi_resource_id": identity("msi_resource_id"),
    "services": service("jupyter_lab"),
    "services.*": service("vs_code"),
    "services.*.type": service("vs_code"),
    "services.*.ssh_public_keys": service("ssh", ssh_public_keys="x"),
    "services.*.port": service("jupyter_lab", port=8080),
    "services.*.nodes": service("jupyter_lab", nodes="all"),
    "services.*.properties": service("jupyter_lab", properties={"a": 1}),
    "services.*.log_dir": service("tensor_board", log_dir="logs"),
}


def test_every_key_of_the_schema_has_a_row() -> None:
    assert set(TABLE) == {key for key in ALL if key not in READ_ONLY}


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if isinstance(row, Row)])
def test_no_key_is_ignored(planning: Bound, key: str) -> None:
    row = TABLE[key]
    assert isinstance(row, Row)
    _lay_out(planning.folder)
    fate = row.docker or row.local if planning.backend.name == "docker" else row.local
    spec = {"command": "true", "environment": IMAGE, **row.spec}
    if isinstance(fate, Refused):
        with pytest.raises(MlctlError) as caught:
            _prepare(planning, spec)
        assert caught.value.code == fate.code
        assert f"{_where(planning, fate.key)} {fate.key}: " in caught.value.message
        return
    prepared = _prepare(planning, spec)
    if isinstance(fate, Warned):
        where = _where(planning, fate.key)
        assert any(text.startswith(where) and _names(text, fate.key) for text in prepared.warnings), prepared.warnings
    elif isinstance(fate, Launched):
        assert any(fate.text in text for text in _launched(prepared.plan.payload))
    else:
        value = _places(planning, fate.value)
        assert _at(prepared.plan.to_dict(), fate.path) == value


@pytest.mark.parametrize("key", [key for key, row in TABLE.items() if isinstance(row, Meaningless)])
def test_what_means_nothing_changes_nothing(planning: Bound, key: str) -> None:
    _same_with(planning, key, "https://example.invalid/commandJob.schema.json")


@pytest.mark.parametrize("key", READ_ONLY)
def test_a_read_only_key_changes_nothing(planning: Bound, key: str) -> None:
    changed = _same_with(planning, key, "read-only value")
    assert "read-only value" not in json.dumps(changed.to_dict())


def _same_with(planning: Bound, key: str, value: Any) -> Plan:
    """`job show` prints read-only keys, and what it prints can be submitted again."""
    spec = {"command": "true", "environment": dict(IMAGE), "services": {"mine": {"type": "ssh"}}}
    plain = _prepare(planning, spec).plan
    *parents, last = key.split(".")
    found: Any = spec
    for part in parents:
        found = found["mine" if part == "*" else part]
    found[last] = value
    changed = _prepare(planning, spec).plan
    assert changed.payload == plain.payload
    return changed


def _lay_out(folder: Path) -> None:
    (folder / "src").mkdir()
    for name in ("context/Dockerfile", "context/other/Dockerfile"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("FROM scratch\n")


def _prepare(planning: Bound, spec: dict[str, Any]) -> Any:
    return planning.prepare(spec, name=None if "name" in spec else "job")


def _where(planning: Bound, key: str) -> str:
    """`file:line:` of a key in the file that `prepare` wrote."""
    from mlctl.spec.reader import read_file

    line = read_file(planning.folder / "job.yml").lines()[key]
    return f"{planning.folder / 'job.yml'}:{line}:"


def _names(text: str, key: str) -> bool:
    """Whether a warning names the key: in full, or the key's last word and its parents' place."""
    return key in text or key.rpartition(".")[2] in text or (key == "environment" and "image" in text)


def _launched(payload: dict[str, Any]) -> list[str]:
    """Commands, and variables as NAME=value, of what would be launched."""

    def ports(count: int) -> list[int]:
        return list(range(7000, 7000 + count))

    programs: Callable[[str], bool] = {"ray"}.__contains__
    made = launches(payload, JobFolder(Path(payload["folder"])), has_program=programs, free_ports=ports)  # type: ignore[arg-type]
    variables = [f"{name}={value}" for one in made for name, value in one.variables.items()]
    return [*(one.command for one in made), *variables]


def _at(found: Any, path: str) -> Any:
    for part in path.split("."):
        found = found[int(part)] if part.isdigit() else found[part]
    return found


def _places(planning: Bound, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _places(planning, item) for key, item in value.items()}
    if isinstance(value, str):
        return value.replace("{folder}", str(planning.folder)).replace("{workspace}", str(planning.store.folder))
    return value
