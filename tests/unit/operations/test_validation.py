"""Many files are checked: what they share is read once, and each gets its own report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlctl.errors import NotFoundError
from mlctl.operations import validation
from mlctl.operations.spec_files import SpecFile, find_spec_files, spec_file
from mlctl.operations.validation import (
    FAILED,
    SKIPPED,
    SUCCEEDED,
    UNFINISHED,
    Checker,
    Demands,
    FileReport,
    check_files,
    check_one,
    report_of,
)
from mlctl.spec import library
from mlctl.spec import reader as reader_module
from mlctl.spec.check import CheckOptions
from mlctl.spec.kinds import KINDS
from mlctl.spec.problems import validation_result

JOB = "command: go\nenvironment: azureml:e:1\n"
COMPONENT = "name: part\ncommand: go ${{inputs.n}}\nenvironment: azureml:e:1\ninputs:\n  n: {type: integer}\n"
DEPLOYMENT = "name: blue\ninstance_type: s\ninstance_count: 1\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is where the test is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pipeline(*numbers: object) -> str:
    steps = "".join(
        f"  s{at}:\n    component: part.yml\n    inputs: {{n: {number}}}\n" for at, number in enumerate(numbers)
    )
    return f"type: pipeline\ncompute: azureml:cpu\njobs:\n{steps}"


def check(*paths: str, **demands: Any) -> list[FileReport]:
    return list(check_files(find_spec_files(paths or ["."]), Demands(**demands)))


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.yml").write_text(text, encoding="utf-8")


def test_each_file_gets_its_own_report() -> None:
    write(a=JOB, b=JOB.replace("command", "comand"), c="dependencies: [python]\n", d=DEPLOYMENT)
    found = check()
    assert [(report.file, report.kind, report.result) for report in found] == [
        ("a.yml", "commandJob", SUCCEEDED),
        ("b.yml", "commandJob", FAILED),
        ("c.yml", None, SKIPPED),
        ("d.yml", "managedOnlineDeployment", UNFINISHED),
    ]
    assert found[2].reason == "a conda file"


def test_a_file_that_several_name_is_read_and_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write(part=COMPONENT, one=pipeline(1, 2, 3), two=pipeline(4, "x"))
    read: list[str] = []
    reader = reader_module.read_file

    def counting(path: str, **more: Any) -> Any:
        read.append(Path(path).name)
        return reader(path, **more)

    monkeypatch.setattr(library, "read_file", counting)
    found = check()
    assert sorted(read) == ["one.yml", "part.yml", "two.yml"]
    assert [report.result for report in found] == [SUCCEEDED, SUCCEEDED, FAILED]


def test_what_is_wrong_in_a_shared_file_is_told_for_all_who_name_it() -> None:
    write(part=COMPONENT.replace("inputs.n", "inputs.m"), one=pipeline(1), two=pipeline(2))
    found = {report.file: [problem.source for problem in report.problems] for report in check()}
    assert found == {"one.yml": ["part.yml"], "part.yml": ["part.yml"], "two.yml": ["part.yml"]}


def test_one_file_has_one_name() -> None:
    write(part=COMPONENT.replace("inputs.n", "inputs.m"), one=pipeline(1))
    for names in (("one.yml", "./part.yml"), ("./part.yml", "one.yml"), ("one.yml", str(Path("part.yml").absolute()))):
        names_told = {
            name for report in check(*names) for name in (report.file, *(one.source for one in report.problems))
        }
        assert len(names_told) == 2, names_told


def test_a_component_may_be_anonymous_in_a_pipeline_but_not_by_itself() -> None:
    write(part=COMPONENT.replace("name: part", "name: Part"), one=pipeline(1))
    assert [report.result for report in check(kind=None)] == [SUCCEEDED, FAILED]
    assert [report.result for report in check("part.yml", "one.yml")] == [FAILED, SUCCEEDED]


def test_a_circle_of_files_is_told_from_wherever_one_comes() -> None:
    for here, there in (("a", "b"), ("b", "a")):
        step = f"jobs:\n  s:\n    type: pipeline\n    component: {there}.yml\n"
        write(**{here: f"name: {here}\ntype: pipeline\ninputs:\n  x: {{type: number, optional: true}}\n{step}"})
    alone = {report.file: report.problems for name in ("a.yml", "b.yml") for report in check(name)}
    together = {report.file: report.problems for report in check("b.yml", "a.yml")}
    assert together == alone
    assert [problem.code for problems in alone.values() for problem in problems] == ["file_cycle", "file_cycle"]


def test_more_processes_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "PIECE", 3)
    write(part=COMPONENT, bad=JOB + "x: 1\n", conda="dependencies: [a]\n", open="a: [\n")
    write(**{f"p{number}": pipeline(number, "x" if number % 3 else 1) for number in range(12)})
    files = find_spec_files(["."])
    alone = list(check_files(files, Demands()))
    assert list(check_files(files, Demands(), jobs=2)) == alone
    assert [report.file for report in alone] == [file.source for file in files]
    assert {report.result for report in alone} == {SUCCEEDED, FAILED, SKIPPED}


def test_strict_and_warnings_as_errors() -> None:
    write(d=DEPLOYMENT, w=JOB + "outputs: {o: {version: '1'}}\n")
    assert [report.result for report in check()] == [UNFINISHED, SUCCEEDED]
    assert [report.result for report in check(strict=True)] == [FAILED, SUCCEEDED]
    found = check(warnings_are_errors=True)
    assert [report.result for report in found] == [UNFINISHED, FAILED]
    assert [problem.severity for problem in found[1].problems] == ["error"]


def test_without_paths() -> None:
    write(a=JOB + "code: ./nowhere\n")
    assert [report.result for report in check()] == [FAILED]
    assert [report.result for report in check(options=CheckOptions(paths=False))] == [SUCCEEDED]


def test_a_forced_kind_is_refined_and_skips_nothing() -> None:
    write(a="name: x\n", b="type: sweep\n", c="dependencies: [a]\n")
    assert [report.kind for report in check(kind=KINDS["commandJob"])] == ["commandJob", "sweepJob", "commandJob"]
    assert all(report.result == FAILED for report in check(kind=KINDS["commandJob"]))


def test_files_that_are_no_yaml() -> None:
    write(
        chart="apiVersion: v1\nkind: {{ .Values.kind }}\n",
        other="a: [\n",
        meant="command: [a\nenvironment: azureml:e:1\n",
    )
    found = {report.file: report for report in check()}
    assert {name: report.result for name, report in found.items()} == {
        "chart.yml": SKIPPED,
        "meant.yml": FAILED,
        "other.yml": SKIPPED,
    }
    assert found["chart.yml"].reason == "a Kubernetes manifest"
    assert "cannot be read as YAML" in found["other.yml"].reason
    # a file that was named is never left out for that
    assert [report.result for report in check("other.yml")] == [FAILED]


def test_a_file_that_cannot_be_read_is_a_failed_one() -> None:
    Path("gone.yml").symlink_to("nowhere")
    Path("self.yml").symlink_to("self.yml")
    found = check("gone.yml", "self.yml")
    assert [(report.result, report.problems[0].code) for report in found] == [(FAILED, "unreadable")] * 2


def test_standard_input_starts_its_paths_here() -> None:
    write(part=COMPONENT)
    files = find_spec_files(["-"], stdin=pipeline("x").encode())
    (report,) = check_files(files, Demands())
    assert [(problem.source, problem.line) for problem in report.problems] == [("<stdin>", 6)]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "MOST_KEPT", 5)
    write(**{f"j{number:02}": JOB for number in range(30)})
    checker = Checker(Demands())
    for file in find_spec_files(["."]):
        assert checker.check(file).result == SUCCEEDED
        assert len(checker.nested) <= 6


def test_the_report_as_data() -> None:
    write(a=JOB + "x: 1\ncode: ./gone\n", c="dependencies: [a]\n", d=DEPLOYMENT)
    data = report_of(check())
    assert data["result"] == "Failed"
    assert data["summary"] == {
        "checked": 2,
        "failed": 1,
        "incomplete": 1,
        "skipped": 1,
        "errors": 2,
        "warnings": 0,
    }
    first, second, third = data["files"]
    assert [problem["rule"] for problem in first["errors"]] == ["unknown_key", "missing_path"]
    assert first["errors"][0] == {
        "code": "MLC1101",
        "rule": "unknown_key",
        "severity": "error",
        "message": "unknown key 'x'",
        "path": "x",
        "value": 1,
        "expected": None,
        "hint": first["errors"][0]["hint"],
        "file": "a.yml",
        "line": 3,
        "column": 1,
        "location": "a.yml#line 3",
        "excerpt": "x: 1",
        "help": KINDS["commandJob"].address,
    }
    assert (second["result"], second["reason"], second["kind"]) == ("Skipped", "a conda file", None)
    assert [note["rule"] for note in third["notes"]] == ["left_to_option"] * 2
    assert report_of([])["result"] == "Succeeded"


def test_validation_has_the_form_of_az() -> None:
    write(good=JOB, bad=JOB.replace("command", "comand"))
    assert validation_result(check_one(spec_file("good.yml"), "job")) == {
        "result": "Succeeded",
        "errors": [],
        "warnings": [],
    }
    failed = validation_result(check_one(spec_file("bad.yml"), "job"))
    assert failed["result"] == "Failed"
    assert {"path", "message", "value", "location"} <= failed["errors"][0].keys()


def test_one_file_with_values_put_on_it() -> None:
    write(a=JOB + "inputs: {n: 1}\n")
    path = Path("a.yml")
    assert check_one(spec_file(str(path)), "job", overrides=["command=go ${{inputs.n}}"]) == []
    (found,) = check_one(spec_file(str(path)), "job", overrides=["command=go ${{inputs.m}}"])
    assert (found.source, found.line) == ("--set command=go ${{inputs.m}}", 0)
    assert [problem.code for problem in check_one(spec_file(str(path)), "component")] == ["missing_key", "wrong_type"]
    write(a="a: [\n")
    assert [problem.code for problem in check_one(spec_file(str(path)), "job")] == ["yaml"]
    with pytest.raises(NotFoundError):
        check_one(spec_file("nowhere.yml"), "job")


def test_nothing_is_raised_whatever_is_read() -> None:
    texts = [
        "",
        "\0",
        "- a",
        "a: &x [*x]",
        "? [a]\n: b",
        "a: 1\n---\nb: 2",
        "\ufeffcommand: x",
        "jobs: 3\ntype: pipeline",
    ]
    for text in texts:
        report = Checker(Demands()).check(SpecFile(".", "x.yml", content=text.encode()))
        assert report.result in (FAILED, SKIPPED), text
        assert report.problems or report.reason


def test_files_that_name_each_other_too_deep() -> None:
    head = "type: pipeline\ninputs:\n  x: {type: number, optional: true}\njobs:\n  s:\n    type: pipeline\n"
    for number in range(30):
        write(**{f"p{number}": f"name: p{number}\n{head}    component: p{number + 1}.yml\n"})
    write(p30="name: p30\ntype: pipeline\njobs:\n  s: {component: azureml:c:1}\n")
    (found,) = check("p0.yml")
    assert [(problem.source, problem.code) for problem in found.problems] == [("p15.yml", "file_cycle")]
    assert "leads back" not in found.problems[0].message
    assert check("p0.yml", "p20.yml")[1].result == SUCCEEDED
