"""The recipe of an image: text, files, tag."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlctl.entities.environment import Requirements
from mlctl.images.dockerfile import credentials_in, pip_variables, proxy_variables, write_addition, write_recipe
from mlctl.images.recipe import ImageRecipe, pack

REQUIREMENTS = Requirements(python="3.11", packages=("numpy==2.0", "--pre", "pandas"), origin="conda.yml")


def _recipe(**changes: object) -> ImageRecipe:
    return write_recipe("python:3.11", REQUIREMENTS, **changes)  # type: ignore[arg-type]


def test_dockerfile_of_pip_packages() -> None:
    recipe = _recipe()
    assert recipe.files["Dockerfile"].decode() == (
        "FROM python:3.11\n"
        "USER root\n"
        "COPY install.sh requirements.txt /opt/mlctl/\n"
        "RUN /bin/sh /opt/mlctl/install.sh\n"
        "ENV PATH=/opt/mlctl/environment/bin:$PATH\n"
    )
    assert recipe.files["requirements.txt"] == b"numpy==2.0\n--pre\npandas\n"
    assert recipe.build_args == {}


def _fingerprint(recipe: ImageRecipe) -> str:
    return pack(recipe, io.BytesIO())


def test_the_fingerprint_names_the_content() -> None:
    first = _fingerprint(_recipe())
    assert first == _fingerprint(_recipe())
    others = [
        write_recipe("python:3.12", REQUIREMENTS),
        write_recipe("python:3.11", Requirements(python="3.10", packages=REQUIREMENTS.packages)),
        _recipe(conda={"dependencies": ["numpy"]}),
        _recipe(pip_arguments="--index-url https://pypi.example/simple"),
        _recipe(platform="linux/arm64"),
    ]
    assert len({first, *map(_fingerprint, others)}) == 6


def test_certificates_proxies_and_passwords_make_no_other_image() -> None:
    first = _fingerprint(_recipe())
    assert _fingerprint(_recipe(proxies={"http_proxy": "http://proxy.example"})) == first
    assert _fingerprint(_recipe(ca_bundle=b"x")) == first
    index = "--index-url https://{}pypi.example/simple"
    assert _fingerprint(_recipe(pip_arguments=index.format(""))) == _fingerprint(
        _recipe(pip_arguments=index.format("me:secret@"))
    )


def test_nothing_secret_is_in_the_files_and_the_image_takes_over_the_environment_alone() -> None:
    recipe = _recipe(
        pip_arguments="--index-url https://me:secret@pypi.example/simple",
        proxies=proxy_variables("http://me:secret@proxy.example", None, "localhost"),
        ca_bundle=b"certificates",
    )
    assert not any(b"secret" in data for data in recipe.files.values())
    assert recipe.build_args["PIP_INDEX_URL"] == "https://me:secret@pypi.example/simple"
    assert recipe.build_args["HTTP_PROXY"] == recipe.build_args["http_proxy"] == "http://me:secret@proxy.example"
    assert recipe.build_args["NO_PROXY"] == "localhost"
    assert "https_proxy" not in recipe.build_args
    stage, _, image = recipe.files["Dockerfile"].decode().partition("\nFROM ")
    assert stage.startswith("FROM python:3.11 AS packages\nARG MLCTL_STAGE\nLABEL mlctl.stage=$MLCTL_STAGE\n")
    assert "\nARG PIP_INDEX_URL\n" in stage
    assert "COPY ca-bundle.pem install.sh requirements.txt /opt/mlctl/\n" in stage
    assert "proxy" not in stage
    assert image == (
        "python:3.11\n"
        "USER root\n"
        "COPY --from=packages /opt/mlctl/environment /opt/mlctl/environment\n"
        "ENV PATH=/opt/mlctl/environment/bin:$PATH\n"
    )


def test_a_password_in_a_requirement_is_left_in_the_stage_too() -> None:
    requirements = Requirements(packages=("--extra-index-url https://tok3n@pypi.example/simple", "numpy"))
    assert b" AS packages\n" in write_recipe("python:3.11", requirements).files["Dockerfile"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://me:p@ss@pypi.example/simple http://tok3n@b.example", {"p@ss", "tok3n"}),
        ("git+https://me:pw@github.example/x", {"pw"}),
        ("git+ssh://git@github.example/x name@version https://plain.example/a@b", set()),
    ],
)
def test_credentials_are_found_in_addresses(text: str, found: set[str]) -> None:
    assert credentials_in([text]) == found


def test_the_conda_file_goes_along_without_its_name() -> None:
    conda = {"name": "mine", "prefix": "/x", "dependencies": ["python=3.11", {"pip": ["numpy"]}]}
    recipe = _recipe(conda=conda, conversion_error="package cudnn is not on PyPI")
    assert json.loads(recipe.files["environment.yaml"]) == {"dependencies": ["python=3.11", {"pip": ["numpy"]}]}
    assert recipe.files["conversion-error.txt"] == b"mlctl: package cudnn is not on PyPI\n"
    yours = _recipe(conda={**conda, "name": "yours"}, conversion_error="package cudnn is not on PyPI")
    assert _fingerprint(recipe) == _fingerprint(yours)


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        ([], {}),
        (["--index-url", "u"], {"PIP_INDEX_URL": "u"}),
        (["-i", "u", "--pre"], {"PIP_INDEX_URL": "u", "PIP_PRE": "1"}),
        (["--extra-index-url=a", "--extra-index-url", "b"], {"PIP_EXTRA_INDEX_URL": "a b"}),
        (["--no-index", "-f", "/wheels"], {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}),
    ],
)
def test_pip_options_become_variables(words: list[str], variables: dict[str, str]) -> None:
    assert pip_variables(words) == variables


@pytest.mark.parametrize(
    ("tool", "call"),
    [
        ("conda", "env create -p {0}/environment -f {0}/environment.yaml"),
        ("mamba", "env create -p {0}/environment -f {0}/environment.yaml"),
        ("micromamba", "create -y -p {0}/environment -f {0}/environment.yaml"),
    ],
)
def test_the_image_s_own_conda_is_used(tmp_path: Path, tool: str, call: str) -> None:
    recipe = _recipe(conda={"dependencies": ["numpy"]})
    for name, data in recipe.files.items():
        (tmp_path / name).write_bytes(data.replace(b"/opt/mlctl", os.fsencode(tmp_path)))
    program = tmp_path / "bin" / tool
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\nmkdir {tmp_path}/environment\n')
    program.chmod(0o755)
    subprocess.run(["/bin/sh", f"{tmp_path}/install.sh"], env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, check=True)
    assert (tmp_path / "called").read_text().strip() == call.format(tmp_path)


def test_certificates_that_came_along_are_trusted_while_installing(tmp_path: Path) -> None:
    for name, data in _recipe(ca_bundle=b"certificates").files.items():
        (tmp_path / name).write_bytes(data.replace(b"/opt/mlctl", os.fsencode(tmp_path)))
    program = tmp_path / "bin" / "python3.11"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n")
    program.chmod(0o755)
    subprocess.run(["/bin/sh", f"{tmp_path}/install.sh"], env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, check=False)
    seen = (tmp_path / "seen").read_text().splitlines()
    assert {f"PIP_CERT={tmp_path}/ca-bundle.pem", f"SSL_CERT_FILE={tmp_path}/ca-bundle.pem"} <= set(seen)


def test_packages_without_a_pip_form_need_an_image_with_conda(tmp_path: Path) -> None:
    recipe = _recipe(conda={"dependencies": ["cudnn"]}, conversion_error="package cudnn is not on PyPI")
    for name, data in recipe.files.items():
        (tmp_path / name).write_bytes(data.replace(b"/opt/mlctl", os.fsencode(tmp_path)))
    done = subprocess.run(
        ["/bin/sh", f"{tmp_path}/install.sh"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 92
    assert "mlctl: package cudnn is not on PyPI" in done.stderr
    assert "no conda or mamba" in done.stderr


def test_the_install_script_is_sound_and_says_what_is_missing(tmp_path: Path) -> None:
    script = tmp_path / "install.sh"
    script.write_bytes(_recipe().files["install.sh"])
    assert subprocess.run(["/bin/sh", "-n", str(script)], check=False).returncode == 0
    bare = subprocess.run(
        ["/bin/sh", str(script)], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert bare.returncode == 91
    assert "neither conda nor python3" in bare.stderr


def test_an_addition_sees_the_packages_of_the_images_python(tmp_path: Path) -> None:
    recipe = write_addition("base:1", [], pip_arguments="--index-url https://me:secret@pypi.example/simple")
    # what the last stage takes over is what the script makes
    assert "COPY --from=packages /opt/mlctl/environment /opt/mlctl/environment" in recipe.files["Dockerfile"].decode()
    (tmp_path / "requirements.txt").write_bytes(recipe.files["requirements.txt"])
    script = recipe.files["install.sh"].decode().replace("/opt/mlctl", str(tmp_path))
    # this Python is a virtual environment itself, as those of many images
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    subprocess.run(["/bin/sh", "-c", script], env={"PATH": path, "HOME": str(tmp_path)}, check=True)
    found = [str(tmp_path / "environment/bin/python"), "-c", "import pytest; print(pytest.__version__)"]
    assert subprocess.check_output(found, text=True).strip() == pytest.__version__


def test_an_addition_to_an_image_that_mlctl_built_goes_into_its_environment(tmp_path: Path) -> None:
    recipe = write_addition("base:1", [])
    (tmp_path / "requirements.txt").write_bytes(b"--no-index\n")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "environment")], check=True)
    own = tmp_path / "environment/lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages/mine.py"
    own.write_text("")
    script = recipe.files["install.sh"].decode().replace("/opt/mlctl", str(tmp_path))
    path = f"{tmp_path}/environment/bin:/usr/bin:/bin"
    subprocess.run(["/bin/sh", "-c", script], env={"PATH": path, "HOME": str(tmp_path)}, check=True)
    assert own.exists()
