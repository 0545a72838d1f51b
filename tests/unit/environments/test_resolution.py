from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mlctl.entities.environment import BuildContext, Environment, Requirements
from mlctl.environments.curated import load_table
from mlctl.environments.resolution import python_of_image, resolve
from mlctl.errors import InvalidSpecError, NotFoundError

TABLE = load_table()


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("python:3.11", "3.11"),
        ("library/python:3.11.6-slim", "3.11.6"),
        ("docker.io/library/python:3.9-bullseye", "3.9"),
        ("docker.io/python", None),
        ("library/python:latest", None),
        ("mcr.microsoft.com/azureml/minimal-py312-inference:latest", "3.12"),
        ("example.com/team/py310:2", "3.10"),
        ("example.com/train:python3.9", "3.9"),
        ("mcr.microsoft.com/aifx/acpt/stable-ubuntu2204-cu126-py310-torch280", "3.10"),
        ("pytorch/pytorch:latest", None),
        ("jupyter/pyspark-notebook:3", None),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04", None),
    ],
)
def test_python_of_an_image(image: str, python: str | None) -> None:
    assert python_of_image(image) == python


def test_a_curated_reference() -> None:
    reference = "azureml://registries/azureml/environments/acpt-pytorch-2.8-cuda12.6/labels/latest"
    resolved = resolve(Environment(reference=reference), TABLE)
    assert resolved.curated == "acpt-pytorch-2.8-cuda12.6"
    assert resolved.image == "mcr.microsoft.com/azureml/curated/acpt-pytorch-2.8-cuda12.6:latest"
    assert resolved.requirements.python == "3.10"
    assert any(line.startswith("torch~=2.8.0") for line in resolved.requirements.packages)
    assert "CUDA" in resolved.requirements.warnings[0]


def test_an_unknown_reference_suggests_a_name_and_the_way_out() -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve(Environment(reference="azureml:AzureML-sklearn-1.6@latest"), TABLE)
    assert caught.value.message == "no environment 'azureml:AzureML-sklearn-1.6@latest'"
    assert caught.value.hint is not None
    assert "did you mean 'sklearn-1.5'?" in caught.value.hint
    assert "environments.map" in caught.value.hint
    with pytest.raises(NotFoundError) as caught:
        resolve(Environment(reference="azureml:qqqqqqq:1"), TABLE)
    assert "did you mean" not in (caught.value.hint or "")


def test_an_image_says_which_python_runs_instead() -> None:
    resolved = resolve(Environment(image="python:3.11-slim"), TABLE)
    assert resolved.image == "python:3.11-slim"
    said = (
        "image 'python:3.11-slim' is not used here: the job gets Python 3.11 with no packages (docker runs the image)"
    )
    assert resolved.requirements == Requirements("3.11", (), "image python:3.11-slim", (said,))
    unknown = resolve(Environment(image="pytorch/pytorch:latest"), TABLE)
    assert unknown.requirements.python is None
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"Python {own} of this machine" in unknown.requirements.warnings[0]


def test_the_image_of_a_curated_environment_has_its_packages() -> None:
    resolved = resolve(Environment(image="mcr.microsoft.com/azureml/curated/sklearn-1.5:12"), TABLE)
    assert resolved.curated == "sklearn-1.5"
    assert resolved.image == "mcr.microsoft.com/azureml/curated/sklearn-1.5:12"
    assert any(line.startswith("scikit-learn~=1.5") for line in resolved.requirements.packages)
    assert "the packages of the curated environment" in resolved.requirements.warnings[0]


def test_a_conda_file_over_an_image(tmp_path: Path) -> None:
    conda = {"dependencies": ["pip", {"pip": ["-e ."]}]}
    source = str(tmp_path / "conda.yml")
    resolved = resolve(Environment(image="python:3.12", conda=conda, conda_source=source), TABLE)
    assert resolved.requirements == Requirements("3.12", (f"--editable {tmp_path}",), "conda.yml")
    assert (resolved.image, resolved.conda) == ("python:3.12", conda)


def test_the_python_of_the_conda_file_wins() -> None:
    environment = Environment(image="python:3.12", conda={"dependencies": ["python=3.10"]})
    assert resolve(environment, TABLE).requirements == Requirements("3.10", (), "conda_file")


def test_a_build_context_is_for_containers_only() -> None:
    build = BuildContext("/somewhere")
    resolved = resolve(Environment(build=build), TABLE)
    assert resolved.build == build
    assert resolved.requirements == Requirements(origin="build context /somewhere")


def test_nothing_at_all() -> None:
    with pytest.raises(InvalidSpecError, match="neither an image nor a conda file"):
        resolve(Environment(), TABLE)
