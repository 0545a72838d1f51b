"""`${{ … }}` in a command job: each expression must name an input or an output that is declared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.problems import Problem, closest, line_starts
from mlctl.spec.references import find_expressions, find_optional_parts

OUTPUT_MACROS = ("name", "output_name", "default_datastore")
"""What may stand in the `path` of an output."""

MOST_TOLD = 50
"""Expressions of one text that are told to be wrong."""

LONGEST_SHOWN = 200
"""Characters of an expression that are shown; one that is not closed may go on to the end of the file."""

_NOUNS = {"inputs": "input", "outputs": "output", "search_space": "parameter"}

_ELSEWHERE = {
    "parent": "of a pipeline's steps",
    "jobs": "of a pipeline's steps",
    "search_space": "of a sweep's trial",
    **dict.fromkeys(OUTPUT_MACROS, "of an output's path"),
}


def binding_problems(
    document: Document, path: KeyPath, text: str, declared: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    """Problems of the expressions in one text, the first ones. `declared`: names under `inputs` and `outputs`."""
    return islice(_unbound(document, path, text, declared), MOST_TOLD)


def _unbound(
    document: Document, path: KeyPath, text: str, declared: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    for expression in find_expressions(text):
        written = text[expression.start : min(expression.end, expression.start + LONGEST_SHOWN)]
        found = _explain(expression.path, written, declared)
        if found:
            message, hint = found
            at = position_of(document, path, text, expression.start, written)
            message = f"'{dotted(path)}': {message}"
            yield document.problem("unbound", path, message, value=written, hint=hint, at=at)


def optional_part_warnings(document: Document, path: KeyPath, text: str) -> Iterator[Problem]:
    """Warnings about `$[[ … ]]` without an expression in it, which is always kept."""
    for start, end, inner in find_optional_parts(text)[:MOST_TOLD]:
        if not find_expressions(inner):
            message = f"'{dotted(path)}': {text[start:end]} holds no ${{{{inputs.…}}}}, it is always kept"
            hint = f"remove the brackets, or write $[[--flag ${{{{inputs.{inner.rpartition('.')[2].strip()}}}}}]]"
            yield document.warning("optional_part", path, message, value=text[start:end], hint=hint)


def macro_problems(document: Document, path: KeyPath, text: str) -> Iterator[Problem]:
    """Problems of the expressions in the `path` of an output."""
    for expression in find_expressions(text)[:MOST_TOLD]:
        if expression.path not in OUTPUT_MACROS:
            written = text[expression.start : min(expression.end, expression.start + LONGEST_SHOWN)]
            message = f"'{dotted(path)}': {written} means nothing in the path of an output"
            hint = "use ${{name}}, ${{output_name}} or ${{default_datastore}}"
            yield document.problem("unbound", path, message, value=written, hint=hint)


def _explain(dotted_path: str | None, written: str, declared: Mapping[str, Collection[str]]) -> tuple[str, str] | None:
    """Message and hint, or None when the expression is right."""
    if not dotted_path:
        shown = written.splitlines()[0][:60]
        return f"{shown} is not an expression", "write ${{inputs.name}}, closed by }} and without blanks in the name"
    root, _, name = dotted_path.partition(".")
    if root in declared:
        return _explain_name(root, name, written, declared)
    if root in _ELSEWHERE:
        here = ", ".join(f"${{{{{name}.…}}}}" for name in declared)
        return f"{written} belongs to the language {_ELSEWHERE[root]}", f"here are {here}"
    match = closest(root, declared)
    if match and name:
        return f"{written}: '{root}' is neither inputs nor outputs", f"did you mean '${{{{{match}.{name}}}}}'?"
    forms = " or ".join(f"${{{{{word}.name}}}}" for word in declared)
    return f"{written}: '{root}' is neither inputs nor outputs", f"write {forms}"


def _explain_name(
    root: str, name: str, written: str, declared: Mapping[str, Collection[str]]
) -> tuple[str, str] | None:
    names = declared[root]
    if name in names:
        return None
    if not name:
        return f"{written} lacks a name", f"write ${{{{{root}.name}}}}"
    first = name.partition(".")[0]
    if first != name and first in names:
        return f"{written}: '{root}.{first}' has no parts", f"write ${{{{{root}.{first}}}}}"
    other = "outputs" if root == "inputs" else "inputs"
    match = name if name in declared.get(other, ()) else None
    if match:
        return f"{written}: '{name}' is declared under {other}", f"did you mean '${{{{{other}.{name}}}}}'?"
    match = closest(name, names)
    hint = f"did you mean '${{{{{root}.{match}}}}}'?" if match else f"declare '{name}' under {root}"
    if not match and names:
        hint += f" (there is: {', '.join(names)})"
    return f"{written}: no {_NOUNS.get(root, root)} '{name}' is declared", hint


def position_of(document: Document, path: KeyPath, text: str, offset: int, written: str) -> tuple[int, int] | None:
    """Line and column of the expression in the file: the same occurrence of its text after the value's start."""
    mark = document.marks.get(path)
    starts = line_starts(document.text)
    if mark is None or "\n" in written or mark.line > len(starts):
        return None
    start = starts[mark.line - 1] + mark.column - 1
    for _ in range(text.count(written, 0, offset) + 1):
        start = document.text.find(written, start)
        if start < 0:
            return None
        start += len(written)
    start -= len(written)
    return document.text.count("\n", 0, start) + 1, start - document.text.rfind("\n", 0, start)
