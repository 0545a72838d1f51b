"""The YAML parser's complaints in words that say what to do."""

from __future__ import annotations

import re
from typing import Any

from mlctl.spec.problems import line_of

_HINTS = {
    "mapping values are not allowed": (
        "a ': ' is not allowed here",
        "check the indentation, or put the whole value in quotes if the ': ' is part of it",
    ),
    "could not find expected ':'": (
        "a key without ':'",
        "write 'name: value', indented as its neighbours",
    ),
    "did not find expected key": ("the indentation does not fit", "give keys of one map the same number of spaces"),
    "did not find expected '-' indicator": (
        "an item of the list lacks its '-'",
        "start each item with '- '",
    ),
    "did not find expected ',' or ']'": ("the list that starts with '[' is not closed", "close it with ']'"),
    "did not find expected ',' or '}'": ("the map that starts with '{' is not closed", "close it with '}'"),
    "did not find expected node content": ("a value is missing", "write a value here, or close the bracket"),
    "found unexpected end of stream": ("the quotes are not closed", "close the text with the same kind of quote"),
    "found character that cannot start any token": (
        "this character cannot start a value",
        "put the value in quotes",
    ),
    "found unknown escape character": (
        "this backslash means nothing in double quotes",
        "use single quotes, or write the backslash twice",
    ),
    "block sequence entries are not allowed": (
        "a list item is not allowed here",
        "start the list on a new line",
    ),
    "found duplicate anchor": ("this anchor is defined twice", "give it another name"),
}


def explain(error: Any, text: str) -> tuple[str, str, int, int]:
    """A marked error of the parser as message, hint, line and column (from 1)."""
    mark = error.problem_mark or error.context_mark
    if "unexpected end of stream" in str(error.problem) and error.context_mark is not None:
        # the end of the file is not where the quote is missing
        mark = error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = str(error.problem or error.context or "not valid YAML")
    excerpt = line_of(text, line) or ""
    if "\t" in excerpt[:column] and not excerpt[: column - 1].strip():
        tab = excerpt.index("\t") + 1
        return "a tab is used for indentation, YAML takes spaces only", "replace the tab by spaces", line, tab
    for known, (message, hint) in _HINTS.items():
        if known in problem:
            return _with_context(message, error, line), hint, line, column
    return (
        _with_context(f"not valid YAML: {problem}", error, line),
        "check the indentation and the quotes",
        line,
        column,
    )


def excerpt_of(text: str, line: int) -> str | None:
    """A line (from 1) of a file that cannot be read, or None when there is none or it is not to be shown.

    What the lines of such a file mean is not known, so those that seem to stand below `credentials:` are not shown.
    """
    return None if _is_secret(text, line) else line_of(text, line)


def _is_secret(text: str, line: int) -> bool:
    lines = text.split("\n", line)[:line]
    inner = None
    for one in reversed(lines):
        indent = len(one) - len(one.lstrip())
        if not one.strip() or (inner is not None and indent >= inner):
            continue
        if re.search(_CREDENTIALS, one):
            return True
        if indent == 0 and inner is not None:
            return False
        inner = indent
    return False


_CREDENTIALS = r"""(?:^|[\s{,"'])credentials["']?\s*:"""


def _with_context(message: str, error: Any, line: int) -> str:
    """Where the unfinished thing began, when that is another line."""
    start = error.context_mark
    if start is None or start.line + 1 == line:
        return message
    return f"{message} (it began on line {start.line + 1})"
