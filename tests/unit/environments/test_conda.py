from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlctl.entities.environment import Requirements
from mlctl.environments.conda import convert_version, load_conda_packages, requirements_from_conda
from mlctl.errors import InvalidSpecError


def read(*dependencies: Any, **options: Any) -> Requirements:
    return requirements_from_conda({"dependencies": list(dependencies)}, origin="conda.yml", **options)


@pytest.mark.parametrize(
    ("conda", "expected"),
    [
        ("", ""),
        ("=1.2", "==1.2.*"),
        ("=1.2=py37_0", "==1.2.*"),
        ("==1.2", "==1.2"),
        ("==1.2=h123_0", "==1.2"),
        ("=1.2.*", "==1.2.*"),
        ("==1.2.*", "==1.2.*"),
        (" 1.2.*", "==1.2.*"),
        (" 1.2", "==1.2"),
        (" >=1,<2", ">=1,<2"),
        (" >= 1.0 , < 2", ">=1.0,<2"),
        (" >=1.0 py_0", ">=1.0"),
        (">=1.2.*", ">=1.2"),
        ("!=1.3.*", "!=1.3.*"),
        ("~=1.5", "~=1.5"),
        ("=*=*cuda*", ""),
        ("=2.0rc1", "==2.0rc1"),
        ("=1.13.1=py3.9_cuda11.7_cudnn8.5.0_0", "==1.13.1.*"),
    ],
)
def test_versions(conda: str, expected: str) -> None:
    assert convert_version(conda) == expected


@pytest.mark.parametrize("conda", ["=1.2|=1.3", "=1=2=3=4", "=**"])
def test_versions_that_cannot_be_said(conda: str) -> None:
    with pytest.raises(ValueError, match=r"is no version|alternatives"):
        convert_version(conda)


@pytest.mark.parametrize(
    ("entry", "python"),
    [
        ("python", None),
        ("python=3.10", "3.10"),
        ("python==3.9.7", "3.9.7"),
        ("python=3.8.*", "3.8"),
        ("python 3.8", "3.8"),
        ("python>=3.8,<3.11", ">=3.8,<3.11"),
        ("python=3.10.4=h12debd9_0_cpython", "3.10.4"),
        ("conda-forge::python=3.11", "3.11"),
    ],
)
def test_python(entry: str, python: str | None) -> None:
    assert read(entry) == Requirements(python=python, origin="conda.yml")


def test_packages_under_their_names_on_the_index() -> None:
    requirements = read(
        "conda-forge::numpy=1.26=py310_0", "pytorch >=2,<3", "py-xgboost", "opencv=4.5", "PyTables", "dask-core",
        "msgpack-python", "scikit-learn=1.5.*", "pandas[version='>=1,<2']", "huggingface_hub",
    )  # fmt: skip
    assert requirements.packages == (
        "numpy==1.26.*", "torch>=2,<3", "xgboost", "opencv-python-headless==4.5.*", "tables", "dask",
        "msgpack", "scikit-learn==1.5.*", "pandas>=1,<2", "huggingface-hub",
    )  # fmt: skip
    assert requirements.warnings == ()


def test_what_wheels_bring_is_left_out_with_a_warning_and_pip_in_silence() -> None:
    requirements = read("pip=23", "cudatoolkit=11.3", "cudnn", "libgomp", "mkl=2021")
    assert requirements.packages == ()
    assert requirements.warnings == (
        "conda.yml: cudatoolkit, cudnn left out: wheels from the package index bring their own CUDA libraries",
        "conda.yml: libgomp, mkl left out: wheels from the package index bring their own native libraries",
    )


def test_every_package_that_cannot_be_had_is_named_once_with_its_line(tmp_path: Path) -> None:
    source = tmp_path / "conda.yml"
    source.write_text("dependencies:\n  - python=3.10\n  - gcc\n  - our-own=1.2\n  - 'r-base'\n")
    with pytest.raises(InvalidSpecError) as caught:
        read("python=3.10", "gcc", "our-own=1.2", "r-base", "numpy=1|2", 7, source=source)
    assert caught.value.message == (
        "conda.yml cannot be installed from the package index:\n"
        "  line 3: gcc: a compiler or build tool; not on the package index\n"
        "  line 4: our-own=1.2: not in the map of conda names\n"
        "  line 5: r-base: software that is not written for Python; not on the package index\n"
        "  numpy=1|2: alternatives (`|`) cannot be expressed for the package index\n"
        "  7: neither a conda package nor a `pip:` list"
    )
    assert caught.value.hint is not None
    assert "docker back end" in caught.value.hint
    assert "environments.map" in caught.value.hint


def test_the_users_own_names_win() -> None:
    names = {"our-own": "our-own-wheel", "gcc": None, "numpy": "numpy-fork"}
    requirements = read("our_own=1", "gcc", "numpy", names=names)
    assert requirements.packages == ("our-own-wheel==1.*", "numpy-fork")
    assert requirements.warnings == ("conda.yml: gcc left out: the table of environments.map says so",)


def test_the_pip_part_follows_the_conda_packages(tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("mlflow  # tracking\n\n-r deep/extra.txt\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "extra.txt").write_text("six \\\n  >=1.16\n-e ../lib\n")
    lines = [
        "azureml-mlflow==1.*",
        "-r more.txt",
        "--extra-index-url https://index.example.com/simple",
        "git+https://git.example.com/x",
    ]
    requirements = read("numpy", {"pip": lines}, source=tmp_path / "conda.yml")
    assert requirements.packages == (
        "numpy",
        "azureml-mlflow==1.*",
        "mlflow",
        "six  >=1.16",
        f"--editable {tmp_path}/lib",
        "--extra-index-url https://index.example.com/simple",
        "git+https://git.example.com/x",
    )


def test_a_missing_requirements_file_and_a_wrong_pip_part_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        read({"pip": ["-r none.txt", 5]}, source=tmp_path / "conda.yml")
    assert f"-r none.txt: cannot read '{tmp_path}/none.txt': No such file or directory" in caught.value.message
    assert "5: not a line for pip" in caught.value.message
    with pytest.raises(InvalidSpecError, match="`pip:` is no list"):
        read({"pip": {"six": 1}})


def test_variables_of_a_conda_file_are_a_warning() -> None:
    requirements = requirements_from_conda({"variables": {"A": "1"}}, origin="c.yml")
    assert requirements.warnings == ("c.yml: `variables` are not set; put them into the job's environment_variables",)


def test_dependencies_that_are_no_list() -> None:
    with pytest.raises(InvalidSpecError, match="'dependencies' is no list"):
        requirements_from_conda({"dependencies": "numpy"}, origin="c.yml")


def test_the_map_says_one_thing_about_a_name() -> None:
    table = load_conda_packages()
    assert not set(table.names) & (set(table.ignored) | set(table.unavailable))
    assert not set(table.ignored) & set(table.unavailable)
    assert all(name == name.lower() for name in [*table.names, *table.ignored, *table.unavailable])
