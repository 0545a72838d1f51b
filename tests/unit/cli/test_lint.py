"""mlctl lint: the report as text and as data, its sums, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.calls import Call

JOB = """\
command: x
environment:
  image: python:3.11
compute: gpu
resources:
  docker_args: --init
"""


@pytest.fixture
def job(call: Call) -> Path:
    """A job that runs on docker and does not on kubernetes; `call` has gone into its folder."""
    path = Path("job.yml")
    path.write_text(JOB, encoding="utf-8")
    return path


def test_a_key_has_its_place_and_back_ends_that_do_the_same_stand_together(call: Call, job: Path) -> None:
    answer = call("lint", "job.yml")
    assert answer.code == 0
    blocks = answer.out.split("job.yml:")
    assert blocks[1].startswith("3:3: environment.image: python:3.11\n  local: approximated, ")
    assert blocks[3].startswith(
        "6:3: resources.docker_args: --init\n  local: ignored, there is no container\n  kubernetes: "
    )
    everything = call("lint", "job.yml", "--all").out
    assert "job.yml:1:1: command: x\n  local, docker, kubernetes, azureml: honoured\n" in everything
    assert "command: x" not in answer.out


def test_the_sum_is_on_stderr_and_says_what_is_not_built(call: Call, job: Path) -> None:
    answer = call("lint", "job.yml")
    assert answer.err.splitlines() == [
        "local: runs with differences (2 approximated, 1 ignored)",
        "docker: runs with differences (1 approximated)",
        "kubernetes: does not run (1 approximated, 1 refused); not built yet, this is what it is designed to do",
        "azureml: runs as it is; not built yet, this is what it is designed to do",
    ]
    job.with_name("second.yml").write_text("command: y\nenvironment: {image: a}\n", encoding="utf-8")
    assert call("lint", ".", "--backend", "docker").err == "docker: 1 run as they are, 1 run with differences\n"
    assert call("lint", "job.yml", "--only-show-errors").err == ""


def test_strict_ends_with_nine_only_for_a_back_end_that_was_named(call: Call, job: Path) -> None:
    assert call("lint", "job.yml", "--strict").code == 9
    assert call("lint", "job.yml", "--strict", "--backend", "local,docker").code == 0
    assert call("lint", "job.yml", "--strict", "--backend", "local,kubernetes").code == 9
    assert call("lint", "job.yml", "--backend", "kubernetes").code == 0


def test_a_wrong_file_is_told_and_counts_with_strict(call: Call, job: Path) -> None:
    job.write_text(JOB.replace("compute", "comptue"), encoding="utf-8")
    job.with_name("broken.yml").write_text("command: x\nenvironment: [\n", encoding="utf-8")
    job.with_name("conda.yml").write_text("dependencies: [python]\n", encoding="utf-8")
    answer = call("lint", ".", "--backend", "docker")
    assert answer.code == 0
    assert "warning: broken.yml: cannot be read; mlctl validate says more" in answer.err
    assert "warning: job.yml: 1 error in it; mlctl validate says more" in answer.err
    assert "conda.yml: skipped, a conda file" in answer.err
    assert call("lint", ".", "--backend", "docker", "--strict").code == 5


def test_json_has_findings_and_verdicts(call: Call, job: Path) -> None:
    found = call("lint", "job.yml", "--backend", "kubernetes", "-o", "json").json
    assert set(found) == {"findings", "verdicts", "skipped", "wrong"}
    assert found["findings"][-1] == {
        "file": "job.yml",
        "line": 6,
        "column": 3,
        "field": "resources.docker_args",
        "value": "--init",
        "backend": "kubernetes",
        "fate": "refused",
        "reason": found["findings"][-1]["reason"],
    }
    assert found["verdicts"][0]["verdict"] == "does not run"
    refused = call("lint", "job.yml", "--query", "findings[?fate=='refused'].field | [0]").out
    assert json.loads(refused) == "resources.docker_args"


def test_a_table_has_a_row_for_each_finding_and_the_summary_one_for_each_file(call: Call, job: Path) -> None:
    table = call("lint", "job.yml", "--backend", "docker", "-o", "table").out.splitlines()
    assert table[0].split() == ["File", "Line", "Field", "Backend", "Fate", "Reason"]
    assert table[2].split()[:5] == ["job.yml", "4", "compute", "docker", "approximated"]
    assert len(table) == 3
    rows = call("lint", "job.yml", "--summary", "-o", "json").json
    assert [(row["backend"], row["refused"]) for row in rows] == [
        ("local", 0),
        ("docker", 0),
        ("kubernetes", 1),
        ("azureml", 0),
    ]
    assert call("lint", "job.yml", "--summary", "--backend", "azureml").out == "job.yml: azureml: runs as it is\n"


def test_environments_of_ones_own_are_known(call: Call, job: Path) -> None:
    job.write_text("command: x\nenvironment: azureml:ours:1\n", encoding="utf-8")
    own = job.with_name("own.json").absolute()
    own.write_text(json.dumps({"environments": {"ours": {"python": "3.12", "packages": []}}}), encoding="utf-8")
    assert "mlctl environment create" in call("lint", "job.yml", "--backend", "local").out
    answer = call("lint", "job.yml", "--backend", "local", "--strict", MLCTL_ENVIRONMENTS_MAP=str(own))
    assert answer.code == 0
    assert "Python 3.12" in answer.out


def test_wrong_words_are_usage_errors(call: Call, job: Path) -> None:
    assert call("lint").code == 2
    answer = call("lint", "job.yml", "--backend", "mars")
    assert answer.code == 2
    assert "back ends: local, docker, kubernetes, azureml" in answer.err
    assert call("lint", "nowhere.yml").code == 3
