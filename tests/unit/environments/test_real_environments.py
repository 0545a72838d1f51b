"""Real environments, real uv, real pip: a job's `pip` changes the job's own layer and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlctl.entities.environment import Requirements
from mlctl.environments.builder import BuiltEnvironment, EnvironmentBuilder
from mlctl.environments.overlay import Overlay
from mlctl.errors import InvalidSpecError
from mlctl.settings import Settings, load


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    return load(environ={**os.environ, "MLCTL_HOME": str(home)}, cwd=home)


@pytest.fixture(scope="module")
def builder(settings: Settings) -> EnvironmentBuilder:
    return EnvironmentBuilder(settings.home / "cache", settings)


@pytest.fixture(scope="module")
def plain(builder: EnvironmentBuilder) -> BuiltEnvironment:
    """An environment with pip and nothing else; needs no network."""
    return builder.ensure(Requirements(), io.BytesIO())


@pytest.fixture(scope="module")
def small(builder: EnvironmentBuilder) -> BuiltEnvironment:
    """An environment with two tiny packages from the index."""
    return builder.ensure(Requirements(packages=("six==1.15.0", "iniconfig==2.0.0")), io.BytesIO())


def list_tree(*folders: Path) -> str:
    """A digest of every file's name, size, time of change and inode below the folders."""

    def entries() -> Iterator[str]:
        for top in folders:
            for folder, names, files in os.walk(top):
                names.sort()
                for name in sorted([*files, *names]):
                    status = os.lstat(os.path.join(folder, name))
                    yield f"{folder}/{name} {status.st_size} {status.st_mtime_ns} {status.st_ino} {status.st_mode}"

    return hashlib.sha256("\n".join(entries()).encode()).hexdigest()


def run(layer: Overlay, *command: str) -> str:
    """A command as a job would run it."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV")
    environ = {name: value for name, value in os.environ.items() if name not in dropped}
    environ.update(layer.variables, PATH=f"{layer.path_prefix}:{environ['PATH']}", PIP_DISABLE_PIP_VERSION_CHECK="1")
    done = subprocess.run(
        command, env=environ, cwd=layer.folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_an_environment_without_packages_has_its_own_pip(
    builder: EnvironmentBuilder, plain: BuiltEnvironment, tmp_path: Path
) -> None:
    layer = builder.overlay(plain, tmp_path / "job")
    before = list_tree(plain.folder)
    assert "pip" in run(layer, "pip", "--version")
    assert run(layer, "python", "-c", "import sys; print(sys.prefix)") == str(layer.folder)
    assert run(layer, "sh", "-c", "command -v pip") == str(layer.folder / "bin" / "pip")
    assert list_tree(plain.folder) == before


@pytest.mark.network
def test_pip_in_a_job_changes_the_job_only(
    builder: EnvironmentBuilder, small: BuiltEnvironment, settings: Settings, tmp_path: Path
) -> None:
    layer = builder.overlay(small, tmp_path / "job")
    outside = (settings.home, Path(small.interpreter).parents[1] / "lib")
    before = list_tree(*outside)
    assert "already satisfied: six" in run(layer, "pip", "install", "six", "iniconfig")
    run(layer, "pip", "install", "-U", "six")
    version = "import six; print(six.__version__, six.__file__)"
    upgraded, place = run(layer, "python", "-c", version).split()
    assert upgraded != "1.15.0"
    assert place.startswith(str(layer.folder))
    run(layer, "pip", "uninstall", "-y", "six", "iniconfig")
    assert run(layer, "python", "-c", version).split()[0] == "1.15.0"
    run(layer, "python", "-m", "pip", "install", "--force-reinstall", "--no-deps", "iniconfig==2.0.0")
    run(layer, "python", "-m", "venv", "--without-pip", str(tmp_path / "inner"))
    assert list_tree(*outside) == before


@pytest.mark.network
def test_packages_that_do_not_exist_are_named(builder: EnvironmentBuilder) -> None:
    with pytest.raises(InvalidSpecError, match="look at 'six==999'"):
        builder.ensure(Requirements(packages=("six==999", "iniconfig"), origin="conda.yml"), io.BytesIO())
