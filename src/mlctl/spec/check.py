"""A document of a known kind is checked: its shape by schema, then by the rules of its kind, all in one run.

A rule is a function `(spec: SpecCheck) -> None` that tells problems through `spec.error` and `spec.warn`;
`mlctl.spec.rules` says which rules a kind has. A part that the schema refused is not looked at again (`spec.is_sound`).
Files that a spec names are checked as what they are meant to be, and their problems are told with their own lines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from mlctl.errors import InvalidSpecError, MlctlError
from mlctl.spec.coercion import Marked
from mlctl.spec.document import Document, KeyPath, dotted, in_file_order, value_at
from mlctl.spec.kinds import TYPES, Kind, kind_of_type
from mlctl.spec.library import Library
from mlctl.spec.mistakes import as_error, join_problems
from mlctl.spec.paths import absolute, beside, missing_path
from mlctl.spec.problems import ERROR, INCOMPLETE, WARNING, Problem, did_you_mean
from mlctl.spec.schema import Schema, load_schema
from mlctl.spec.validate import check

if TYPE_CHECKING:
    from mlctl.entities.environment import Environment

MOST_PROBLEMS = 200
"""After so many problems of a document the rules tell no more."""

_LACKING = ("missing_key", "missing_input")

DEEPEST_FILES = 16
"""Files that name files that name files: a pipeline in a pipeline in …"""


class CheckOptions(NamedTuple):
    """What is checked. `paths`: local files and folders are there. `secrets`: keys and tokens in plain text are
    refused."""

    paths: bool = True
    secrets: bool = False


@dataclass(slots=True, eq=False, repr=False)
class SpecCheck:
    """One document on its way through the rules.

    `data`: what the schema made of it. `root`: the schema. `marked`: references and local paths in it. `problems`:
    errors, warnings and what is incomplete, those of nested files included. `trail`: the files that led here, for files
    that name each other in a circle.
    `environments`: those that the document uses, by the path where they stand; None when they are wrong. `files`: other
    specs that it names, likewise. `attached`: what belongs to it and is no spec, such as conda files. `refused`:
    what the schema refused, or cannot be known. `misspelt`: paths that were meant, and what stands for
    each of them. `is_done`: no rule will look at it again.
    """

    document: Document
    kind: Kind
    data: dict[str, Any]
    root: Schema
    options: CheckOptions
    library: Library
    marked: list[Marked]
    problems: list[Problem] = field(default_factory=list)
    trail: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()
    misspelt: Mapping[str, str] = field(default_factory=dict)
    nested: dict[tuple[str, str], SpecCheck] = field(default_factory=dict)
    environments: dict[KeyPath, Environment | None] = field(default_factory=dict)
    files: dict[KeyPath, SpecCheck | None] = field(default_factory=dict)
    attached: list[Document] = field(default_factory=list)
    is_done: bool = False

    def error(
        self,
        code: str,
        path: KeyPath,
        message: str,
        *,
        value: Any = None,
        expected: str | None = None,
        hint: str | None = None,
        on_key: bool = False,
        at: tuple[int, int] | None = None,
    ) -> None:
        """Tell an error at a value, or at its key; `at` is an exact line and column."""
        if self.is_full or (code in _LACKING and self.is_told(path)):
            return
        self.problems.append(
            self.document.problem(code, path, message, value=value, expected=expected, hint=hint, on_key=on_key, at=at)
        )

    def retract(self, code: str, path: KeyPath) -> bool:
        """Take back what was told of a key of this document, since a rule knows better. Whether there was anything."""
        known = (code, dotted(path), self.document.source)
        kept = [found for found in self.problems if (found.code, found.path, found.source) != known]
        found_any = len(kept) < len(self.problems)
        self.problems = kept
        return found_any

    def is_told(self, path: KeyPath) -> bool:
        """Whether what is asked for here is misspelt, misplaced or wrong, which is told already. Since somebody asks, a
        misspelt key is no mere warning."""
        key, found = dotted(path), self.misspelt.get(dotted(path))
        if found is not None:
            for index, one in enumerate(self.problems):
                if (one.code, one.path, one.source) == ("unknown_key", found, self.document.source):
                    # in place: somebody may be adding to the list
                    self.problems[index] = as_error(one)
        return found is not None or any(key.startswith((f"{bad}.", f"{bad}[")) for bad in self.refused)

    @property
    def is_full(self) -> bool:
        """Whether so much is wrong that the rest is not told: nobody reads further, and hints cost time."""
        return len(self.problems) >= MOST_PROBLEMS

    def warn(
        self,
        code: str,
        path: KeyPath,
        message: str,
        *,
        value: Any = None,
        hint: str | None = None,
        on_key: bool = False,
        at: tuple[int, int] | None = None,
    ) -> None:
        """Tell a warning at a value, or at its key; `at` as for errors."""
        found = self.document.problem(code, path, message, value=value, hint=hint, on_key=on_key, at=at)
        self.problems.append(found._replace(severity=WARNING))

    def incomplete(self, code: str, path: KeyPath, message: str, *, hint: str | None = None) -> None:
        """Tell what is left for an option of the command to supply."""
        self.problems.append(self.document.problem(code, path, message, hint=hint, severity=INCOMPLETE))

    def is_sound(self, path: KeyPath) -> bool:
        """Whether the schema let pass what stands at a path, and everything above and below it."""
        if not self.refused:
            return True
        key = dotted(path)
        return not any(
            bad == key or bad.startswith((f"{key}.", f"{key}[")) or key.startswith((f"{bad}.", f"{bad}["))
            for bad in self.refused
        )

    def mapping(self, *path: str | int) -> dict[str, Any]:
        """The map at a path of the data; empty when there is none, or something else."""
        here = value_at(self.data, path)
        return here if isinstance(here, dict) else {}

    def file(self, path: KeyPath, text: str, kind: Kind) -> SpecCheck | None:
        """The check of a file that the value at `path` names; None when it cannot be read (which is told)."""
        document = self.open(path, text)
        return None if document is None else self.descend(path, document, kind)

    def open(self, path: KeyPath, text: str) -> Document | None:
        """The YAML file that the value at `path` names, read; None when it cannot be (which is told)."""
        place = absolute(self.document, text)
        if self.library.kind_of(place) != "file":
            if self.options.paths:
                self.problems.append(missing_path(self.document, path, text, what="file"))
            return None
        try:
            return self.library.read(place, source=beside(self.document, text))
        except InvalidSpecError as error:
            self._adopt(error.problems)
        except MlctlError as error:
            self.error("missing_path", path, error.message, value=text, hint=error.hint)
        return None

    def descend(self, path: KeyPath, document: Document, kind: Kind) -> SpecCheck | None:
        """The check of a nested file's document, its problems taken over; None for files that lead to themselves."""
        found = self.look_into(path, document, kind)
        if found is None:
            return None
        # a component that is named by its file is anonymous: what its own name says does not count
        anonymous = kind.family == "component"
        own = (document.source, "name")
        self._adopt(
            [problem for problem in found.problems if not (anonymous and (problem.source, problem.path) == own)]
        )
        return found

    def look_into(self, path: KeyPath, document: Document, kind: Kind) -> SpecCheck | None:
        """The check of a nested file's document, made once in a run; None for files that lead to themselves, which is
        told."""
        place = document.place
        if place in self.trail:
            message = f"'{dotted(path)}': {document.source} leads back to itself"
            self.error("file_cycle", path, message, hint="a pipeline cannot contain itself; name another file")
            return None
        if len(self.trail) >= DEEPEST_FILES:
            message = f"'{dotted(path)}': {document.source} is the {DEEPEST_FILES + 1}th of files that name each other"
            self.error("file_cycle", path, message, hint="put fewer pipelines into each other")
            return None
        key = (place, kind.name)
        if key not in self.nested:
            trail = (*self.trail, place)
            self.nested[key] = check_document(
                document, kind, self.options, self.library, trail=trail, nested=self.nested
            )
        return self.nested[key]

    def _adopt(self, problems: list[Problem]) -> None:
        if not problems:
            return
        known = {(found.source, found.line, found.column, found.code, found.path) for found in self.problems}
        self.problems += [
            found for found in problems if (found.source, found.line, found.column, found.code, found.path) not in known
        ]


