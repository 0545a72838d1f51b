"""Which image an environment wants, and the recipe of it under the settings."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mlctl.entities.environment import BuildContext, Environment
from mlctl.environments.curated import load_table
from mlctl.errors import InvalidSpecError, NotFoundError, UnsupportedError
from mlctl.images.making import recipe_of, wanted_of
from mlctl.images.recipe import ImageRecipe, pack
from mlctl.images.wanted import resolve_for_image
from mlctl.settings import Settings, load

CONDA = {"dependencies": ["python=3.11", {"pip": ["tabulate"]}]}


def _settings(home: Path, **given: str) -> Settings:
    overrides = {"home": str(home), **{key.replace("__", "."): value for key, value in given.items()}}
    return load(overrides=overrides, environ={}, cwd=home)


def test_packages_without_a_pip_form_are_left_to_the_image_s_conda() -> None:
    conda = {"dependencies": ["python=3.10", "no-such-conda-package-of-mlctl"]}
    resolved, error = resolve_for_image(Environment(image="mine:1", conda=conda), load_table())
    assert (resolved.conda, resolved.image) == (conda, "mine:1")
    assert error
    with pytest.raises(InvalidSpecError):
        resolve_for_image(Environment(conda=conda), load_table())
    resolved, error = resolve_for_image(Environment(image="python:3.9"), load_table())
    assert (resolved.image, error) == ("python:3.9", None)


def test_an_image_alone_needs_no_recipe(tmp_path: Path) -> None:
    settings = _settings(tmp_path, images__mirrors="docker.io=mirror.example")
    wanted = wanted_of(Environment(image="python:3.11", asset="azureml:e:1"), settings)
    assert (wanted["image"], wanted["image_as_written"]) == ("mirror.example/library/python:3.11", "python:3.11")
    assert wanted["asset"] == "azureml:e:1"
    assert recipe_of(wanted, settings) is None


def _fingerprint(recipe: ImageRecipe | None) -> str:
    assert recipe is not None
    return pack(recipe, io.BytesIO())


def test_settings_are_in_the_recipe_of_an_environment(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("certificates")
    settings = _settings(
        tmp_path,
        docker__ca_bundle=str(tmp_path / "ca.pem"),
        proxy__http="http://proxy.example",
        environments__pip_arguments="--index-url https://pypi.example/simple",
    )
    recipe = recipe_of(wanted_of(Environment(image="python:3.11", conda=CONDA), settings), settings)
    assert recipe is not None
    assert recipe.files["requirements.txt"] == b"tabulate\n"
    assert recipe.files["ca-bundle.pem"] == b"certificates"
    assert recipe.build_args == {
        "PIP_INDEX_URL": "https://pypi.example/simple",
        "http_proxy": "http://proxy.example",
        "HTTP_PROXY": "http://proxy.example",
    }
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(NotFoundError, match=r"docker\.ca_bundle: cannot read"):
        recipe_of(wanted_of(Environment(image="python:3.11", conda=CONDA), settings), settings)


def test_a_dockerfile_goes_through_the_mirrors_and_stays_as_it_is_otherwise(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"FROM python:3.11\r\nRUN x\r\n")
    environment = Environment(build=BuildContext(str(tmp_path), "./Dockerfile"))
    plain, mirrored = _settings(tmp_path), _settings(tmp_path, images__mirrors="docker.io=mirror.example")
    recipe = recipe_of(wanted_of(environment, plain), plain)
    assert recipe is not None
    assert (recipe.dockerfile, recipe.files) == ("Dockerfile", {"Dockerfile": b"FROM python:3.11\r\nRUN x\r\n"})
    other = recipe_of(wanted_of(environment, mirrored), mirrored)
    assert other is not None
    assert other.files["Dockerfile"].startswith(b"FROM mirror.example/library/python:3.11\r\n")
    assert len({_fingerprint(recipe), _fingerprint(other)}) == 2
    assert _fingerprint(recipe) != _fingerprint(recipe_of(wanted_of(environment, plain), plain, platform="linux/arm64"))


def test_a_dockerfile_gets_the_pip_settings_that_it_declares(tmp_path: Path) -> None:
    environment = Environment(build=BuildContext(str(tmp_path)))
    arguments = "--index-url https://me:secret@pypi.example/simple --extra-index-url https://other.example"
    settings = _settings(tmp_path, environments__pip_arguments=arguments)
    (tmp_path / "Dockerfile").write_text("FROM x\nRUN pip install numpy\n")
    recipe = recipe_of(wanted_of(environment, settings), settings)
    assert recipe is not None
    assert recipe.build_args == {}
    (tmp_path / "Dockerfile").write_text("FROM x\nARG PIP_INDEX_URL\nARG OTHER=1\nRUN pip install numpy\n")
    recipe = recipe_of(wanted_of(environment, settings), settings)
    assert recipe is not None
    assert recipe.build_args == {"PIP_INDEX_URL": "https://me:secret@pypi.example/simple"}
    assert "secret" not in recipe.salt


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (Environment(build=BuildContext("https://git.example/x.git")), "is not on this machine"),
        (Environment(build=BuildContext("/", "../Dockerfile")), "leads out of the build context"),
        (Environment(image="x", os_type="Windows"), "os_type Windows"),
    ],
)
def test_what_cannot_be_built_here_is_refused(tmp_path: Path, environment: Environment, message: str) -> None:
    settings = _settings(tmp_path)
    with pytest.raises(UnsupportedError, match=message):
        recipe_of(wanted_of(environment, settings), settings)
