"""MLmodel files of MLflow 2 and 3, and files that only pretend to be one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlctl.assets.mlflow_model import describe_model, is_mlflow_model, read_mlflow_model
from mlctl.errors import InvalidSpecError

MLFLOW_2 = r"""
artifact_path: model
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    python_version: 3.11.7
  sklearn: {pickled_model: model.pkl, sklearn_version: 1.5.0}
mlflow_version: 2.14.3
model_size_bytes: 846
model_uuid: d9eb36cd3b3946628644d60003cf6f0c
run_id: ml-v2
saved_input_example_info: {artifact_path: input_example.json, pandas_orient: split, type: dataframe}
signature:
  inputs: '[{"type": "double", "name": "a", "required": true}, {"type": "string",
    "name": "b", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}]'
  params: '[{"name": "t", "type": "double", "default": 0.5, "shape": null}]'
utc_time_created: '2026-11-25 13:44:55.430163'
"""


def model(folder: Path, text: str) -> Path:
    (folder / "MLmodel").write_text(text)
    return folder


def test_flavors_signature_and_facts(tmp_path: Path) -> None:
    assert not is_mlflow_model(tmp_path)
    assert describe_model(tmp_path) == {}
    found = read_mlflow_model(model(tmp_path, MLFLOW_2))
    assert list(found["flavors"]) == ["python_function", "sklearn"]
    assert found["flavors"]["sklearn"]["sklearn_version"] == "1.5.0"
    assert found["signature"] == {
        "inputs": [
            {"type": "double", "name": "a", "required": True},
            {"type": "string", "name": "b", "required": False},
        ],
        "outputs": [{"type": "tensor(float64)", "shape": [-1, 3]}],
        "params": [{"name": "t", "type": "double", "default": 0.5}],
    }
    assert found["mlflow"] == {
        "version": "2.14.3",
        "model_uuid": "d9eb36cd3b3946628644d60003cf6f0c",
        "run_id": "ml-v2",
        "utc_time_created": "2026-11-25 13:44:55.430163",
        "input_example": "input_example.json",
    }
    assert describe_model(tmp_path) == found


def test_a_model_without_a_signature(tmp_path: Path) -> None:
    found = read_mlflow_model(model(tmp_path, "flavors: {python_function: {}}\nmodel_id: m-1\n"))
    assert found == {"flavors": {"python_function": {}}, "signature": None, "mlflow": {"model_uuid": "m-1"}}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("flavors", [1]),
        ("flavors", "x"),
        ("signature", "text"),
        ("signature", {"inputs": "{not json"}),
        ("signature", {"inputs": '{"a": 1}'}),
        ("signature", {"inputs": "[" * 100_000}),
        ("signature", {"inputs": "[1, null]"}),
        ("saved_input_example_info", "x"),
        ("run_id", {"a": "b"}),
    ],
)
def test_what_has_another_shape_is_left_out(tmp_path: Path, part: str, value: Any) -> None:
    found = read_mlflow_model(model(tmp_path, json.dumps({part: value})))
    assert found["flavors"] == {}
    assert not any((found["signature"] or {}).values())
    assert found["mlflow"] == {}
    json.dumps(found)


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "- a list",
        "a: !!python/object/apply:os.system [id]",
        "a: &a [1, 2]\n" + "".join(f"b{n}: &b{n} [{', '.join(['*a'] * 50)}]\n" for n in range(50)),
        "x" * (5 * 1024 * 1024),
        "a: \x07",
    ],
    ids=["open", "list", "tag", "aliases", "large", "control"],
)
def test_hostile_files_are_told_and_do_not_harm(tmp_path: Path, text: str) -> None:
    folder = model(tmp_path, text)
    try:
        read_mlflow_model(folder)
    except InvalidSpecError:
        assert list(describe_model(folder)["mlflow"]) == ["error"]
    else:
        assert "aliases" in text or "*a" in text
