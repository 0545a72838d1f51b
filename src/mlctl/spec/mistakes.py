"""What one mistake makes several problems of is told once, where the mistake is.

The schema sees a key that is misspelt as one that is unknown and one that is missing, and a key that stands too far to
the left as one that is unknown and one that is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any, NamedTuple

from mlctl.spec.branches import schema_of
from mlctl.spec.document import Document, KeyPath, dotted, value_at
from mlctl.spec.problems import DROPPED, ERROR, INCOMPLETE, MEANT, Problem
from mlctl.spec.schema import Schema, resolve, type_of, types_of

_SIGNS = frozenset({"unknown_key", "empty_value"})
"""Codes without which there is nothing to join."""

_OUTSIDE = frozenset({"unknown_key", "wrong_type"})
"""Codes of what stands where it does not belong."""


MOST_JOINED = 100
"""Places that are looked at; in a file with more wrong ones nobody misses the rest."""


class Mistakes(NamedTuple):
    """`problems`: what is told, errors and warnings. `unknown`: dotted paths of which nothing is known, since what
    stands there is misspelt or misplaced. `misspelt`: dotted path that was meant -> path of what stands for it,
    elsewhere or under another name."""

    problems: list[Problem]
    unknown: frozenset[str] = frozenset()
    misspelt: Mapping[str, str] = {}


def join_problems(document: Document, root: Schema, problems: Sequence[Problem]) -> Mistakes:
    """The problems that the schema found, with those of one mistake made one."""
    if not any(found.code in _SIGNS or found.severity == INCOMPLETE for found in problems):
        return Mistakes(list(problems))
    page = _Page(document, root, problems)
    for path in page.empty_keys():
        page.take_in(path)
    for path in page.told(("unknown_key", "wrong_type", "missing_key")):
        page.pull_in(path)
    misspelt = {**_misspelt(page), **page.misplaced}
    told = [found for found in page.problems if not _is_told_by(found, misspelt)]
    lacking = {found.path for found in problems if found.code == "missing_key"}
    needed = {path for meant, path in misspelt.items() if meant in lacking}
    told = [as_error(found) if found.path in needed and found.code == "unknown_key" else found for found in told]
    return Mistakes(told, frozenset(page.unknown) | misspelt.keys(), misspelt)


def as_error(problem: Problem) -> Problem:
    """The problem of an unknown key that cannot be ignored, since it was meant to be one that is needed."""
    return problem._replace(severity=ERROR, message=problem.message.removesuffix(DROPPED))


def _is_told_by(found: Problem, misspelt: Mapping[str, str]) -> bool:
    return found.code in ("missing_key", "left_to_option") and found.path in misspelt


def _misspelt(page: _Page) -> dict[str, str]:
    meant: dict[str, str] = {}
    for path in page.told(("unknown_key",)):
        found = page.at.get(dotted(path), {}).get("unknown_key")
        word = MEANT.fullmatch((found.hint if found else None) or "")
        holder = value_at(page.document.data, path[:-1])
        if word is not None and isinstance(holder, dict) and word[1] not in holder and "." not in word[1]:
            meant.setdefault(dotted((*path[:-1], word[1])), dotted(path))
    return meant


class _Page:
    """The problems of one document on the way, and the places that they are about."""

    def __init__(self, document: Document, root: Schema, problems: Sequence[Problem]) -> None:
        self.document = document
        self.root = root
        self.problems = list(problems)
        self.unknown: set[str] = set()
        self.misplaced: dict[str, str] = {}
        self.at: dict[str, dict[str, Problem]] = {}
        for found in problems:
            self.at.setdefault(found.path, {})[found.code] = found
        # a missing key has no mark, what it is missing in has one
        wanted = {*self.at, *(found.path.rpartition(".")[0] for found in problems if found.code == "missing_key")}
        self.paths = {dotted(path): path for path in document.marks if path and dotted(path) in wanted}

    def told(self, codes: Iterable[str]) -> list[KeyPath]:
        """Places that problems of these codes are about, in the order in which they were found; where a key is missing,
        the place where it is."""
        places = (
            self.paths.get(found.path.rpartition(".")[0] if found.code == "missing_key" else found.path)
            for found in self.problems
            if found.code in codes
        )
        return list(islice(dict.fromkeys(path for path in places if path is not None), MOST_JOINED))

    def empty_keys(self) -> list[KeyPath]:
        """Keys without a value that may lack what stands below them: those that are refused, and those just above what
        is refused."""
        found = [path for path in self.told(("empty_value",)) if self._is_empty(path)]
        for path in self.told(_OUTSIDE):
            above = self._leaf_above(path)
            if above is not None and self._is_empty(above):
                found.append(above)
        return list(dict.fromkeys(found))

    def take_in(self, path: KeyPath) -> None:
        """Tell of an empty key that what follows belongs into it, if it does."""
        schemas = _choices(schema_of(self.root, self.document.data, path, {}), self.root)
        own = {key for schema in schemas for key in schema.get("properties", {})}
        for length in range(len(path) - 1, -1, -1):
            parent, key = path[:length], path[length]
            siblings = value_at(self.document.data, parent)
            keys = list(siblings) if isinstance(siblings, dict) else []
            after = keys[keys.index(key) + 1 :] if key in keys else []
            if not after:
                continue
            outer = schema_of(self.root, self.document.data, parent, siblings) or {}

            def belongs(name: str, parent: KeyPath = parent, outer: Schema = outer) -> bool:
                if name in own:
                    return name not in outer.get("properties", {})
                return self._is_outside((*parent, name)) and self._takes(schemas, self.document.data, (*parent, name))

            following = list(takewhile(belongs, after))
            if following:
                self._tell_empty(path, [(*parent, name) for name in following])
            return

    def pull_in(self, path: KeyPath) -> None:
        """Tell of a member of a map that it is a key of the member before it, if it is."""
        for length, key in enumerate(path):
            parent, keys = path[:length], list(value_at(self.document.data, path[:length]) or ())
            if not isinstance(key, str) or key not in keys[1:] or not self._is_open(parent, key):
                continue
            before = (*parent, keys[keys.index(key) - 1])
            value = value_at(self.document.data, before)
            schema = schema_of(self.root, self.document.data, before, value) if isinstance(value, dict) else None
            if schema is None or key in value or key not in schema.get("properties", {}):
                continue
            here = (*parent, key)
            self._drop([here, (*before, key)])
            self.misplaced[dotted((*before, key))] = dotted(here)
            message = f"'{dotted(here)}' stands beside '{before[-1]}', it belongs into it"
            hint = f"indent '{key}' and what is below it by {self._blanks(before, here)} more blanks"
            self.problems.append(self.document.problem("unknown_key", here, message, hint=hint, on_key=True))
            return

    def _tell_empty(self, path: KeyPath, following: list[KeyPath]) -> None:
        names = [str(place[-1]) for place in following]
        self._drop([path, *following])
        message = f"'{dotted(path)}' is empty, and '{names[0]}' below it belongs into it"
        hint = f"indent {', '.join(names)} by {self._blanks(path, following[0])} more blanks"
        self.problems.append(self.document.problem("empty_value", path, message, hint=hint, on_key=True))

    def _drop(self, places: Iterable[KeyPath]) -> None:
        """Nothing is said about these places any more."""
        dropped = set(map(dotted, places))
        self.unknown |= dropped
        self.problems = [found for found in self.problems if dropped.isdisjoint(_with_parents(found.path))]

    def _blanks(self, holder: KeyPath, place: KeyPath) -> int:
        marks = self.document.marks
        return marks[holder].key_column + 2 - marks[place].key_column

    def _is_empty(self, path: KeyPath) -> bool:
        """Whether nothing at all stands behind a key."""
        mark = self.document.marks.get(path)
        return mark is not None and not mark.raw and mark.plain and value_at(self.document.data, path) is None

    def _is_outside(self, path: KeyPath) -> bool:
        """Whether something is told to be out of place here, and is no slip of the pen."""
        found = self.at.get(dotted(path), {})
        unknown = found.get("unknown_key")
        return bool(_OUTSIDE & found.keys()) and (unknown is None or not MEANT.search(unknown.hint or ""))

    def _leaf_above(self, path: KeyPath) -> KeyPath | None:
        """The last key of all before a key; None when it is the first of its map."""
        siblings = value_at(self.document.data, path[:-1])
        keys = list(siblings) if isinstance(siblings, dict) else []
        # others that are out of place may stand between the two
        position = keys.index(path[-1]) - 1 if path[-1] in keys else -1
        while position >= 0 and self._is_outside((*path[:-1], keys[position])):
            position -= 1
        if position < 0:
            return None
        leaf = (*path[:-1], keys[position])
        while isinstance(value := value_at(self.document.data, leaf), dict) and value:
            leaf = (*leaf, list(value)[-1])
        return leaf

    def _takes(self, schemas: list[Schema], data: Any, path: KeyPath) -> bool:
        """Whether one of the schemas takes the value at a path under a name of the user's own."""
        name = type_of(value_at(data, path))
        for schema in schemas:
            inside = schema.get("additionalProperties")
            for choice in _choices(inside, self.root) if isinstance(inside, dict) else ():
                types = types_of(choice)
                if not types or name in types or (name == "integer" and "number" in types):
                    return True
        return False

    def _is_open(self, path: KeyPath, key: str) -> bool:
        """Whether the map at a path has names of the user's own, and this key is one."""
        schema = schema_of(self.root, self.document.data, path, value_at(self.document.data, path)) or {}
        return key not in schema.get("properties", {}) and isinstance(schema.get("additionalProperties"), dict)


def _choices(schema: Schema | None, root: Schema) -> list[Schema]:
    """A schema, or the alternatives that it is made of."""
    if schema is None:
        return []
    resolved = resolve(schema, root)
    return [part for branch in resolved.get("anyOf", ()) for part in _choices(branch, root)] or [resolved]


def _with_parents(path: str) -> Iterator[str]:
    """A dotted path and those that it stands below."""
    yield path
    yield from (path[:index] for index, character in enumerate(path) if character in ".[")
