from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlctl.environments.curated import load_table, short_name, split_reference
from mlctl.errors import InvalidSpecError, NotFoundError

TABLE = load_table()


@pytest.mark.parametrize(
    ("reference", "name", "python", "image"),
    [
        (
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            "sklearn-1.5",
            "3.10",
            "sklearn-1.5:latest",
        ),
        ("azureml://registries/azureml/environments/sklearn-1.5/versions/12", "sklearn-1.5", "3.10", "sklearn-1.5:12"),
        ("azureml:AzureML-sklearn-1.5@latest", "sklearn-1.5", "3.10", "sklearn-1.5:latest"),
        ("azureml:AzureML-sklearn-1.5:7", "sklearn-1.5", "3.10", "sklearn-1.5:7"),
        ("azureml:sklearn-1.5@latest", "sklearn-1.5", "3.10", "sklearn-1.5:latest"),
        ("sklearn-1.5", "sklearn-1.5", "3.10", "sklearn-1.5:latest"),
        ("mcr.microsoft.com/azureml/curated/sklearn-1.5:12", "sklearn-1.5", "3.10", "sklearn-1.5:12"),
        (
            "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu",
            "sklearn-0.24-ubuntu18.04-py37-cpu",
            "3.7",
            "sklearn-0.24-ubuntu18.04-py37-cpu:latest",
        ),
        (
            "azureml:AzureML-acpt-pytorch-1.12-py39-cuda11.6-gpu:4",
            "acpt-pytorch-1.12-py39-cuda11.6-gpu",
            "3.9",
            "acpt-pytorch-1.12-cuda11.6:4",
        ),
        ("azureml:AzureML-lightgbm-3.3@latest", "lightgbm-3.3", "3.10", "lightgbm-3.3:latest"),
        (
            "azureml://registries/azureml/environments/tensorflow-2.16-cuda12/labels/latest",
            "tensorflow-2.16-cuda12",
            "3.10",
            "tensorflow-2.16-cuda12:latest",
        ),
    ],
)
def test_reference_forms(reference: str, name: str, python: str, image: str) -> None:
    found = TABLE.lookup(reference)
    assert found is not None
    assert (found.name, found.python) == (name, python)
    assert found.image == f"mcr.microsoft.com/azureml/curated/{image}"
    assert found.packages


def test_inference_images_have_no_curated_folder() -> None:
    found = TABLE.lookup("mcr.microsoft.com/azureml/minimal-py311-inference:latest")
    assert found is not None
    assert found.python == "3.11"
    assert found.image == "mcr.microsoft.com/azureml/minimal-py311-inference:latest"


@pytest.mark.parametrize(
    "reference", ["azureml:env:1", "python:3.11", "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", "", "a b"]
)
def test_unknown_names_are_none(reference: str) -> None:
    assert TABLE.lookup(reference) is None


def test_every_official_name_is_found_under_its_short_name() -> None:
    for short, environment in TABLE.environments.items():
        assert short == short_name(short)
        for name in environment.names:
            found = TABLE.lookup(f"azureml:AzureML-{name}@latest")
            assert found is not None
            assert found.packages == environment.packages


def test_every_entry_is_well_formed() -> None:
    clause = r"python_version [<>]=? '3\.\d+'"
    line = re.compile(rf"[A-Za-z0-9-]+(\[[a-z-]+\])?([<>=~]=?[\d.]+,?)*(; {clause}( and {clause})?)?")
    for name, environment in TABLE.environments.items():
        assert environment.about, name
        assert re.fullmatch(r"3\.\d+", environment.python or ""), name
        for package in environment.packages:
            assert line.fullmatch(package), (name, package)


def test_references_are_split() -> None:
    assert split_reference("azureml:env:1") == ("env", "1")
    assert split_reference("azureml:env@latest") == ("env", "latest")
    assert split_reference("azureml:env") == ("env", None)
    assert split_reference("azureml://registries/mine/environments/env") == ("env", None)
    assert split_reference("not a name") == ("", None)


def write(folder: Path, text: str) -> Path:
    path = folder / "environments.yml"
    path.write_text(text)
    return path


def test_the_users_table_wins_and_may_name_one_version(tmp_path: Path) -> None:
    table = load_table(
        write(
            tmp_path,
            "groups: {ours: [six]}\n"
            "environments:\n"
            '  sklearn-1.5: {python: "3.12", packages: [scikit-learn], includes: [ours]}\n'
            "  env: {packages: [iniconfig], image: 'example.com/env:1'}\n"
            '  "env:2": {python: "3.11"}\n'
            "conda_packages: {Our-Own: theirs, ffmpeg: null}\n",
        )
    )
    found = table.lookup("azureml:AzureML-sklearn-1.5@latest")
    assert found is not None
    assert (found.python, found.packages, found.image) == ("3.12", ("scikit-learn", "six"), None)
    first, second = table.lookup("azureml:env:1"), table.lookup("azureml:env:2")
    assert first is not None
    assert second is not None
    assert (first.packages, first.image, second.python) == (("iniconfig",), "example.com/env:1", "3.11")
    assert table.conda_packages == {"our-own": "theirs", "ffmpeg": None}
    assert table.lookup("azureml:AzureML-lightgbm-3.3@latest") is not None
    assert "env:2" in table.names()


def test_the_users_table_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "environments.json"
    path.write_text('{"environments": {"env": {"packages": ["six"]}}}')
    found = load_table(path).lookup("azureml:env:1")
    assert found is not None
    assert found.packages == ("six",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "the document is a list"),
        ("environment: {}\n", "environment: not known here"),
        ("environments: [a]\n", "environments: a mapping"),
        ("environments: {a: six}\n", "environments.a: a mapping"),
        ("environments: {a: {package: []}}\n", "environments.a.package: not known"),
        ("environments: {a: {python: 3.10}}\n", r"environments.a.python: a version in quotes"),
        ("environments: {a: {packages: [1]}}\n", "environments.a.packages: a list"),
        ("environments: {a: {packages: six}}\n", "environments.a.packages: a list"),
        ("environments: {a: {includes: [x]}}\n", "'x' is not among `groups`"),
        ("conda_packages: {a: 1}\n", "conda_packages: a mapping"),
    ],
)
def test_a_wrong_table_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidSpecError, match=message):
        load_table(write(tmp_path, text))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.yml"):
        load_table(tmp_path / "none.yml")
