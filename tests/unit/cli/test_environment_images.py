"""`mlctl environment build` and `list-images` as a user calls them, where no engine is needed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.cli.calls import Call
from tests.unit.store.test_images import IMAGE

from mlctl.entities.clock import Clock
from mlctl.store.workspaces import Workspaces


def _environment(call: Call) -> None:
    Path("conda.yml").write_text(json.dumps({"dependencies": ["python=3.11", {"pip": ["tabulate"]}]}))
    assert call("environment", "create", "-n", "e", "--image", "python:3.11", "--conda-file", "conda.yml").code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "either a registered environment or a file"),
        (("-n", "e", "-f", "x.yml"), "either a registered environment or a file"),
        (("-n", "e", "-v", "1", "-l", "latest"), "exclude each other"),
        (("-n", "e", "--set", "image=x"), "a registered version never changes"),
        (("-f", "x.yml", "-v", "1"), "belong to a registered environment"),
        (("-n", "e", "--write-context", "out", "--push", "r/x"), "--push needs the image"),
        (("-n", "plain", "--write-context", "out"), "there is nothing to build"),
        (("-n", "e", "--compute", "local"), "makes no images"),
    ],
)
def test_options_that_do_not_fit_are_refused(call: Call, words: tuple[str, ...], message: str) -> None:
    _environment(call)
    call("environment", "create", "-n", "plain", "--image", "python:3.11")
    answer = call("environment", "build", *words)
    assert answer.code in (2, 9)
    assert message in answer.err


def test_the_context_is_written_without_an_engine(call: Call) -> None:
    _environment(call)
    call("config", "set", "environments.pip_arguments=--index-url https://me:secret@pypi.example/simple")
    made = call("environment", "build", "-n", "e", "--write-context", "out", DOCKER_HOST="unix:///none").json
    assert made["build_args"] == ["PIP_INDEX_URL"]
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "Dockerfile",
        "environment.yaml",
        "install.sh",
        "requirements.txt",
    ]
    assert not any("secret" in path.read_text() for path in Path("out").iterdir())
    assert call("environment", "build", "-n", "e", "--write-context", "out").code == 6
    Path("file.yml").write_text("image: python:3.11\nconda_file: conda.yml\n")
    again = call("environment", "build", "-f", "file.yml", "--write-context", "two").json
    assert again["fingerprint"] == made["fingerprint"]
    other = call("environment", "build", "-f", "file.yml", "--set", "image=python:3.12", "--write-context", "three")
    assert other.json["fingerprint"] != made["fingerprint"]


def test_an_environment_of_a_shared_registry_is_built_from_its_own_files(call: Call, tmp_path: Path) -> None:
    Path("context").mkdir()
    Path("context/Dockerfile").write_text("FROM python:3.11\n")
    call("registry", "create", "-n", "shared", "--path", str(tmp_path / "shared"))
    assert call("environment", "create", "-n", "tools", "-b", "context", "--registry-name", "shared").code == 0
    words = ("environment", "build", "-n", "tools", "--registry-name", "shared", "--write-context", "out")
    answer = call(*words)
    assert answer.code == 0, answer.err
    assert Path("out/Dockerfile").read_text() == "FROM python:3.11\n"


def test_no_engine_is_told_with_every_address_that_was_tried(call: Call) -> None:
    _environment(call)
    answer = call("environment", "build", "-n", "e", "--host", "unix:///no/such/socket")
    assert answer.code == 7
    assert "unix:///no/such/socket" in answer.err


def test_images_are_listed_and_shown_with_their_environment(call: Call, tmp_path: Path) -> None:
    _environment(call)
    assert call("environment", "list-images").json == []
    assert call("environment", "show", "-n", "e").json["built_image"] is None
    table = Workspaces(tmp_path / "home", Clock()).open("default").images
    table.keep(replace(IMAGE, registries={"r.example:5000/team/e:1": "sha256:a"}))
    table.keep(replace(IMAGE, fingerprint="cd" * 32, environments=(), created_at=2.0))
    assert [row["environments"] for row in call("environment", "list-images").json] == [[], ["azureml:e:1"]]
    (row,) = call("environment", "list-images", "-n", "e", "-v", "1").json
    assert row["registries"] == [{"reference": "r.example:5000/team/e:1", "digest": "sha256:a"}]
    assert row["pinned"] == ["r.example:5000/team/e@sha256:a"]
    assert call("environment", "show", "-n", "e").json["built_image"] == row
    assert "r.example:5000/team/e@sha256:a" in call("environment", "list-images", "-o", "table").out
    assert len(call("environment", "list-images", "-r", "1").json) == 1
    assert call("environment", "list-images", "-n", "nobody").code == 3
    assert call("environment", "list-images", "-n", "e", "-v", "9").code == 3
    assert call("environment", "list-images", "-v", "9").code == 2
