"""`mlctl <group> validate`: az's result object, for every group that has one."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from tests.unit.cli.calls import Call

JOB = "command: go ${{inputs.n}}\nenvironment: azureml:e:1\ninputs: {n: 1}\n"
COMPONENT = "name: part\ncommand: go ${{inputs.n}}\nenvironment: azureml:e:1\ninputs: {n: {type: integer}}\n"


def write(text: str, name: str = "a.yml") -> None:
    Path(name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("group", "text"),
    [
        ("job", JOB),
        ("component", COMPONENT),
        ("environment", "name: e\nimage: python\n"),
        ("model", "name: m\npath: azureml://jobs/j/outputs/o\n"),
        ("data", "name: d\npath: https://example.com/a.csv\ntype: uri_file\n"),
        ("datastore", "name: d\ntype: azure_blob\naccount_name: a\ncontainer_name: c\n"),
        ("compute", "name: box\ntype: amlcompute\n"),
        ("online-endpoint", "name: end\nauth_mode: key\n"),
        ("batch-endpoint", "name: end\n"),
    ],
)
def test_a_right_file(call: Call, group: str, text: str) -> None:
    write(text)
    answer = call(group, "validate", "--file", "a.yml", "--strict")
    assert answer.code == 0, answer.out
    assert answer.json == {"result": "Succeeded", "errors": [], "warnings": []}
    write(text + "name: [1]\n" if "name" not in text else text.replace("name: ", "nane: ", 1))
    wrong = call(group, "validate", "-f", "a.yml")
    assert (wrong.code, wrong.json["result"]) == (0, "Failed")
    assert call(group, "validate", "-f", "a.yml", "--strict").code == 5


def test_a_component_is_no_job(call: Call) -> None:
    write(COMPONENT)
    assert call("component", "validate", "-f", "a.yml").json["result"] == "Succeeded"
    assert call("job", "validate", "-f", "a.yml").json["result"] == "Failed"


def test_errors_have_the_fields_of_az(call: Call) -> None:
    write(COMPONENT.replace("inputs.n}", "inputs.m}"))
    (error,) = call("component", "validate", "-f", "a.yml").json["errors"]
    assert {key: error[key] for key in ("path", "value", "location", "line", "code")} == {
        "path": "command",
        "value": "${{inputs.m}}",
        "location": "a.yml#line 2",
        "line": 2,
        "code": "MLC1401",
    }


def test_a_pipeline_job(call: Call) -> None:
    write(COMPONENT, "part.yml")
    write("type: pipeline\ncompute: c\njobs: {a: {component: part.yml, inputs: {n: x}}}\n")
    (error,) = call("job", "validate", "-f", "a.yml").json["errors"]
    assert error["rule"] == "type_mismatch"
    assert call("job", "validate", "-f", "a.yml", "--set", "jobs.a.inputs.n=3").json["result"] == "Succeeded"


def test_values_of_options_are_put_on_the_file(call: Call) -> None:
    write(JOB)
    assert call("job", "validate", "-f", "a.yml", "--set", "inputs.n=2", "display_name=x").json["result"] == "Succeeded"
    (error,) = call("job", "validate", "-f", "a.yml", "--set", "command=go ${{inputs.m}}").json["errors"]
    assert (error["location"], error["line"]) == ("--set command=go ${{inputs.m}}", None)
    (error,) = call("job", "validate", "-f", "a.yml", "--set", "bogus=1").json["errors"]
    assert (error["rule"], error["location"]) == ("unknown_key", "--set bogus=1")
    # a value can make up for what the file lacks
    write(JOB.replace("environment: azureml:e:1\n", ""))
    assert call("job", "validate", "-f", "a.yml", "--set", "environment=azureml:e:2").json["result"] == "Succeeded"


def test_strict_decides_the_exit_code_only(call: Call) -> None:
    write(JOB.replace("inputs.n}", "inputs.m}"))
    lenient, strict = (call("job", "validate", "-f", "a.yml", *words) for words in ((), ("--strict",)))
    assert (lenient.code, strict.code) == (0, 5)
    assert lenient.json == strict.json


def test_query_and_files_that_are_not_there(call: Call) -> None:
    write(JOB)
    assert call("job", "validate", "-f", "a.yml", "--query", "result", "-o", "tsv").out == "Succeeded\n"
    assert call("component", "validate", "-f", "gone.yml").code == 3
    assert call("component", "validate").code == 2


def test_a_file_that_is_no_yaml_is_a_failed_one(call: Call) -> None:
    write("a: [\n")
    found = call("component", "validate", "-f", "a.yml").json
    assert (found["result"], found["errors"][0]["rule"]) == ("Failed", "yaml")


def test_standard_input(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def given(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    given(JOB)
    assert call("job", "validate", "-f", "-", "--strict").json["result"] == "Succeeded"
    given(COMPONENT.replace("command", "comand"))
    (error,) = call("component", "validate", "--file", "-").json["errors"]
    assert error["location"] == "<stdin>#line 2"
    given(JOB)
    assert call("job", "validate", "-f", "-", "--set", "bogus=1").json["result"] == "Failed"
    monkeypatch.setattr(sys, "stdin", None)
    assert call("job", "validate", "-f", "-").json["result"] == "Failed"
