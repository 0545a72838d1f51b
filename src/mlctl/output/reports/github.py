"""Workflow commands of GitHub Actions: a line per problem, which GitHub shows at the line of the file.

Contract: https://docs.github.com/actions/reference/workflow-commands-for-github-actions; the escapes are those of the
runner's own toolkit (`%`, CR and LF in the message; `:` and `,` too in a property).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlctl.output.reports.content import (
    ERROR,
    NOTE,
    WARNING,
    Problem,
    Rules,
    distinct,
    label,
    printable,
    sentence,
    shown_path,
)

_COMMANDS = {ERROR: "error", WARNING: "warning", NOTE: "notice"}
_IN_MESSAGE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY = {**_IN_MESSAGE, ":": "%3A", ",": "%2C"}


def render(report: Mapping[str, Any], rules: Rules, folder: str) -> str:
    """A command per problem; empty when there are none. GitHub shows the first ten of each level and step."""
    del rules  # the title has the code, which leads to everything else
    return "".join(f"{_command(level, problem, folder)}\n" for level, problem in distinct(report))


def _command(level: str, problem: Problem, folder: str) -> str:
    properties = {"title": label(problem)}
    file, line = problem.get("file"), problem.get("line")
    if file:
        properties = {"file": printable(shown_path(file, folder)), **_place(line, problem.get("column")), **properties}
    words = ",".join(f"{name}={_escaped(value, _IN_PROPERTY)}" for name, value in properties.items())
    return f"::{_COMMANDS[level]} {words}::{_escaped(sentence(problem), _IN_MESSAGE)}"


def _place(line: int | None, column: int | None) -> dict[str, str]:
    if not line:
        return {}
    return {"line": str(line), "col": str(column)} if column else {"line": str(line)}


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(letter, letter) for letter in text)
