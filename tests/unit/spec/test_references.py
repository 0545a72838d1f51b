"""Each form of a reference, and expressions in text."""

from __future__ import annotations

import pytest

from mlctl.spec.references import (
    find_expressions,
    find_optional_parts,
    parse,
    substitute,
    substitute_optional,
)

LOCATION = "azureml://locations/westeurope/workspaces/0000/models/trees/versions/2"
DATASTORE = "azureml://subscriptions/0/resourcegroups/g/workspaces/w/datastores/d/paths/a/b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("azureml:trees:2", {"kind": "asset", "name": "trees", "version": "2"}),
        ("azureml:trees@latest", {"kind": "asset", "name": "trees", "label": "latest"}),
        ("azureml:box", {"kind": "asset", "name": "box", "is_pinned": False}),
        ("azureml:a:b:c", {"kind": "invalid"}),
        ("azureml:", {"kind": "invalid"}),
        ("azureml:/subscriptions/0/x", {"kind": "resource", "path": "/subscriptions/0/x"}),
        ("/subscriptions/0/x", {"kind": "resource"}),
        (
            "azureml://registries/r/environments/e/versions/1",
            {"kind": "asset", "registry": "r", "asset_type": "environments", "name": "e", "version": "1"},
        ),
        ("azureml://registries/r/environments/e/labels/latest", {"registry": "r", "label": "latest"}),
        ("azureml://registries/r/models/m", {"kind": "asset", "is_pinned": False}),
        ("azureml://feeds/f/data/d/versions/1", {"kind": "asset", "registry": "f"}),
        ("azureml://models/m/versions/3", {"kind": "asset", "name": "m", "version": "3", "registry": None}),
        (LOCATION, {"kind": "asset", "name": "trees", "version": "2", "workspace": "0000"}),
        ("azureml://datastores/d/paths/a/b.csv", {"kind": "datastore", "datastore": "d", "path": "a/b.csv"}),
        ("azureml://datastores/d/paths/", {"kind": "datastore", "path": ""}),
        (DATASTORE, {"kind": "datastore", "datastore": "d", "path": "a/b", "workspace": "w"}),
        ("azureml://datastore/d", {"kind": "invalid"}),
        ("azureml://jobs/j/outputs/o/paths/x", {"kind": "job_output", "job": "j", "output": "o", "path": "x"}),
        ("azureml://jobs/j/outputs/artifacts", {"kind": "job_output", "path": ""}),
        ("runs:/abc/model", {"kind": "run", "job": "abc", "path": "model"}),
        ("file:env.yml", {"kind": "file", "path": "env.yml"}),
        ("file:///data/a%20b", {"kind": "file", "path": "/data/a b"}),
        ("https://example.org/a.csv?x=1", {"kind": "remote"}),
        ("wasbs://c@a.example.org/x", {"kind": "remote"}),
        ("abfss://c@a.example.org/x", {"kind": "remote"}),
        ("ftp://example.org/x", {"kind": "invalid"}),
        ("git+https://example.org/r.git@main", {"kind": "git", "path": "https://example.org/r.git@main"}),
        ("./data", {"kind": "local", "path": "./data"}),
        ("a:b", {"kind": "local"}),
        ("C:/data", {"kind": "local"}),
        ("AzureML:trees:1", {"kind": "local"}),
    ],
)
def test_every_form(text: str, expected: dict[str, object]) -> None:
    reference = parse(text)
    assert {key: getattr(reference, key) for key in expected} == expected
    assert reference.text == text
    assert (reference.problem is not None) == (reference.kind == "invalid")


def test_expressions_are_found_with_their_places() -> None:
    text = "a ${{inputs.x}} ${{ outputs.y }} ${{inputs.z and ${{in put}}"
    found = [(expression.path, text[expression.start : expression.end]) for expression in find_expressions(text)]
    assert found[:2] == [("inputs.x", "${{inputs.x}}"), ("outputs.y", "${{ outputs.y }}")]
    assert [path for path, _ in found[2:]] == [None, None]


def test_values_are_put_in() -> None:
    values = {"inputs.x": "1", "inputs.y": ""}
    assert substitute("${{inputs.x}}-${{ inputs.y }}-${{inputs.z}}", values.get) == "1--${{inputs.z}}"


def test_optional_parts_are_kept_only_with_a_value() -> None:
    text = "run $[[--lr ${{inputs.lr}}]] $[[--seed ${{inputs.seed}}]] end"
    assert substitute_optional(text, {"inputs.lr"}.__contains__) == "run --lr ${{inputs.lr}}  end"
    assert [inner for _, _, inner in find_optional_parts(text)] == ["--lr ${{inputs.lr}}", "--seed ${{inputs.seed}}"]
