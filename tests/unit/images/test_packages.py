"""Packages: what the Dockerfile says, what the context holds, what makes another image."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from mlctl.errors import UsageError
from mlctl.images.packages import (
    SERVER,
    Copied,
    Package,
    conda_with_server,
    package_of,
    package_recipe,
    with_server,
)
from mlctl.images.recipe import ImageRecipe, pack, unpack

WANTED = {"conda": None, "packages": ["azureml-inference-server-http"]}
PLAN = {
    "models_place": "/var/azureml-app/azureml-models",
    "code_name": "src",
    "routes": {},
    "port": 5001,
    "docker": WANTED,
    "variables": {"WORKER_COUNT": "2"},
}


HEALTH = """\
HEALTHCHECK --start-period=60s CMD PATH="${AZUREML_INFERENCE_PYTHON_PATH:+$AZUREML_INFERENCE_PYTHON_PATH:}$PATH"; \
python3 -c "import urllib.request as r; r.urlopen('http://127.0.0.1:5001/', timeout=5)\""""
START = """\
ENTRYPOINT ["/bin/sh", "-c", \
"PATH=\\"${AZUREML_INFERENCE_PYTHON_PATH:+$AZUREML_INFERENCE_PYTHON_PATH:}$PATH\\"; \
exec azmlinfsrv --entry_script \\"$AML_APP_ROOT/$AZUREML_ENTRY_SCRIPT\\" --port 5001"]"""


def _package(folder: Path, **changes: object) -> Package:
    for name in ("azureml-models/iris/3/model.txt", "code/deep/score.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return package_of(
        {**PLAN, **changes},
        models=folder / "azureml-models",
        model="iris/3",
        code=folder / "code",
        script="deep/score.py",
    )


def test_a_dollar_sign_in_a_place_means_itself(tmp_path: Path) -> None:
    package = _package(tmp_path)
    copied = tuple(replace(one, place="/srv/my $code") for one in package.copied)
    recipe = package_recipe("base:1", replace(package, copied=copied))
    unpack(recipe, tmp_path / "out")
    assert r'"/srv/my \\$code/"]' in (tmp_path / "out/Dockerfile").read_text()


def test_places_variables_and_port_are_azures(tmp_path: Path) -> None:
    recipe = package_recipe("base:1", _package(tmp_path))
    unpack(recipe, tmp_path / "out")
    assert (tmp_path / "out/Dockerfile").read_text().splitlines() == [
        "FROM base:1",
        'COPY ["model/", "/var/azureml-app/azureml-models/iris/3/"]',
        'COPY ["code/", "/var/azureml-app/src/"]',
        'ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models/iris/3"',
        'ENV AML_APP_ROOT="/var/azureml-app/src/deep"',
        'ENV AZUREML_ENTRY_SCRIPT="score.py"',
        'ENV HOME="/tmp"',
        'ENV PYTHONUNBUFFERED="1"',
        'ENV AZUREML_INFERENCE_PYTHON_PATH="/opt/mlctl/environment/bin"',
        'ENV WORKER_COUNT="2"',
        "EXPOSE 5001",
        "WORKDIR /var/azureml-app",
        HEALTH,
        "USER 65534:65534",
        START,
        "CMD []",
    ]
    assert (tmp_path / "out/model/model.txt").read_text() == "azureml-models/iris/3/model.txt"
    assert (tmp_path / "out/code/deep/score.py").read_text() == "code/deep/score.py"


def test_a_container_of_its_own_keeps_its_user_and_its_command(tmp_path: Path) -> None:
    routes = {"scoring": "/predict", "liveness": "/live", "readiness": "/ready"}
    lines = package_recipe("own:1", _package(tmp_path, routes=routes, port=8080)).files["Dockerfile"].decode()
    assert "EXPOSE 8080" in lines
    assert not any(word in lines for word in ("ENTRYPOINT", "CMD", "USER", "WORKDIR", "HOME="))


@pytest.mark.parametrize(
    ("value", "written"),
    [("$HOME", "\\$HOME"), ('say "hi"', 'say \\"hi\\"'), ("C:\\new", "C:\\\\new"), ("a b", "a b")],
)
def test_a_value_is_taken_as_it_is(value: str, written: str) -> None:
    text = package_recipe("base:1", Package(variables={"A": value})).files["Dockerfile"].decode()
    assert f'ENV A="{written}"\n' in text


def test_a_value_of_several_lines_is_refused() -> None:
    with pytest.raises(UsageError, match="variable A has several lines"):
        package_recipe("base:1", Package(variables={"A": "one\ntwo"}))


@pytest.mark.parametrize("name", ["a b", "A=B", 'A"', "1A", ""])
def test_a_name_that_no_dockerfile_can_hold_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a name that an image cannot keep"):
        package_recipe("base:1", Package(variables={name: "x"}))


def test_the_server_is_added_once() -> None:
    assert with_server(["numpy"]) == ["numpy", SERVER]
    assert with_server(["azureml_inference_server_http==1.4"]) == ["azureml_inference_server_http==1.4"]
    conda = {"dependencies": ["python=3.11", {"pip": ["numpy"]}]}
    assert conda_with_server(conda) == {"dependencies": ["python=3.11", "pip", {"pip": ["numpy", SERVER]}]}
    assert conda_with_server(conda_with_server(conda)) == conda_with_server(conda)
    assert conda_with_server(None) is None


def test_model_variables_and_base_each_make_another_image(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/file").write_text("1")
    (tmp_path / "two").mkdir()
    (tmp_path / "two/file").write_text("2")
    environment = ImageRecipe(files={"Dockerfile": b"FROM a\n"}, salt="[]", unmarked=frozenset({"Dockerfile"}))
    one = Package(copied=(Copied(tmp_path / "one", "/m", "model/"),))
    recipes = [
        package_recipe("a", one),
        package_recipe("b", one),
        package_recipe("a", Package(copied=(Copied(tmp_path / "two", "/m", "model/"),))),
        package_recipe("a", Package(copied=one.copied, variables={"A": "1"})),
        # the environment's Dockerfile does not count, what is added to it does
        package_recipe(environment, one),
        package_recipe(environment, Package(copied=one.copied, variables={"A": "1"})),
    ]
    assert len({pack(recipe, io.BytesIO()) for recipe in recipes}) == len(recipes)
