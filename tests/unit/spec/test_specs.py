"""Every file of tests/specs, and the published corpus where it lies beside the repository.

A folder is named like a kind of spec; `command`, `compute` and `workspace` go through the loaders that run them. A file
under `invalid/<kind>` starts with one pair of lines per problem, in the order in which they are told:
`# error: LINE:COLUMN fragment of the message` (`FILE:LINE:COLUMN` when it is in another file; `warning`, `incomplete`
likewise) and `# hint: fragment`. The loaders are asked for errors only.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlctl.errors import InvalidSpecError, UnsupportedError
from mlctl.operations.spec_files import SpecFile
from mlctl.operations.validation import Checker, Demands, FileReport
from mlctl.spec.check import check_document
from mlctl.spec.compute import load_compute
from mlctl.spec.job import load_command_job
from mlctl.spec.kinds import KINDS
from mlctl.spec.problems import ERROR, Problem, render_problem
from mlctl.spec.reader import read_file
from mlctl.spec.workspace import load_workspace

REPOSITORY = Path(__file__).parents[3]
SPECS = REPOSITORY / "tests" / "specs"
CORPUS = REPOSITORY.parent / "shared" / "corpus"
LOADERS: dict[str, Any] = {"command": load_command_job, "compute": load_compute, "workspace": load_workspace}
WHERE = re.compile(r"# (error|warning|incomplete): ((?:[\w.-]+\.yml:)?\d+:\d+) (.*)")

DIFFERENCES = {
    # a name and a location may be a workspace as well as a registry; with --kind registry it is refused
    "reg-01-no-location.yml": "skipped",
    # the service refuses the name that stands there; that --name could replace it does not make it right
    "cli/endpoints/online/deploy-with-packages/custom-model/model-deployment.yml": "reject",
}
"""Files of the corpus whose verdict differs on purpose -> ours."""


class Told(NamedTuple):
    """One problem as a test file states it."""

    severity: str
    where: str
    message: str
    hint: str


def files(folder: str) -> list[str]:
    return sorted(path.relative_to(SPECS / folder).as_posix() for path in (SPECS / folder).rglob("*.yml"))


@pytest.mark.parametrize("name", files("valid"))
def test_a_valid_file_loads(name: str) -> None:
    folder = name.partition("/")[0]
    if folder not in LOADERS:
        assert _problems(SPECS / "valid" / name) == []
        return
    loaded, warnings = LOADERS[folder](SPECS / "valid" / name)
    assert loaded
    assert all(warning.severity == "warning" and warning.hint for warning in warnings)


@pytest.mark.parametrize("name", files("invalid"))
def test_an_invalid_file_is_refused_with_place_and_fix(name: str) -> None:
    path = SPECS / "invalid" / name
    expected = _expected(path)
    told = _told(path)
    assert len(told) == len(expected), told
    for found, wanted in zip(told, expected, strict=True):
        assert (found.severity, found.where) == (wanted.severity, wanted.where)
        assert wanted.message in found.message
        assert wanted.hint in found.hint


def test_there_are_enough_invalid_files() -> None:
    counted: dict[str, int] = {}
    for name in files("invalid"):
        folder = name.partition("/")[0]
        counted[folder] = counted.get(folder, 0) + 1
    assert counted["pipelineJob"] >= 60
    assert counted["command"] >= 50
    assert sum(count for folder, count in counted.items() if folder.endswith("Component")) >= 25
    assert counted["sweepJob"] >= 20
    assert counted["sparkJob"] + counted["automlJob"] >= 15


def test_published_specs_get_the_reference_verdict() -> None:
    """The corpus is not part of the repository; without it there is nothing to compare."""
    found = {path: verdict for path, verdict, expected in _corpus() if verdict != expected}
    assert found == (DIFFERENCES if CORPUS.is_dir() else {})


def test_published_files_that_are_no_specs_do_not_crash() -> None:
    for report in _foreign():
        assert report.result in ("Skipped", "Failed", "Succeeded", "Incomplete")
        assert report.reason or report.kind or report.problems


def _problems(path: Path) -> list[Problem]:
    """What is told of a file, as the kind that its folder names."""
    try:
        document = read_file(path)
    except InvalidSpecError as error:
        return list(error.problems)
    return check_document(document, KINDS[path.parent.name]).problems


def _expected(path: Path) -> list[Told]:
    lines = path.read_text(encoding="utf-8").splitlines()
    expected = []
    for line, hint in zip(lines[0::2], lines[1::2], strict=False):
        found = WHERE.fullmatch(line)
        if found is None:
            break
        assert hint.startswith("# hint: "), f"{path}: a problem without a hint"
        expected.append(Told(found[1], found[2], found[3], hint.removeprefix("# hint: ")))
    assert expected, f"{path} says no problem"
    return expected


def _told(path: Path) -> list[Told]:
    folder = path.parent.name
    if folder not in LOADERS:
        return [_as_told(problem, path) for problem in _problems(path)]
    with pytest.raises((InvalidSpecError, UnsupportedError)) as caught:
        LOADERS[folder](path)
    error: Any = caught.value
    if isinstance(error, UnsupportedError):
        where, _, message = error.message.removeprefix(f"{path}:").partition(": ")
        return [Told(ERROR, where, message, error.hint or "")]
    return [_as_told(problem, path) for problem in error.problems]


def _as_told(problem: Problem, path: Path) -> Told:
    place = f"{problem.source}:{problem.line}:{problem.column}"
    assert render_problem(problem).startswith(f"{place}: {problem.severity}[")
    file = "" if problem.source == str(path) else f"{os.path.basename(problem.source)}:"
    message, hint = (
        (text or "").replace(str(SPECS), "").replace("\n", "\\n") for text in (problem.message, problem.hint)
    )
    return Told(problem.severity, f"{file}{problem.line}:{problem.column}", message, hint)


def _corpus() -> Iterator[tuple[str, str, str]]:
    """Path, our verdict and the expected one."""
    if not CORPUS.is_dir():
        return
    checker = Checker(Demands())
    for entry in json.loads((CORPUS / "broken.json").read_text(encoding="utf-8")):
        if entry["mlctl"] != "open":
            yield entry["file"], _verdict(checker, f"broken/{entry['file']}"), entry["mlctl"]
    for entry in json.loads((CORPUS / "verdicts.json").read_text(encoding="utf-8")):
        expected = entry["expected"]
        if expected is not None:
            found = _verdict(checker, f"azureml-examples/{entry['file']}")
            # the reference knows no warnings
            found = "accept" if found == "warn" else found
            if expected == "missing-path" and found == "reject":
                found = _without_paths(entry["file"])
            yield entry["file"], found, expected


def _without_paths(file: str) -> str:
    from mlctl.spec.check import CheckOptions

    lenient = Checker(Demands(CheckOptions(paths=False)))
    return "reject" if _verdict(lenient, f"azureml-examples/{file}") == "reject" else "missing-path"


def _foreign() -> Iterator[FileReport]:
    if not CORPUS.is_dir():
        return
    checker = Checker(Demands())
    for entry in json.loads((CORPUS / "verdicts.json").read_text(encoding="utf-8")):
        if entry["expected"] is None:
            yield checker.check(_file(f"azureml-examples/{entry['file']}"))


def _file(name: str) -> SpecFile:
    return SpecFile(str(CORPUS / name), name)


def _verdict(checker: Checker, name: str) -> str:
    report = checker.check(_file(name))
    if report.result == "Succeeded":
        return "warn" if report.problems else "accept"
    return {"Failed": "reject", "Incomplete": "incomplete", "Skipped": "skipped"}[report.result]
