"""Every file of tests/specs, and the published corpus where it lies beside the repository.

A file under `invalid/<kind>` starts with one pair of lines per problem, in the order in which they are told:
`# error: LINE:COLUMN fragment of the message` (`FILE:LINE:COLUMN` when it is in another file) and `# hint: fragment`.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from mlctl.errors import InvalidSpecError, UnsupportedError
from mlctl.spec.compute import load_compute
from mlctl.spec.job import load_command_job
from mlctl.spec.problems import render_problem
from mlctl.spec.workspace import load_workspace

REPOSITORY = Path(__file__).parents[3]
SPECS = REPOSITORY / "tests" / "specs"
CORPUS = REPOSITORY.parent / "shared" / "corpus"
LOADERS: dict[str, Any] = {"command": load_command_job, "compute": load_compute, "workspace": load_workspace}
WHERE = re.compile(r"# error: ((?:[\w.-]+\.yml:)?\d+:\d+) (.*)")


def files(folder: str) -> list[str]:
    return sorted(path.relative_to(SPECS / folder).as_posix() for path in (SPECS / folder).rglob("*.yml"))


@pytest.mark.parametrize("name", files("valid"))
def test_a_valid_file_loads(name: str) -> None:
    loaded, warnings = LOADERS[name.partition("/")[0]](SPECS / "valid" / name)
    assert loaded
    assert all(warning.severity == "warning" and warning.hint for warning in warnings)


@pytest.mark.parametrize("name", files("invalid"))
def test_an_invalid_file_is_refused_with_place_and_fix(name: str) -> None:
    path = SPECS / "invalid" / name
    expected = _expected(path)
    with pytest.raises((InvalidSpecError, UnsupportedError)) as caught:
        LOADERS[name.partition("/")[0]](path)
    told = _told(caught.value, path)
    assert len(told) == len(expected), told
    for (where, message, hint), (expected_where, expected_message, expected_hint) in zip(told, expected, strict=True):
        assert where == expected_where
        assert expected_message in message
        assert expected_hint in hint


def test_there_are_enough_invalid_files() -> None:
    assert len(files("invalid")) >= 50


def test_published_command_jobs_get_the_reference_verdict() -> None:
    """The corpus is not part of the repository; without it there is nothing to compare."""
    wrong = [f"{path}: {found}, not {expected}" for path, found, expected in _corpus() if found != expected]
    # a duplicate key is refused here on purpose: the reference takes the last one without a word
    assert wrong in ([], ["broken/cmd-81-dup-key.yml: reject, not warn"])


def _expected(path: Path) -> list[tuple[str, str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    expected = []
    for error, hint in zip(lines[0::2], lines[1::2], strict=False):
        found = WHERE.fullmatch(error)
        if found is None:
            break
        assert hint.startswith("# hint: "), f"{path}: an error without a hint"
        expected.append((found[1], found[2], hint.removeprefix("# hint: ")))
    assert expected, f"{path} says no error"
    return expected


def _told(error: InvalidSpecError | UnsupportedError, path: Path) -> list[tuple[str, str, str]]:
    if isinstance(error, UnsupportedError):
        where, _, message = error.message.removeprefix(f"{path}:").partition(": ")
        return [(where, message, error.hint or "")]
    told = []
    for problem in error.problems:
        assert render_problem(problem).startswith(f"{problem.source}:{problem.line}:{problem.column}: error[")
        file = "" if problem.source == str(path) else f"{os.path.basename(problem.source)}:"
        texts = [(text or "").replace(str(SPECS), "").replace("\n", "\\n") for text in (problem.message, problem.hint)]
        told.append((f"{file}{problem.line}:{problem.column}", *texts))
    return told


def _corpus() -> list[tuple[str, str, str]]:
    """Path, our verdict and the expected one."""
    if not CORPUS.is_dir():
        return []
    results = []
    for entry in json.loads((CORPUS / "broken.json").read_text(encoding="utf-8")):
        if entry["entity"] == "job/command" and entry["mlctl"] != "open":
            name = f"broken/{entry['file']}"
            results.append((name, _verdict(CORPUS / name), entry["mlctl"]))
    for entry in json.loads((CORPUS / "verdicts.json").read_text(encoding="utf-8")):
        if entry["entity"] == "job/command":
            found = _verdict(CORPUS / "azureml-examples" / entry["file"])
            # the reference knows no warnings
            results.append((entry["file"], "accept" if found == "warn" else found, entry["expected"]))
    return results


def _verdict(path: Path) -> str:
    try:
        _, warnings = load_command_job(path)
    except InvalidSpecError:
        return "reject"
    return "warn" if warnings else "accept"
