from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlctl.store import git
from mlctl.store.git import git_facts

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("a")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first")
    return tmp_path


def test_the_commit_of_a_code_folder_is_known(repository: Path) -> None:
    _git(repository, "remote", "add", "origin", "https://host/team/code.git")
    facts = git_facts(repository / "src", ENVIRON)
    assert facts == {
        "mlflow.source.git.repoURL": "https://host/team/code.git",
        "mlflow.source.git.branch": "trunk",
        "mlflow.source.git.commit": _git(repository, "rev-parse", "HEAD"),
        "azureml.git.dirty": "False",
    }


def test_only_changes_in_the_folder_make_it_dirty(repository: Path) -> None:
    (repository / "elsewhere").write_text("x")
    assert git_facts(repository / "src", ENVIRON)["azureml.git.dirty"] == "False"
    (repository / "src/new").write_text("x")
    assert git_facts(repository / "src", ENVIRON)["azureml.git.dirty"] == "True"


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    _git(repository, "checkout", "-q", "--detach")
    facts = git_facts(repository, ENVIRON)
    assert set(facts) == {"mlflow.source.git.commit", "azureml.git.dirty"}


def test_a_repository_without_a_commit_has_none(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q", "-b", "trunk")
    assert git_facts(tmp_path, ENVIRON) == {"mlflow.source.git.branch": "trunk", "azureml.git.dirty": "False"}


@pytest.mark.parametrize(
    "url", ["https://TOKEN@host/x.git", "https://me:TOKEN@host/x", "https://dev.azure.com/TOKEN@o/x"]
)
def test_an_address_with_a_token_is_left_out(repository: Path, url: str) -> None:
    _git(repository, "remote", "add", "origin", url)
    assert "mlflow.source.git.repoURL" not in git_facts(repository, ENVIRON)
    assert "mlflow.source.git.repoURL" not in git_facts(repository, {**ENVIRON, "AZUREML_GIT_REPOSITORY_URI": url})


def test_ssh_addresses_stay(repository: Path) -> None:
    _git(repository, "remote", "add", "origin", "git@host:team/code.git")
    assert git_facts(repository, ENVIRON)["mlflow.source.git.repoURL"] == "git@host:team/code.git"


def test_the_variables_stand_before_git_and_count_without_it(repository: Path, tmp_path: Path) -> None:
    variables = {
        "AZUREML_GIT_REPOSITORY_URI": "https://ci/x",
        "AZUREML_GIT_BRANCH": "release",
        "AZUREML_GIT_COMMIT": "abc",
        "AZUREML_GIT_DIRTY": "1",
        "AZUREML_GIT_BUILD_ID": "17",
        "AZUREML_GIT_BUILD_URI": "https://ci/17",
    }
    expected = {
        "mlflow.source.git.repoURL": "https://ci/x",
        "mlflow.source.git.branch": "release",
        "mlflow.source.git.commit": "abc",
        "azureml.git.dirty": "True",
        "azureml.git.build_id": "17",
        "azureml.git.build_uri": "https://ci/17",
    }
    assert git_facts(repository, {**ENVIRON, **variables}) == expected
    assert git_facts(Path("/"), {**ENVIRON, **variables}) == expected


def test_no_git_and_no_repository_are_no_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git_facts(Path("/"), ENVIRON) == {}
    monkeypatch.setenv("PATH", "/nonexistent")
    assert git_facts(repository, {**ENVIRON, "PATH": "/nonexistent"}) == {}


def test_a_slow_git_is_not_waited_for(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(git, "PATIENCE", 0.05)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    assert git_facts(repository, {**ENVIRON, "PATH": os.environ["PATH"]}) == {}


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRON).stdout.strip()
