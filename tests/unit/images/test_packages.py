"""The Dockerfile of a model package."""

from __future__ import annotations

from pathlib import Path

from mlctl.images.packages import SERVER, conda_with_server, packaged, with_server
from mlctl.images.recipe import ImageRecipe, Part

BASE = ImageRecipe(files={"Dockerfile": b"FROM x\n", "requirements.txt": b""})
CODE = Part(Path("/c"), ("src/score.py",), "code/")


def _text(**changes: object) -> str:
    given = {
        "model": Part(Path("/m"), ("model.pkl",), "model/"),
        "model_place": "/var/azureml-app/azureml-models/m/1",
        "code": CODE,
        "code_name": "onlinescoring",
        "script": "src/score.py",
        "variables": {},
        **changes,
    }
    recipe = packaged(BASE, **given)  # type: ignore[arg-type]
    assert recipe.files["requirements.txt"] == b""
    return recipe.files["Dockerfile"].decode()


def test_places_and_variables_are_azure_mls() -> None:
    assert _text() == (
        "FROM x\n"
        'COPY model/ "/var/azureml-app/azureml-models/m/1"/\n'
        "COPY code/ /var/azureml-app/onlinescoring/\n"
        'ENV AZUREML_MODEL_DIR="/var/azureml-app/azureml-models/m/1"\n'
        'ENV AML_APP_ROOT="/var/azureml-app/onlinescoring/src"\n'
        'ENV AZUREML_ENTRY_SCRIPT="score.py"\n'
        'ENV PYTHONUNBUFFERED="1"\n'
        "WORKDIR /var/azureml-app\n"
        "EXPOSE 5001\n"
        'ENTRYPOINT ["/bin/sh", "-c", "exec azmlinfsrv --entry_script '
        '\\"$AML_APP_ROOT/$AZUREML_ENTRY_SCRIPT\\" --port 5001"]\n'
    )


def test_values_mean_themselves() -> None:
    text = _text(variables={"A": 'a "b" $c \\ d'}, script="score.py", model=None)
    assert 'ENV A="a \\"b\\" \\$c \\\\ d"\n' in text
    assert 'AML_APP_ROOT="/var/azureml-app/onlinescoring"' in text
    assert "AZUREML_MODEL_DIR" not in text


def test_the_server_is_added_once() -> None:
    assert with_server(["numpy"]) == ["numpy", SERVER]
    assert with_server(["azureml_inference_server_http==1.4"]) == ["azureml_inference_server_http==1.4"]
    conda = {"dependencies": ["python=3.11", {"pip": ["numpy"]}]}
    assert conda_with_server(conda) == {"dependencies": ["python=3.11", "pip", {"pip": ["numpy", SERVER]}]}
    assert conda_with_server(conda_with_server(conda)) == conda_with_server(conda)
    assert conda_with_server(None) is None
