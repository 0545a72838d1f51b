"""Assets, datastores, connections, workspaces, registries, feature sets and serverless endpoints."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlctl.spec.problems import Problem

Told = Callable[..., list[Problem]]

DATA = "name: credit\npath: d\n"
ROUTES = [f"{name}_route: {{path: /, port: 80}}" for name in ("liveness", "readiness", "scoring")]
GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/g/providers"


def brief(problems: list[Problem]) -> list[tuple[str, str, int]]:
    return [(found.severity, found.code, found.line) for found in problems]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1", []),
        ("1.0.0-beta+2", []),
        ("latest", [("warning", "odd_version", 3)]),
        ("1-<VERSION>", [("warning", "placeholder", 3)]),
        ("a/b", [("error", "invalid_value", 3)]),
        ("'1:2'", [("error", "invalid_value", 3)]),
        ("a b", [("error", "invalid_value", 3)]),
    ],
)
def test_versions(told: Told, version: str, expected: list[object]) -> None:
    assert brief(told("data", f"{DATA}version: {version}\n", files={"d": None})) == expected


@pytest.mark.parametrize(
    ("type_", "files", "expected"),
    [
        ("uri_folder", {"d/a.csv": ""}, []),
        ("uri_file", {"d": ""}, []),
        ("uri_file", {"d/a.csv": ""}, [("error", "wrong_path", 2)]),
        ("uri_folder", {"d": ""}, [("error", "wrong_path", 2)]),
        ("mltable", {"d/MLTable": "paths:\n  - file: ./a.csv\n"}, []),
        ("mltable", {"d/a.csv": ""}, [("error", "missing_path", 2)]),
        ("mltable", {"d": ""}, [("error", "wrong_path", 2)]),
    ],
)
def test_the_type_of_data_fits_what_is_there(
    told: Told, type_: str, files: dict[str, str], expected: list[object]
) -> None:
    assert brief(told("data", f"{DATA}type: {type_}\n", files=files)) == expected
    assert told("data", f"{DATA}type: {type_}\n", files=files, paths=False) == []


def test_data_without_a_type_is_a_folder(told: Told) -> None:
    assert brief(told("data", DATA, files={"d": ""})) == [("error", "wrong_path", 2)]


def test_an_mltable_has_paths(told: Told) -> None:
    problems = told("data", f"{DATA}type: mltable\n", files={"d/MLTable": "type: mltable\n"})
    assert [(found.code, found.path) for found in problems] == [("missing_key", "paths")]
    assert problems[0].source.endswith("MLTable")


def test_remote_data_is_not_looked_at(told: Told) -> None:
    assert told("data", "name: a\ntype: uri_file\npath: azureml://datastores/b/paths/x/\n") == []


def test_imported_data_goes_to_a_datastore(told: Told) -> None:
    head = "name: a\ntype: mltable\nsource: {type: database, query: select 1, connection: azureml:c}\npath: "
    assert brief(told("dataImport", f"{head}./here\n")) == [("error", "invalid_reference", 4)]
    assert told("dataImport", f"{head}azureml://datastores/b/paths/x/${{{{name}}}}\n") == []


def test_a_model_has_a_path(told: Told) -> None:
    assert [(found.code, found.path) for found in told("model", "name: m\n")] == [("missing_key", "path")]


def test_an_mlflow_model_holds_its_file(told: Told) -> None:
    text = "name: m\ntype: mlflow_model\npath: m\n"
    assert told("model", text, files={"m/MLmodel": ""}) == []
    assert told("model", "name: m\ntype: mlflow_model\npath: runs:/abc/model\n") == []
    problems = told("model", text.replace("path: m", "path: deep"), files={"deep/model/MLmodel": ""})
    assert brief(problems) == [("error", "missing_path", 3)]
    assert "'model' in it does" in str(problems[0].hint)


def test_an_mlflow_model_is_a_folder(told: Told) -> None:
    text = "name: m\ntype: mlflow_model\npath: m.pkl\n"
    assert brief(told("model", text, files={"m.pkl": ""})) == [("error", "wrong_path", 3)]
    assert told("model", text, files={"m.pkl": ""}, paths=False) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image: python:3.11\n", []),
        ("image: python:3.11\nbuild: {path: ctx}\n", [("error", "conflict", 3)]),
        ("description: nothing\n", [("error", "missing_key", 1)]),
        ("build: {path: ctx}\nconda_file: conda.yml\n", [("warning", "ignored", 3)]),
        (f"image: i\ninference_config: {{{', '.join(ROUTES)}}}\n", []),
    ],
)
def test_environments(told: Told, text: str, expected: list[object]) -> None:
    files: dict[str, str | None] = {"ctx/Dockerfile": "", "conda.yml": "dependencies: [python=3.11]\n"}
    assert brief(told("environment", f"name: e\n{text}", files=files)) == expected


def test_a_missing_conda_file_is_told_once(told: Told) -> None:
    text = "name: e\nimage: i\nconda_file: none.yml\n"
    assert brief(told("environment", text)) == [("error", "missing_path", 3)]
    assert told("environment", text, paths=False) == []


def test_a_conda_file_is_checked_at_its_own_lines(told: Told) -> None:
    problems = told(
        "environment", "name: e\nimage: i\nconda_file: c.yml\n", files={"c.yml": "name: x\ndependencies: 3\n"}
    )
    assert [(found.source.rpartition("/")[2], found.line) for found in problems] == [("c.yml", 2)]


def test_names_of_datastores(told: Told) -> None:
    text = "name: my-ds\ntype: azure_blob\naccount_name: a\ncontainer_name: c\n"
    assert [(found.path, found.severity) for found in told("azureBlobDatastore", text)] == [("name", "error")]
    assert told("azureBlobDatastore", text.replace("my-ds", "my_ds")) == []


@pytest.mark.parametrize(
    ("type_", "credentials", "expected"),
    [
        ("git", "{type: pat, pat: x}", []),
        ("git", "{type: none}", []),
        ("git", "{type: access_key, access_key_id: a, secret_access_key: b}", [("error", "credentials.type")]),
        ("container_registry", "{type: pat, pat: x}", [("error", "credentials.type")]),
        ("custom", "{type: api_key, key: x}", []),
        ("git", "{type: pat}", [("error", "credentials.pat")]),
        ("git", "{type: username_password, password: x}", [("error", "credentials.username")]),
    ],
)
def test_credentials_of_connections(told: Told, type_: str, credentials: str, expected: list[object]) -> None:
    text = f"name: c1\ntype: {type_}\ntarget: https://example.com\ncredentials: {credentials}\n"
    assert [(found.severity, found.path) for found in told("genericConnection", text)] == expected


def test_a_connection_leads_somewhere_and_signs_in(told: Told) -> None:
    assert [found.path for found in told("genericConnection", "name: c1\ntype: git\n")] == ["target"]
    text = "name: c1\ntype: container_registry\ntarget: https://example.com\n"
    assert [found.path for found in told("genericConnection", text)] == ["credentials"]


@pytest.mark.parametrize(("name", "fits"), [("mlw", True), ("ab", False), ("a" * 34, False), ("a b c", False)])
def test_names_of_workspaces(told: Told, name: str, fits: bool) -> None:
    assert [found.path for found in told("workspace", f"name: {name}\n")] == ([] if fits else ["name"])


def test_a_name_that_is_to_be_filled_in_is_a_warning(told: Told) -> None:
    assert brief(told("workspace", "name: <your workspace>\n")) == [("warning", "placeholder", 1)]
    problems = told("workspace", "name: my workspace!\n")
    assert brief(problems) == [("error", "invalid_name", 1)]
    assert "'my-workspace'" in str(problems[0].hint)


def test_resources_of_a_workspace(told: Told) -> None:
    vault = f"name: mlw\nkey_vault: {GROUP}/Microsoft.KeyVault/vaults/v\n"
    assert told("workspace", vault) == []
    assert brief(told("workspace", vault.replace("KeyVault/vaults", "Storage/storageAccounts"))) == [
        ("error", "invalid_reference", 2)
    ]


def test_networks_of_a_workspace(told: Told) -> None:
    problems = told("workspace", "name: mlw\nnetwork_acls: {default_action: Deny}\n")
    assert [found.path for found in problems] == ["network_acls.ip_rules"]
    text = "name: mlw\nnetwork_acls:\n  default_action: Deny\n  ip_rules:\n    - value: 10.0.0.0/8\n    - value: home\n"
    assert brief(told("workspace", text)) == [("error", "invalid_value", 6)]
    rule = "{name: a, type: fqdn, destination: pypi.org}"
    text = f"name: mlw\nmanaged_network:\n  isolation_mode: disabled\n  outbound_rules: [{rule}, {rule}]\n"
    assert sorted(brief(told("workspace", text))) == [("error", "conflict", 4), ("warning", "ignored", 4)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("error", "replication_locations")]),
        ("replication_locations: []\n", [("error", "replication_locations")]),
        ("replication_locations: [{location: eastus}]\n", []),
        ("replication_locations: [{location: East US}]\n", []),
        ("replication_locations: [{location: westus}]\n", [("warning", "replication_locations")]),
        (
            "replication_locations: [{location: eastus}, {location: eastus}]\n",
            [("error", "replication_locations[1].location")],
        ),
        ("replication_locations: [{location: eastus}, {}]\n", [("error", "replication_locations[1].location")]),
    ],
)
def test_regions_of_a_registry(told: Told, text: str, expected: list[object]) -> None:
    problems = told("registry", f"name: reg1\nlocation: eastus\n{text}")
    assert [(found.severity, found.path) for found in problems] == expected


FEATURES = "name: f\nversion: '1'\nentities: [azureml:account:1]\nspecification:\n  path: spec\n"


def test_the_specification_of_a_feature_set(told: Told) -> None:
    assert told("featureSet", FEATURES, files={"spec/FeatureSetSpec.yaml": ""}) == []


def test_a_folder_without_the_specification(told: Told) -> None:
    assert brief(told("featureSet", FEATURES, files={"spec/other.yaml": ""})) == [("error", "missing_path", 5)]
    assert told("featureSet", FEATURES, paths=False) == []


def test_entities_are_references(told: Told) -> None:
    text = FEATURES.replace("azureml:account:1", "account")
    assert brief(told("featureSet", text, files={"spec/FeatureSetSpec.yaml": ""})) == [
        ("error", "invalid_reference", 3)
    ]


def test_the_window_of_a_back_fill(told: Told) -> None:
    text = (
        "name: f\nversion: '1'\nfeature_window:\n"
        "  feature_window_start: '2024-01-02T00:00:00'\n  feature_window_end: '2024-01-01T00:00:00'\n"
    )
    assert brief(told("featureSetBackfill", text)) == [("error", "conflict", 5)]


@pytest.mark.parametrize(
    ("model", "fits"),
    [
        ("azureml://registries/azureml-meta/models/Llama-3", True),
        ("azureml://locations/{REGION}/workspaces/{ID}/models/m/versions/{V}", True),
        ("azureml:m:1", True),
        ("gpt-4", False),
        ("azureml://registries/r/environments/e/versions/1", False),
    ],
)
def test_the_model_of_a_serverless_endpoint(told: Told, model: str, fits: bool) -> None:
    problems = told("serverlessEndpoint", f"name: chat\nmodel_id: '{model}'\n")
    assert brief(problems) == ([] if fits else [("error", "invalid_reference", 2)])
