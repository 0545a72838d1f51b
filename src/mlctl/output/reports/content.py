"""What the formats share: the problems of a report, each with its level, and text that is safe to write."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

Problem = Mapping[str, Any]
"""A problem as plain data; see the package."""

Rules = Mapping[str, Mapping[str, str]]
"""Code -> `name`, `title`, `text` and `help` (an address); what is missing is left out of the report."""

ERROR, WARNING, NOTE = "error", "warning", "note"
"""Levels."""

_LISTS = {"errors": ERROR, "warnings": WARNING, "notes": NOTE}
_IDENTITY = ("file", "line", "column", "code", "rule", "path", "message")
_UNSAFE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def levelled(checked: Mapping[str, Any]) -> Iterator[tuple[str, Problem]]:
    """The problems of one file, each with its level: errors, then warnings, then notes."""
    for name, level in _LISTS.items():
        for problem in checked.get(name) or ():
            yield level, problem


def distinct(report: Mapping[str, Any]) -> Iterator[tuple[str, Problem]]:
    """The problems of all files with their level, each once: specs that name the same file share its problems."""
    seen = set()
    for checked in report.get("files") or ():
        for level, problem in levelled(checked):
            key = tuple(str(problem.get(name)) for name in _IDENTITY)
            if key not in seen:
                seen.add(key)
                yield level, problem


def code_and_rule(problem: Problem) -> tuple[str, str]:
    """The number and the word of a problem; either stands for the other when that is missing."""
    code, rule = problem.get("code") or "", problem.get("rule") or ""
    return str(code or rule), str(rule or code)


def label(problem: Problem) -> str:
    """`MLC1101 unknown_key`."""
    return printable(" ".join(dict.fromkeys(code_and_rule(problem))))


def sentence(problem: Problem) -> str:
    """Message, what was expected and the hint, a line each."""
    lines = [printable(problem.get("message") or "")]
    lines += [f"{name}: {printable(problem[name])}" for name in ("expected", "hint") if problem.get(name)]
    return "\n".join(lines)


def shown_path(path: str, folder: str) -> str:
    """A path with forward slashes, relative to `folder` when it is below it."""
    shown = path.replace(os.sep, "/")
    if folder:
        shown = shown.removeprefix(folder.replace(os.sep, "/").rstrip("/") + "/")
    return shown.removeprefix("./")


def printable(text: Any) -> str:
    """Text with `\\x1b` in the place of characters that XML does not take or that end a line somewhere."""
    return _UNSAFE.sub(lambda found: _escape(ord(found[0])), str(text))


def _escape(number: int) -> str:
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