def check_document(
    document: Document,
    kind: Kind,
    options: CheckOptions | None = None,
    library: Library | None = None,
    *,
    trail: tuple[str, ...] = (),
    nested: dict[tuple[str, str], SpecCheck] | None = None,
) -> SpecCheck:
    """Check a document against everything that is known about its kind; `problems` of the result are in file order."""
    from mlctl.spec.rules import rules_of

    checked = check(document, kind.name)
    data, problems = checked.data, checked.problems
    unknown = _unknown_type(document, kind)
    if unknown is not None:
        problems = [unknown, *(found for found in problems if found.path != unknown.path)]
    root = load_schema(kind.name)
    mistakes = join_problems(document, root, [*problems, *checked.warnings])
    refused = {found.path for found in (*problems, *mistakes.problems) if found.severity == ERROR}
    spec = SpecCheck(
        document=document,
        kind=kind,
        data=data,
        root=root,
        options=options or CheckOptions(),
        library=library or Library(),
        marked=checked.marked,
        problems=mistakes.problems,
        trail=trail or (document.place,),
        refused=mistakes.unknown | refused,
        misspelt=mistakes.misspelt,
        nested={} if nested is None else nested,
    )
    if isinstance(data, dict):
        for rule in rules_of(kind, secrets=spec.options.secrets):
            rule(spec)
    spec.problems = in_file_order(_distinct(spec.problems), document.source)
    spec.is_done = True
    return spec


def _distinct(problems: list[Problem]) -> list[Problem]:
    """Each problem once, wherever it was noticed, and none with a secret in it."""
    found = {
        (problem.source, problem.line, problem.column, problem.code, problem.message): problem for problem in problems
    }
    if not found:
        return []
    from mlctl.spec.rules.secrets import hidden

    return [hidden(problem) for problem in found.values()]


def _unknown_type(document: Document, kind: Kind) -> Problem | None:
    """The problem of a `type` that no kind of the family has; the schema knows the type of its own kind only."""
    key = "kind" if kind.family == "workspace" else "type"
    value = document.data.get(key) if isinstance(document.data, dict) else None
    types = TYPES.get(kind.family)
    if types is None or not isinstance(value, str) or kind.family == "connection" or kind_of_type(kind.family, value):
        return None
    if key == "kind" and value.lower() == "default":
        return None
    allowed = ", ".join(types)
    hint = did_you_mean(value, types, otherwise=f"use one of: {allowed}")
    message = f"'{key}' cannot be '{value}'"
    return document.problem("not_allowed", (key,), message, value=value, expected=f"one of: {allowed}", hint=hint)
