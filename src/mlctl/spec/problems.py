"""What is wrong in a document, where, and how it is shown.

A problem is plain data. `render_problem` makes it text for a person; `validation_result` makes a list of them the
object that `az ml job validate` prints.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from mlctl.spec.codes import code_of

ERROR = "error"
WARNING = "warning"
INCOMPLETE = "incomplete"
"""Severities. What is incomplete lacks what an option of the command can supply: a note, an error when strict."""

DROPPED = ", Azure ML ignores it"
"""What the message says of a key that is not known, where that is a warning only."""

_LONGEST_EXCERPT = 160
_LONGEST_LINE = 4000


class Problem(NamedTuple):
    """One thing that is wrong.

    `code`: stable word for scripts (unknown_key, wrong_type, …). `path`: dotted key path, `a.b[0]`; empty for the whole
    document. `line` and `column` count from 1 and are 0 when the value did not come from a file; `source` is then the
    option it came from (`--set inputs.lr=x`), otherwise the file as the user named it. `excerpt` is that line's text.
    """

    code: str
    path: str
    message: str
    value: Any = None
    expected: str | None = None
    hint: str | None = None
    source: str = ""
    line: int = 0
    column: int = 0
    severity: str = ERROR
    excerpt: str | None = None

    @property
    def location(self) -> str:
        """`file:line:column`, or the option that the value came from."""
        if not self.line:
            return self.source
        return f"{self.source}:{self.line}:{self.column}"


def render_problem(problem: Problem, text: str | None = None) -> str:
    """A problem as the lines a person reads, with the source line and a caret.

    `text` is the whole text of the file; without it the problem's own excerpt is shown. No trailing newline.
    """
    lines = [f"{problem.location}: " if problem.location else ""]
    number = code_of(problem.code)
    lines[0] += f"{problem.severity}[{number}{' ' if number else ''}{problem.code}]: {problem.message}"
    excerpt = line_of(text, problem.line) if text is not None else problem.excerpt
    if problem.line and excerpt is not None and excerpt.strip() and not _is_cut_off(excerpt, problem.column):
        lines += _excerpt_with_caret(excerpt, problem.line, problem.column)
    if problem.expected:
        lines.append(f"  expected: {problem.expected}")
    if problem.hint:
        lines.append(f"  hint: {problem.hint}")
    return "\n".join(_printable(line) for line in lines)


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def _printable(line: str) -> str:
    """A line without characters that would start another one or steer a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)


def validation_result(problems: Iterable[Problem]) -> dict[str, Any]:
    """The result object of `validate`: {result, errors: [{path, message, value, location}], warnings: [...]}.

    Field names are az's; `line`, `column`, `code`, `rule` and `hint` are added. What is incomplete is among the
    warnings. `result` is Succeeded when there is no error.
    """
    errors: list[dict[str, Any]] = []
    warnings: list[dict[str, Any]] = []
    for problem in problems:
        (errors if problem.severity == ERROR else warnings).append(_as_data(problem))
    return {"result": "Failed" if errors else "Succeeded", "errors": errors, "warnings": warnings}


def summary(problems: Sequence[Problem], source: str) -> str:
    """One sentence for the error that carries these problems."""
    if len(problems) == 1:
        return f"{source} is not valid: {problems[0].message}"
    return f"{source} is not valid: {len(problems)} problems"


MANY_WORDS = 300
"""Words that one is compared with; a document may declare thousands."""


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that `word` was probably meant to be, or None. Case, `-` and `_` do not count as differences."""
    by_folded = {_folded(name): name for name in known}
    folded = _folded(word)
    if len(by_folded) > MANY_WORDS:
        # comparing is slow; among so many only those that begin or end alike are worth it
        alike = (name for name in by_folded if name[:2] == folded[:2] or name[-2:] == folded[-2:])
        by_folded = {name: by_folded[name] for name in islice(alike, MANY_WORDS)}
    found = close_matches(folded, by_folded, most=1, cutoff=cutoff)
    return by_folded[found[0]] if found else None


def close_matches(word: str, known: Iterable[str], *, most: int, cutoff: float) -> list[str]:
    """As `difflib.get_close_matches`, which compares slowly: it gets the words only whose letters leave a chance."""
    letters, length = set(word), len(word)
    likely = [
        name
        for name in known
        # a letter that only one of the two has is a difference
        if not (both := length + len(name)) or (both - len(letters.symmetric_difference(name))) / both >= cutoff
    ]
    return difflib.get_close_matches(word, likely, n=most, cutoff=cutoff) if likely else []


MEANT = re.compile(r"did you mean '([^']+)'\?")
"""What a hint says that was probably meant."""


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str) -> str:
    """`did you mean 'x'?`, or the other hint when nothing is close."""
    match = closest(word, known)
    return f"did you mean '{match}'?" if match else otherwise


def with_article(word: str) -> str:
    """`an environment`, `a model`."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def line_of(text: str | None, line: int) -> str | None:
    """Line number `line` (from 1) of a text, without its end; None when there is none. What is very long is cut."""
    if text is None or line < 1:
        return None
    starts = line_starts(text)
    if line > len(starts):
        return None
    start = starts[line - 1]
    end = text.find("\n", start)
    return text[start : min(len(text) if end < 0 else end, start + _LONGEST_LINE)].rstrip("\r")


@functools.lru_cache(maxsize=4)
def line_starts(text: str) -> list[int]:
    """Where each line of a text starts; kept for the texts that were asked for last, since each problem asks."""
    return [0, *(found.end() for found in re.finditer("\n", text))]


def _is_cut_off(excerpt: str, column: int) -> bool:
    return len(excerpt) >= _LONGEST_LINE < column


def _excerpt_with_caret(excerpt: str, line: int, column: int) -> list[str]:
    start = max(0, column - _LONGEST_EXCERPT // 2) if len(excerpt) > _LONGEST_EXCERPT else 0
    shown = excerpt[start : start + _LONGEST_EXCERPT]
    gutter = f"  {line} | "
    # tabs are kept in the padding so that the caret stands under the right character
    padding = "".join("\t" if character == "\t" else " " for character in shown[: max(0, column - 1 - start)])
    return [gutter + shown, " " * (len(gutter) - 2) + "| " + padding + "^"]


def _as_data(problem: Problem) -> dict[str, Any]:
    location = f"{problem.source}#line {problem.line}" if problem.line else problem.source
    return {
        "path": problem.path or "*",
        "message": problem.message,
        "value": problem.value,
        "location": location,
        "line": problem.line or None,
        "column": problem.column or None,
        "code": code_of(problem.code),
        "rule": problem.code,
        "hint": problem.hint,
    }


def _folded(word: str) -> str:
    return word.lower().replace("-", "_")
