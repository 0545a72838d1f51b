from __future__ import annotations

from pathlib import Path

import pytest

from mlctl.environments.pip_lines import expand_pip_lines


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("six==1.16  # why", ["six==1.16"]),
        ("# only words", []),
        ("", []),
        ("mlflow>=2; python_version < '3.12'", ["mlflow>=2; python_version < '3.12'"]),
        ("-e .", ["--editable /base"]),
        ("-e./lib[extra]", ["--editable /base/lib[extra]"]),
        ("./wheels/a-1-py3-none-any.whl", ["/base/wheels/a-1-py3-none-any.whl"]),
        ("-f wheels", ["--find-links /base/wheels"]),
        ("--find-links=https://example.com/w", ["--find-links https://example.com/w"]),
        ("-i https://example.com/simple", ["--index-url https://example.com/simple"]),
        ("-c constraints.txt", ["--constraint /base/constraints.txt"]),
        ("-e git+https://example.com/x#egg=x", ["--editable git+https://example.com/x#egg=x"]),
        ("name @ https://example.com/n.whl", ["name @ https://example.com/n.whl"]),
        ("--pre", ["--pre"]),
    ],
)
def test_lines(line: str, expected: list[str]) -> None:
    problems: list[str] = []
    assert expand_pip_lines([line], folder=Path("/base"), problems=problems) == expected
    assert problems == []


def test_a_relative_path_without_a_folder_is_a_problem() -> None:
    problems: list[str] = []
    assert expand_pip_lines(["-e .", "-r x.txt", "six"], folder=None, problems=problems) == ["six"]
    assert [problem.partition(":")[0] for problem in problems] == ["-e .", "-r x.txt"]


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("six\n-r a.txt\n")
    problems: list[str] = []
    assert set(expand_pip_lines(["-r a.txt"], folder=tmp_path, problems=problems)) == {"six"}
    assert problems == ["-r a.txt: requirement files include each other"]
