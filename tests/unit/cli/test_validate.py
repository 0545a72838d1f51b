"""mlctl validate: its formats, exit codes, and what goes to which stream."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.unit.cli.calls import Call

GOOD = "command: go\nenvironment: azureml:e:1\n"
BAD = "comand: go\nenvironment: azureml:e\ncompute: gpu\n"
WARNS = GOOD + "outputs: {o: {version: '1'}}\n"
UNFINISHED = "name: blue\ninstance_type: s\ninstance_count: 1\n"
CONDA = "dependencies: [python]\n"


@pytest.fixture
def files(call: Call) -> Path:
    """One file of each sort; `call` has gone into their folder."""
    texts = {"good": GOOD, "bad": BAD, "warns": WARNS, "unfinished": UNFINISHED, "conda": CONDA}
    for name, text in texts.items():
        Path(f"{name}.yml").write_text(text, encoding="utf-8")
    return Path.cwd()


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_problems_are_the_output_and_the_rest_is_talk(call: Call, files: Path) -> None:
    answer = call("validate", ".")
    assert answer.code == 5
    assert answer.out.startswith(
        "bad.yml:1:1: error[MLC1101 unknown_key]: unknown key 'comand'\n  1 | comand: go\n    | ^\n"
    )
    assert "unfinished.yml:1:1: incomplete[" in answer.out
    assert "warns.yml:3:24: warning[" in answer.out
    assert answer.err == (
        "conda.yml: skipped, a conda file\n4 files checked, 1 wrong, 1 incomplete, 1 skipped (no Azure ML specs)\n"
    )


def test_a_problem_in_a_shared_file_is_told_once(call: Call, files: Path) -> None:
    Path("part.yml").write_text("name: part\ncommand: go ${{inputs.n}}\nenvironment: azureml:e:1\n", encoding="utf-8")
    for name in ("one", "two"):
        text = "type: pipeline\ncompute: c\njobs: {a: {component: part.yml}}\n"
        Path(f"{name}.yml").write_text(text, encoding="utf-8")
    answer = call("validate", "one.yml", "two.yml", "part.yml")
    assert answer.out.count("error[") == 1
    assert answer.err == "3 files checked, 3 wrong\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("good.yml",), 0),
        (("bad.yml",), 5),
        (("conda.yml",), 0),
        (("warns.yml",), 0),
        (("warns.yml", "--warnings-as-errors"), 5),
        (("unfinished.yml",), 0),
        (("unfinished.yml", "--strict"), 5),
        (("good.yml", "--kind", "sweepJob"), 0),
        (("conda.yml", "--kind", "job"), 5),
        (("nowhere.yml",), 3),
        (("*.json",), 3),
        (("",), 3),
        ((), 2),
        (("good.yml", "--kind", "nonsense"), 2),
        (("good.yml", "-o", "nonsense"), 2),
        (("good.yml", "-j", "0"), 2),
        (("-", "--watch"), 2),
        (("good.yml", "--watch", "--fix"), 2),
    ],
)
def test_exit_codes(call: Call, files: Path, words: tuple[str, ...], code: int) -> None:
    assert call("validate", *words).code == code


@pytest.mark.parametrize("style", ["text", "json", "table", "sarif", "junit", "github", "tsv", "yaml", "none"])
def test_each_format_has_the_same_exit_code(call: Call, files: Path, style: str) -> None:
    assert call("validate", "bad.yml", "-o", style).code == 5
    assert call("validate", "good.yml", "-o", style).code == 0


def test_json(call: Call, files: Path) -> None:
    found = call("validate", ".", "-o", "json").json
    assert found["result"] == "Failed"
    assert [file["file"] for file in found["files"]] == [
        "bad.yml",
        "conda.yml",
        "good.yml",
        "unfinished.yml",
        "warns.yml",
    ]
    assert found["files"][1]["reason"] == "a conda file"
    first = found["files"][0]["errors"][0]
    assert (first["code"], first["line"], first["column"], first["excerpt"]) == ("MLC1101", 1, 1, "comand: go")


def test_query(call: Call, files: Path) -> None:
    assert call("validate", ".", "--query", "summary.failed").json == 1
    names = call("validate", ".", "--query", "files[?result=='Failed'].file", "-o", "tsv")
    assert (names.out, names.code) == ("bad.yml\n", 5)


def test_table_has_a_row_for_each_problem(call: Call, files: Path) -> None:
    out = call("validate", "bad.yml", "-o", "table").out
    assert len([line for line in out.splitlines() if "bad.yml" in line]) == 2


def test_sarif(call: Call, files: Path) -> None:
    run = call("validate", ".", "-o", "sarif").json["runs"][0]
    first = run["results"][0]
    place = first["locations"][0]["physicalLocation"]
    assert (first["ruleId"], first["level"]) == ("MLC1101", "error")
    assert place["artifactLocation"]["uri"] == "bad.yml"
    assert place["region"]["startLine"] == 1
    assert {result["ruleId"] for result in run["results"]} <= {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_junit(call: Call, files: Path) -> None:
    root = ElementTree.fromstring(call("validate", ".", "-o", "junit").out)
    suite = root if root.tag == "testsuite" else root[0]
    assert suite.get("failures") == "1"
    assert len(suite.findall("testcase")) == int(suite.get("tests", "0"))
    assert suite.find("testcase/failure") is not None


def test_github(call: Call, files: Path) -> None:
    lines = call("validate", ".", "-o", "github").out.splitlines()
    assert lines[0].startswith("::error file=bad.yml,line=1,col=1,title=MLC1101 unknown_key::unknown key 'comand'")
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::notice", "::notice", "::warning"]


def test_standard_input(call: Call, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(monkeypatch, BAD)
    answer = call("validate", "-")
    assert answer.code == 5
    assert answer.out.startswith("<stdin>:1:1: error[")


def test_paths_and_secrets(call: Call, files: Path) -> None:
    Path("a.yml").write_text(GOOD + "code: ./gone\n", encoding="utf-8")
    assert call("validate", "a.yml").code == 5
    assert call("validate", "a.yml", "--no-paths").code == 0
    Path("a.yml").write_text(GOOD + "environment_variables: {API_KEY: hQ9vX2mLr8Zt4Kd7}\n", encoding="utf-8")
    assert call("validate", "a.yml").code == 0
    told = call("validate", "a.yml", "--no-secrets")
    assert (told.code, "plain_secret" in told.out) == (5, True)


def test_quiet(call: Call, files: Path) -> None:
    answer = call("validate", ".", "--only-show-errors")
    assert answer.err == ""
    assert answer.out.startswith("bad.yml:")


def test_an_empty_folder(call: Call) -> None:
    Path("empty").mkdir()
    answer = call("validate", "empty")
    assert (answer.code, answer.out, answer.err) == (0, "", "no YAML files there\n")


def test_two_processes(call: Call, files: Path) -> None:
    for number in range(130):
        Path(f"job{number:03}.yml").write_text(GOOD if number % 2 else BAD, encoding="utf-8")
    alone, shared = (call("validate", ".", "-o", "json", "-j", jobs) for jobs in "12")
    assert alone == shared
    assert json.loads(alone.out)["summary"]["failed"] == 66
