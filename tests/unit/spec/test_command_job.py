"""A command job: overrides, defaults, absolute paths, places of problems, warnings."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.errors import InvalidSpecError, UnsupportedError, UsageError
from mlctl.spec.compute import load_compute
from mlctl.spec.job import load_command_job
from mlctl.spec.problems import Problem
from mlctl.spec.workspace import load_workspace

HEAD = "command: echo hi\nenvironment: azureml:trees:1\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "job.yml"
    path.write_text(HEAD, encoding="utf-8")
    return path


def refused(path: Path, *overrides: str, **fields: object) -> list[Problem]:
    with pytest.raises(InvalidSpecError) as caught:
        load_command_job(path, overrides=overrides, fields=fields)
    return caught.value.problems


def test_defaults(spec: Path) -> None:
    job, warnings = load_command_job(spec)
    assert warnings == []
    assert (job.compute, job.code, job.timeout, job.distribution) == (None, None, None, None)
    assert job.resources.instance_count == 1
    assert job.where("command") == f"{spec}:1: "


def test_literals_keep_their_types_and_set_ones_are_text(spec: Path) -> None:
    spec.write_text(HEAD + "inputs: {a: 1, b: 0.5, c: true, d: x, e: {value: 2}}\n", encoding="utf-8")
    job, _ = load_command_job(spec, overrides=["inputs.a=0.1"])
    assert {name: given.value for name, given in job.inputs.items()} == {
        "a": "0.1",
        "b": 0.5,
        "c": True,
        "d": "x",
        "e": 2,
    }
    assert all(given.is_literal for given in job.inputs.values())


def test_set_makes_data_inputs_and_converts_numbers(spec: Path) -> None:
    (spec.parent / "data").mkdir()
    job, _ = load_command_job(
        spec, overrides=["inputs.d.type=uri_folder", "inputs.d.path=./data", "resources.instance_count=2"]
    )
    assert job.inputs["d"].path == str(spec.parent / "data")
    assert job.resources.instance_count == 2


def test_flags_win_over_set(spec: Path) -> None:
    job, _ = load_command_job(spec, overrides=["name=one"], fields={"name": "two", "compute": None})
    assert job.name == "two"


def test_problems_in_set_values_name_the_option(spec: Path) -> None:
    problems = refused(spec, "limits.timeout=soon", "inputs.d.path=./none", name="a b")
    assert [problem.location for problem in problems] == [
        "--set limits.timeout=soon", "--set inputs.d.path=./none", "--name a b",
    ]  # fmt: skip


def test_set_through_a_reference_is_a_usage_error(spec: Path) -> None:
    with pytest.raises(UsageError, match="reference"):
        load_command_job(spec, overrides=["environment.image=x"])


def test_relative_paths_start_at_the_file(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (spec.parent / "src").mkdir()
    spec.write_text(HEAD + "code: src/../src\n", encoding="utf-8")
    monkeypatch.chdir("/")
    job, _ = load_command_job(spec)
    assert job.code == str(spec.parent / "src")


def test_a_file_without_type_is_taken_as_a_file_with_a_warning(spec: Path) -> None:
    (spec.parent / "a.csv").touch()
    job, warnings = load_command_job(spec, overrides=["inputs.d.path=a.csv"])
    assert job.inputs["d"].type == "uri_file"
    assert [warning.code for warning in warnings] == ["guessed"]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("inputs: {v: 1.10}\n", "yaml_trap", 3),
        ("inputs:\n  v: 12:30\n", "yaml_trap", 4),
        ("inputs:\n  v: {value: no}\n", "yaml_trap", 4),
        ("environment_variables: {A: off}\n", "yaml_trap", 3),
        ("environment_variables: {A: 010}\n", "yaml_trap", 3),
        ("limits: {timeout: 1:00:00}\n", "yaml_trap", 3),
        ("tags: {on: x}\n", "yaml_key", 3),
        ("outputs: {o: {name: m, version: 1.10}}\n", "yaml_trap", 3),
        ("outputs: {o: {version: '1'}}\n", "ignored", 3),
        ("$schema: https://example.org/model.schema.json\n", "schema_hint", 3),
    ],
)
def test_warnings(spec: Path, text: str, code: str, line: int) -> None:
    spec.write_text(HEAD + text, encoding="utf-8")
    _, warnings = load_command_job(spec)
    assert [(warning.code, warning.line) for warning in warnings] == [(code, line)]
    assert warnings[0].hint


@pytest.mark.parametrize("text", ["inputs: {lr: 0.10, a: 1.0, b: 10, c: true}\n", "inputs: {v: '1.10', w: 'no'}\n"])
def test_plain_numbers_and_quoted_text_give_no_warning(spec: Path, text: str) -> None:
    spec.write_text(HEAD + text, encoding="utf-8")
    assert load_command_job(spec)[1] == []


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ("{image: python:3.11, name: trees}", "ignored"),
        ("{build: {path: .}, conda_file: {dependencies: [pip]}}", "ignored"),
    ],
)
def test_ignored_parts_of_an_environment(spec: Path, environment: str, code: str) -> None:
    (spec.parent / "Dockerfile").touch()
    spec.write_text(f"command: echo\nenvironment: {environment}\n", encoding="utf-8")
    job, warnings = load_command_job(spec)
    assert [warning.code for warning in warnings] == [code]
    assert job.environment.conda is None


def test_an_optional_part_without_expression_is_warned_of(spec: Path) -> None:
    spec.write_text("command: echo $[[inputs.x]]\nenvironment: azureml:trees:1\n", encoding="utf-8")
    _, warnings = load_command_job(spec)
    assert [warning.code for warning in warnings] == ["optional_part"]
    assert "${{inputs.x}}" in (warnings[0].hint or "")


def test_huge_numbers_and_many_problems_are_no_trouble(spec: Path) -> None:
    spec.write_text(HEAD + f"inputs: {{v: {2**80}}}\n", encoding="utf-8")
    assert load_command_job(spec)[0].inputs["v"].value == 2**80
    spec.write_text(HEAD + "".join(f"x{number}: 1\n" for number in range(500)), encoding="utf-8")
    assert len(refused(spec)) == 100


def test_another_type_of_job_is_unsupported(spec: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"--set type=sweep: jobs of type 'sweep'"):
        load_command_job(spec, overrides=["type=sweep"])


def test_a_conda_file_is_named_as_the_user_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "conda.yml").write_text("dependencies: x\n", encoding="utf-8")
    (tmp_path / "jobs" / "job.yml").write_text(
        "command: echo\nenvironment:\n  image: python:3.11\n  conda_file: ../conda.yml\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    assert [problem.location for problem in refused(Path("jobs/job.yml"))] == ["conda.yml:1:15"]


def test_the_source_of_conda_data_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conda.yml").write_text("dependencies: [pip]\n", encoding="utf-8")
    (tmp_path / "job.yml").write_text(
        "command: echo\nenvironment:\n  image: python:3.11\n  conda_file: conda.yml\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    job, _ = load_command_job(Path("job.yml"))
    assert job.environment.conda == {"dependencies": ["pip"]}
    assert job.environment.conda_source == str(tmp_path / "conda.yml")


def test_compute_and_workspace_from_options_only() -> None:
    compute, _ = load_compute(None, fields={"name": "box", "type": "Docker", "host": "tcp://h:1", "max_concurrent": 3})
    assert (compute.type, compute.backend, compute.max_concurrent) == ("docker", "docker", 3)
    assert compute.settings == {"host": "tcp://h:1"}
    data, warnings = load_workspace(None, fields={"name": "team"}, overrides=["tags.a=1"])
    assert data == {"name": "team", "tags": {"a": "1"}}
    assert warnings == []
    with pytest.raises(InvalidSpecError) as caught:
        load_compute(None, fields={"name": "box"})
    assert [problem.location for problem in caught.value.problems] == ["the command line"]
