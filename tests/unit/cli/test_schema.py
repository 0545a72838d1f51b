"""`mlctl schema`: schemas by name, alias and group, and as files that any validator of the standard takes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.unit.cli.calls import Call

from mlctl.cli.schema import complete_kinds
from mlctl.operations.schemas import exported
from mlctl.spec.check import CheckOptions, check_document
from mlctl.spec.detection import detect
from mlctl.spec.kinds import KINDS
from mlctl.spec.reader import read_file, read_text

DRAFT = "https://json-schema.org/draft/2020-12/schema"
VALID = sorted((Path(__file__).parents[2] / "specs" / "valid").rglob("*.yml"))


def problems_of(kind: str, text: str) -> tuple[list[str], list[str]]:
    """What mlctl says (code and severity) and what a plain validator says about a document."""
    document = read_text(text, source="spec.yml")
    found = check_document(document, KINDS[kind], CheckOptions(paths=False)).problems
    plain = jsonschema_rs.Draft202012Validator(exported(KINDS[kind])).iter_errors(document.data)
    return [f"{problem.code} {problem.severity}" for problem in found], [error.message for error in plain]


def test_list_names_every_kind_with_its_group(call: Call) -> None:
    rows = call("schema", "list").json
    assert [row["name"] for row in rows] == list(KINDS)
    assert rows[0] == {
        "name": "commandJob",
        "title": "command job",
        "group": "job",
        "page": "https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command",
    }


@pytest.mark.parametrize("name", ["commandJob", "commandjob", "command-job", "job", "commandJob.schema.json"])
def test_show_takes_names_in_any_spelling_and_groups(call: Call, name: str) -> None:
    schema = call("schema", "show", name).json
    assert schema["$schema"] == DRAFT
    assert schema["title"] == "Command job"
    assert "command" in schema["properties"]


def test_show_keeps_the_order_of_the_keys(call: Call) -> None:
    lines = call("schema", "show", "commandJob").out.splitlines()
    assert lines[1].startswith('  "$schema"')
    assert list(call("schema", "show", "commandJob", "--query", "{title: title}").json) == ["title"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("comandJob", "did you mean 'commandJob'?"),
        ("onlin-endpoint", "did you mean 'online-endpoint'?"),
        ("zzz", "'mlctl schema list' shows all"),
    ],
)
def test_a_wrong_kind_is_not_found(call: Call, name: str, hint: str) -> None:
    answer = call("schema", "show", name)
    assert answer.code == 3
    assert hint in answer.err


def test_export_writes_a_file_for_each_kind(call: Call) -> None:
    answer = call("schema", "export", "a/schemas")
    assert answer.json == [{"kind": name, "path": f"a/schemas/{name}.schema.json"} for name in KINDS]
    assert sorted(os.listdir("a/schemas")) == sorted(f"{name}.schema.json" for name in KINDS)
    text = Path("a/schemas/commandJob.schema.json").read_text(encoding="utf-8")
    assert text == call("schema", "show", "commandJob").out


def test_export_writes_the_named_kinds_over_what_is_there(call: Call) -> None:
    Path("s").mkdir()
    Path("s/model.schema.json").write_text("old")
    answer = call("schema", "export", "s", "model", "command-job")
    assert [row["kind"] for row in answer.json] == ["model", "commandJob"]
    assert sorted(os.listdir("s")) == ["commandJob.schema.json", "model.schema.json"]
    assert json.loads(Path("s/model.schema.json").read_text(encoding="utf-8"))["title"]


def test_export_of_a_group_writes_all_its_kinds(call: Call) -> None:
    answer = call("schema", "export", "s", "job", "registry")
    kinds = [row["kind"] for row in answer.json]
    assert {"commandJob", "sweepJob", "pipelineJob", "registry"} < set(kinds)


def test_export_of_an_unknown_kind_writes_nothing(call: Call) -> None:
    answer = call("schema", "export", "s", "model", "modle")
    assert answer.code == 3
    assert not Path("s").exists()


def test_export_into_a_file_is_refused(call: Call) -> None:
    Path("s").write_text("")
    answer = call("schema", "export", "s", "model")
    assert answer.code == 2
    assert "'s' is not a folder" in answer.err


def test_export_leaves_the_old_file_when_it_cannot_write(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("s").mkdir()
    Path("s/model.schema.json").write_text("old")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "s/model.schema.json")

    monkeypatch.setattr(Path, "replace", refuse)
    answer = call("schema", "export", "s", "model")
    assert answer.code == 4
    assert os.listdir("s") == ["model.schema.json"]
    assert Path("s/model.schema.json").read_text() == "old"


@pytest.mark.parametrize("name", KINDS)
def test_an_exported_schema_is_complete_and_in_the_words_of_the_standard(name: str) -> None:
    schema = exported(KINDS[name])
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == DRAFT
    assert schema["title"]
    assert "$id" not in schema
    references = [value for key, value in _walk(schema) if key == "$ref"]
    assert all(value.removeprefix("#/$defs/") in schema["$defs"] for value in references)
    assert not [key for key, _ in _walk(schema) if key.startswith("x-")]


def _walk(part: Any) -> list[tuple[str, Any]]:
    if isinstance(part, dict):
        return [*part.items(), *(found for value in part.values() for found in _walk(value))]
    return [found for value in part for found in _walk(value)] if isinstance(part, list) else []


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.name)
def test_a_plain_validator_takes_what_mlctl_takes(path: Path) -> None:
    """But for capitals and numbers in quotes, which mlctl puts right before it looks."""
    document = read_file(path)
    kind = detect(document.data).kind or KINDS[path.parent.name]
    found = check_document(document, kind, CheckOptions(paths=False))
    jsonschema_rs.Draft202012Validator(exported(kind)).validate(found.data)


def test_a_plain_validator_lets_pass_what_is_only_warned_of() -> None:
    text = "type: pipeline\nsettings: {default_datestore: azureml:raw, default_compute: azureml:cpu}\njobs: {}\n"
    ours, plain = problems_of("pipelineJob", text)
    assert "unknown_key warning" in ours
    assert plain == []


def test_a_plain_validator_does_not_ask_for_what_an_option_gives() -> None:
    ours, plain = problems_of("managedOnlineDeployment", "instance_type: small\n")
    assert "left_to_option incomplete" in ours
    assert plain == []


def test_a_plain_validator_takes_read_only_keys_as_they_are_printed() -> None:
    text = (
        "command: echo\nenvironment: azureml:e:1\ncompute: azureml:c\ncreation_context: {created_at: '2024'}\nid: 7\n"
    )
    ours, plain = problems_of("commandJob", text)
    assert ours == []
    assert plain == []


def test_a_plain_validator_refuses_what_is_wrong() -> None:
    ours, plain = problems_of("commandJob", "command: echo\nenvironment: azureml:e:1\ncomputer: x\n")
    assert ours == ["unknown_key error"]
    assert len(plain) == 1


def test_kinds_are_completed() -> None:
    assert complete_kinds(None, "commandc") == ["commandComponent"]  # type: ignore[arg-type]
