"""SARIF, JUnit and GitHub's workflow commands: the shape that readers expect, whatever the messages hold."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from mlctl.output.reports import render_report

HOSTILE = "50% of 'a', \"b\" <c> & ]]> ::error::no\r\nsecond: 😀 \x1b[31m\x00\x85\u2028\udcff end [see](http://x.y)"
FOLDER = "/home/me/project"
RULES = {
    "MLC1101": {
        "name": "unknown_key",
        "title": "There is no such key here",
        "text": "The key is misspelled.",
        "help": "https://learn.microsoft.com/azure/machine-learning/reference-yaml-overview",
    }
}


def problem(**more: Any) -> dict[str, Any]:
    return {
        "code": "MLC1101",
        "rule": "unknown_key",
        "message": "unknown key 'imag' in 'environment'",
        "path": "environment.imag",
        "value": "python",
        "expected": None,
        "hint": "did you mean 'image'?",
        "file": "jobs/job.yml",
        "line": 5,
        "column": 3,
        "severity": "error",
        "excerpt": "  imag: python",
        "help": "https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command",
        **more,
    }


def checked(file: str, result: str, **more: Any) -> dict[str, Any]:
    return {
        "file": file, "kind": "commandJob", "result": result, "reason": "", "errors": [], "warnings": [], "notes": [],
        **more,
    }  # fmt: skip


def report(*files: dict[str, Any]) -> dict[str, Any]:
    counts = {name: sum(found["result"] == name.title() for found in files) for name in ("failed", "skipped")}
    return {
        "result": "Failed" if counts["failed"] else "Succeeded",
        "files": list(files),
        "summary": {"checked": len(files), **counts},
    }


MIXED = report(
    checked("jobs/ok.yml", "Succeeded"),
    checked(
        "jobs/job.yml",
        "Failed",
        errors=[
            problem(),
            problem(code="MLC1301", rule="missing_path", message="no file", file="jobs/env.yml", line=1, column=1),
        ],
        warnings=[problem(code="MLC1006", rule="duplicate_key", severity="warning", line=7, column=1)],
    ),
    checked("blue.yml", "Incomplete", notes=[problem(code="MLC1109", rule="left_to_option", file="blue.yml")]),
    checked("conda.yml", "Skipped", kind=None, reason="a conda file"),
)

# the parts of the official schema that are written, with the rules that its prose adds for readers
SARIF = {
    "type": "object",
    "required": ["version", "$schema", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "message": {
            "type": "object",
            "required": ["text"],
            "additionalProperties": False,
            "properties": {"text": {"type": "string", "minLength": 1}},
        },
        "level": {"enum": ["none", "note", "warning", "error"]},
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "additionalProperties": False,
                    "properties": {"driver": {"$ref": "#/$defs/driver"}},
                },
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "invocations": {
                    "type": "array",
                    "items": {"type": "object", "required": ["executionSuccessful"]},
                },
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "driver": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string"},
                "version": {"type": "string"},
                "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/reportingDescriptor"}},
            },
        },
        "reportingDescriptor": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "name": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "fullDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
                "helpUri": {"type": "string", "format": "uri"},
                "defaultConfiguration": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"level": {"$ref": "#/$defs/level"}},
                },
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "ruleIndex", "level", "partialFingerprints"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/message"},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "properties": {"type": "object"},
            },
        },
        "location": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "required": ["artifactLocation"],
                    "additionalProperties": False,
                    "properties": {
                        "artifactLocation": {
                            "type": "object",
                            "required": ["uri"],
                            "additionalProperties": False,
                            "properties": {"uri": {"type": "string", "format": "uri-reference", "minLength": 1}},
                        },
                        "region": {
                            "type": "object",
                            "required": ["startLine"],
                            "additionalProperties": False,
                            "properties": {
                                "startLine": {"type": "integer", "minimum": 1},
                                "startColumn": {"type": "integer", "minimum": 1},
                                "snippet": {"$ref": "#/$defs/message"},
                            },
                        },
                    },
                }
            },
        },
    },
}
VALIDATOR = jsonschema_rs.Draft202012Validator(SARIF, validate_formats=True)


def sarif(*files: dict[str, Any]) -> dict[str, Any]:
    log = json.loads(render_report(report(*files), "sarif", RULES, folder=FOLDER))
    VALIDATOR.validate(log)
    run: dict[str, Any] = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return run


def test_sarif_has_a_result_per_problem() -> None:
    run = sarif(*MIXED["files"])
    told = [(result["ruleId"], result["level"]) for result in run["results"]]
    assert told == [("MLC1101", "error"), ("MLC1301", "error"), ("MLC1006", "warning"), ("MLC1109", "note")]
    first = run["results"][0]
    assert first["message"]["text"] == "unknown key 'imag' in 'environment'\nhint: did you mean 'image'?"
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "jobs/job.yml"},
                "region": {"startLine": 5, "startColumn": 3, "snippet": {"text": "  imag: python"}},
            }
        }
    ]
    assert run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "jobs/env.yml"


def test_sarif_describes_the_rules_that_were_broken() -> None:
    rules = {rule["id"]: rule for rule in sarif(*MIXED["files"])["tool"]["driver"]["rules"]}
    assert list(rules) == sorted(rules)
    assert rules["MLC1101"]["name"] == "unknown_key"
    assert rules["MLC1101"]["shortDescription"] == {"text": "There is no such key here"}
    assert rules["MLC1101"]["helpUri"].startswith("https://")
    assert rules["MLC1006"] == {
        "id": "MLC1006", "name": "duplicate_key", "defaultConfiguration": {"level": "warning"}
    }  # fmt: skip


def test_a_rule_has_the_worst_level_it_was_told_at() -> None:
    both = {"errors": [problem(line=1)], "warnings": [problem(line=2)]}
    (rule,) = sarif(checked("a.yml", "Failed", **both))["tool"]["driver"]["rules"]
    assert rule["defaultConfiguration"] == {"level": "error"}


def test_no_files_are_a_valid_log() -> None:
    assert sarif()["results"] == []


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("jobs/a b#1%.yml", "jobs/a%20b%231%25.yml"),
        ("./job.yml", "job.yml"),
        (f"{FOLDER}/jobs/ä.yml", "jobs/%C3%A4.yml"),
        ("/etc/x.yml", "file:///etc/x.yml"),
        ("../x.yml", "../x.yml"),
        ("a:b.yml", "a%3Ab.yml"),
        ("b\udce4d.yml", "b%E4d.yml"),
    ],
)
def test_sarif_names_files_by_encoded_relative_addresses(file: str, uri: str) -> None:
    (result,) = sarif(checked(file, "Failed", errors=[problem(file=file)]))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_a_problem_without_a_line_has_no_region() -> None:
    (result,) = sarif(checked("a.yml", "Failed", errors=[problem(line=0, column=0, excerpt=None)]))["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]
    (result,) = sarif(checked("a.yml", "Failed", errors=[problem(file="", line=0)]))["results"]
    assert "locations" not in result


def test_fingerprints_outlive_other_lines_and_differ_between_problems() -> None:
    def fingerprints(*problems: dict[str, Any]) -> list[str]:
        results = sarif(checked("a.yml", "Failed", errors=list(problems)))["results"]
        return [result["partialFingerprints"]["problem/v1"] for result in results]

    assert fingerprints(problem(line=5)) == fingerprints(problem(line=50))
    told = fingerprints(problem(line=5), problem(line=6), problem(code="MLC1107"), problem(file="b.yml"))
    assert len(set(told)) == 4


@pytest.mark.parametrize("output_format", ["sarif", "github"])
def test_a_problem_of_a_shared_file_is_told_once(output_format: str) -> None:
    shared = problem(file="shared/component.yml")
    files = [checked(name, "Failed", errors=[shared]) for name in ("a.yml", "b.yml", "shared/component.yml")]
    assert render_report(report(*files), output_format).count("shared/component.yml") == 1


def test_hostile_text_leaves_sarif_valid() -> None:
    hostile = problem(message=HOSTILE, hint=HOSTILE, excerpt=HOSTILE, path=HOSTILE, file="a\nb.yml")
    (result,) = sarif(checked("a.yml", "Failed", errors=[hostile]))["results"]
    assert "\\x1b[31m\\x00\\x85\\u2028\\udcff end" in result["message"]["text"]
    assert "\\[see](http://x.y)" in result["message"]["text"], "no links from somebody's YAML"


def suite(*files: dict[str, Any]) -> ElementTree.Element:
    text = render_report(report(*files), "junit", RULES, folder=FOLDER)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    assert text.isascii()
    root = ElementTree.fromstring(text)
    (found,) = root
    assert root.tag == "testsuites"
    assert found.tag == "testsuite"
    return found


def test_junit_has_a_case_per_file() -> None:
    found = suite(*MIXED["files"])
    counts = {name: found.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "1", "errors": "0", "skipped": "1"}
    cases = {case.get("name"): case for case in found}
    assert [[part.tag for part in case] for case in cases.values()] == [
        [], ["failure", "system-out"], ["system-out"], ["skipped"]
    ]  # fmt: skip
    assert cases["jobs/job.yml"].get("classname") == "mlctl.commandJob"
    skipped = cases["conda.yml"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "a conda file"


def test_a_junit_failure_lists_every_error_of_the_file() -> None:
    failure = suite(*MIXED["files"]).find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "unknown key 'imag' in 'environment' (and 1 more)"
    assert failure.get("type") == "MLC1101 unknown_key"
    assert (failure.text or "").splitlines() == [
        "jobs/job.yml:5:3: error[MLC1101 unknown_key]: unknown key 'imag' in 'environment'",
        "hint: did you mean 'image'?",
        "jobs/env.yml:1:1: error[MLC1301 missing_path]: no file",
        "hint: did you mean 'image'?",
    ]


def test_a_junit_case_that_failed_for_being_strict_lists_the_rest() -> None:
    strict = suite(checked("blue.yml", "Failed", notes=[problem(code="MLC1109", rule="left_to_option")]))
    failure = strict.find("testcase/failure")
    assert failure is not None
    assert "note[MLC1109 left_to_option]" in (failure.text or "")
    assert strict.find("testcase/system-out") is None
    bare = suite(checked("x.yml", "Failed", reason="may not be read")).find("testcase/failure")
    assert bare is not None
    assert bare.get("message") == "may not be read"


def test_hostile_text_comes_through_junit() -> None:
    name = "a\x07 <b>&\"'.yml"
    found = suite(
        checked(name, "Failed", errors=[problem(message=HOSTILE)], warnings=[problem(message=HOSTILE)]),
        checked("c.yml", "Skipped", reason=HOSTILE),
    )
    assert found[0].get("name") == "a\\x07 <b>&\"'.yml"
    for text in (found[0][0].text, found[0][0].get("message"), found[0][1].text, found[1][0].get("message")):
        assert "50% of 'a', \"b\" <c> & ]]> ::error::no" in (text or "")
        assert "😀 \\x1b[31m\\x00\\x85\\u2028\\udcff end" in (text or "")


COMMAND = re.compile(r"::(error|warning|notice) ((?:[a-z]+=[^,:\r\n]*)(?:,[a-z]+=[^,:\r\n]*)*)::([^\r\n]*)")


def commands(*files: dict[str, Any]) -> list[tuple[str, dict[str, str], str]]:
    """Level, properties and message of each line, as the runner reads them."""
    found = []
    for line in render_report(report(*files), "github", RULES, folder=FOLDER).removesuffix("\n").split("\n"):
        match = COMMAND.fullmatch(line)
        assert match, line
        properties = dict(pair.split("=", 1) for pair in match[2].split(","))
        found.append((match[1], {name: unquote(value) for name, value in properties.items()}, unquote(match[3])))
    return found


def test_github_has_a_command_per_problem() -> None:
    found = commands(*MIXED["files"])
    assert [level for level, _, _ in found] == ["error", "error", "warning", "notice"]
    _, properties, message = found[0]
    assert properties == {"file": "jobs/job.yml", "line": "5", "col": "3", "title": "MLC1101 unknown_key"}
    assert message == "unknown key 'imag' in 'environment'\nhint: did you mean 'image'?"


def test_github_has_nothing_to_say_about_good_files() -> None:
    assert render_report(report(checked("a.yml", "Succeeded")), "github") == ""


def test_github_leaves_out_what_is_not_known() -> None:
    ((_, properties, _),) = commands(checked("a.yml", "Failed", errors=[problem(line=0, column=0)]))
    assert properties == {"file": "jobs/job.yml", "title": "MLC1101 unknown_key"}
    ((_, properties, _),) = commands(checked("a.yml", "Failed", errors=[problem(file="")]))
    assert properties == {"title": "MLC1101 unknown_key"}


def test_hostile_text_stays_one_github_command() -> None:
    hostile = problem(message=HOSTILE, file="a,b:c%0A.yml", rule="x,y::z")
    ((_, properties, message),) = commands(checked("a.yml", "Failed", errors=[hostile]))
    assert properties["file"] == "a,b:c%0A.yml"
    assert properties["title"] == "MLC1101 x,y::z"
    assert message.startswith("50% of 'a', \"b\" <c> & ]]> ::error::no\r\nsecond: 😀 \\x1b")
