"""Secrets in plain text are refused: a file with a key in it is a key that every reader of the repository has.

Found by the schema's mark `x-secret`, by the name of a key, and by the form of a value, wherever it stands. What stands
in for a secret (`<key>`, `${KEY}`, `XXXX`) is none. A word such as `changeme` leaks nothing, but may be in use, so
it is a warning. The secret itself is never shown: not in the message, not in the line of the file, and not in the
problems that other rules told about the same line.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from mlctl.spec.branches import choose_branch
from mlctl.spec.check import SpecCheck
from mlctl.spec.document import Document, KeyPath, dotted
from mlctl.spec.problems import WARNING, Problem
from mlctl.spec.rules.secret_patterns import is_dummy, is_stand_in, masked, names_secret, secrets_in, secrets_in_line
from mlctl.spec.schema import Schema, resolve

_HINT = "keep it out of the file: use a key vault, an identity, or an option such as --set {path}=…"
_VALUES = ("value", "default")
"""Keys below an input's name that hold what the input is."""
_NAMED = ("name", "key")
"""Keys whose value is the name that `value` beside it belongs to: `{name: TOKEN, value: …}`."""


MOST_LINES = 20_000
"""Lines of a file that is no spec that are looked at."""

MOST_SECRETS = 100
"""After so many the rest is not told."""

_SHORTEST = 4
"""Characters of a value that only the name of its key makes a secret."""

_LINES_OF_VALUE = 2000
"""So many lines of a value are searched for the place of a secret in it."""


class _Secret(NamedTuple):
    """A secret: the value it is in, the words for it, and the secret's own text."""

    path: KeyPath
    what: str
    text: str


def check_secrets(spec: SpecCheck) -> None:
    """Refuse secrets, when that is asked for."""
    for document in spec.attached:
        spec.problems += plain_secrets(document)
    lines = spec.document.text.split("\n")
    for secret in list(islice(_secrets(spec), MOST_SECRETS)):
        found = _problem(spec, secret, lines)
        spec.problems = [_cleaned(problem, secret.text) for problem in spec.problems]
        spec.problems.append(found)


def plain_secrets(document: Document) -> list[Problem]:
    """Secrets in the lines of a file that is no spec: a conda file, a manifest."""
    problems = []
    for number, line in enumerate(document.text.split("\n")[:MOST_LINES], 1):
        for secret in secrets_in_line(line):
            message = f"a secret stands here in plain text: {masked(secret)}"
            hint = "take it out of the file, and renew it: it may have been read already"
            at = (number, line.find(secret) + 1)
            found = Problem("plain_secret", "", message, hint=hint, source=document.source, line=at[0], column=at[1])
            problems.append(found._replace(excerpt=line.replace(secret, masked(secret))))
    return problems[:MOST_SECRETS]


def hidden(problem: Problem) -> Problem:
    """A problem without the secrets that stand in its line: they must not get into logs by somebody's typo."""
    for secret in secrets_in_line(problem.excerpt or ""):
        problem = _cleaned(problem, secret)
    return problem


def _secrets(spec: SpecCheck) -> Iterator[_Secret]:
    """Secrets in the order of the file, one for each place."""
    for leaf in _leaves(spec.document.data, spec.root, spec.root, (), ""):
        found = list(secrets_in(leaf.text))
        if found:
            for one in found:
                yield _Secret(leaf.path, one.what, leaf.text[one.start : one.end])
        elif leaf.named and len(leaf.text) >= _SHORTEST and not is_stand_in(leaf.text):
            yield _Secret(leaf.path, f"the value of '{leaf.named}'", leaf.text)


class _Leaf(NamedTuple):
    """A text of the document. `named`: the key or the variable that says it is a secret; empty when none does."""

    path: KeyPath
    text: str
    named: str


def _leaves(value: Any, schema: Schema, root: Schema, path: KeyPath, named: str) -> Iterator[_Leaf]:
    schema = _chosen(value, schema, root)
    if isinstance(value, dict):
        for key, item in value.items():
            part = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            part = resolve(part, root) if isinstance(part, dict) else {}
            name = key if part.get("x-secret") else _name_of(key, item, value, named)
            yield from _leaves(item, part, root, (*path, key), name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, schema.get("items") or {}, root, (*path, index), "")
    elif isinstance(value, str):
        yield from _text_leaf(value, path, named)
    elif schema.get("x-secret") and isinstance(value, int | float) and not isinstance(value, bool):
        yield _Leaf(path, str(value), named)


def _chosen(value: Any, schema: Schema, root: Schema) -> Schema:
    schema = resolve(schema, root)
    if value is None or "anyOf" not in schema:
        return schema
    return choose_branch(value, schema["anyOf"], root) or {}


def _text_leaf(value: str, path: KeyPath, named: str) -> Iterator[_Leaf]:
    """A text; one of the form `NAME=value` in a list of variables has its own name."""
    name, equals, rest = value.partition("=")
    in_list = bool(path) and isinstance(path[-1], int) and "environment_variables" in path
    if in_list and equals and names_secret(name) and not is_stand_in(rest):
        yield _Leaf(path, rest, name)
    else:
        yield _Leaf(path, value, named)


def _name_of(key: str, item: Any, around: dict[str, Any], above: str) -> str:
    """The name that makes a value a secret: its own, or that of the input or the variable it is the value of."""
    if names_secret(key) and not isinstance(item, list):
        return key
    if key not in _VALUES:
        return ""
    others = (around.get(word) for word in _NAMED)
    return above or next((name for name in others if isinstance(name, str) and names_secret(name)), "")


def _problem(spec: SpecCheck, secret: _Secret, lines: list[str]) -> Problem:
    path, shown = dotted(secret.path), masked(secret.text)
    message = f"'{path}' holds {secret.what} in plain text: {shown}"
    place = _place_of(spec, secret, lines)
    found = spec.document.problem("plain_secret", secret.path, message, hint=_HINT.format(path=path), at=place)
    if place is not None:
        found = found._replace(excerpt=lines[place[0] - 1].rstrip("\r"))
    elif secret.text not in (found.excerpt or ""):
        # written in another way there (escapes, several lines): what cannot be masked is not shown
        found = found._replace(excerpt=None)
    if is_dummy(secret.text):
        message = f"'{path}' holds what looks like a stand-in for a secret: {shown}"
        found = found._replace(message=message, severity=WARNING)
    return _cleaned(found, secret.text)


def _place_of(spec: SpecCheck, secret: _Secret, lines: list[str]) -> tuple[int, int] | None:
    """Line and column of the secret in the file; None when it is written there in another way."""
    mark = spec.document.marks.get(secret.path)
    first = secret.text.partition("\n")[0]
    if mark is None or not first:
        return None
    for number in range(mark.line, min(mark.line + _LINES_OF_VALUE, len(lines) + 1)):
        column = lines[number - 1].find(first, mark.column - 1 if number == mark.line else 0)
        if column >= 0:
            return number, column + 1
    return None


def _cleaned(problem: Problem, secret: str) -> Problem:
    """A problem without the secret in any of its texts."""
    shown = masked(secret)
    pieces = [piece for piece in secret.split("\n") if len(piece) > len(shown)] or [secret]

    def clean(text: str | None) -> str | None:
        if text is None:
            return None
        for piece in pieces:
            text = text.replace(piece, shown)
        return text

    value = problem.value
    if secret in str(value):
        value = None
    return problem._replace(
        message=clean(problem.message) or "",
        hint=clean(problem.hint),
        expected=clean(problem.expected),
        excerpt=clean(problem.excerpt),
        source=clean(problem.source) or "",
        value=value,
    )
