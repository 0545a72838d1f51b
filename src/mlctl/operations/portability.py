"""What would change if a spec ran on another back end: every key against the table of capabilities, line by line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from mlctl.backends.capabilities import (
    BACKENDS,
    FATES,
    HONOURED,
    REFUSED,
    YES,
    Fate,
    KeyPath,
    fates_of,
    has_rows_below,
    ignored,
)
from mlctl.backends.capabilities.kinds import fate_of_document, part_at, sections_of, sections_of_part
from mlctl.environments.curated import CuratedTable, load_table
from mlctl.errors import MlctlError, UsageError
from mlctl.operations.spec_files import SpecFile
from mlctl.operations.validation import SKIPPED, Checker, Demands, FileReport
from mlctl.operations.value_forms import Spot, meaning_of, shown
from mlctl.spec.check import CheckOptions, SpecCheck, check_document
from mlctl.spec.document import dotted
from mlctl.spec.kinds import KINDS
from mlctl.spec.paths import absolute, beside
from mlctl.spec.problems import ERROR
from mlctl.spec.references import FILE, parse

AS_IT_IS, WITH_DIFFERENCES, DOES_NOT_RUN = "runs as it is", "runs with differences", "does not run"
VERDICTS = (AS_IT_IS, WITH_DIFFERENCES, DOES_NOT_RUN)

_UNKNOWN = ignored("mlctl's table of capabilities does not know this key")
_SECRET = re.compile(r"credential|environment_variables|password|secret|token|_key\b|keys\b|connection_string")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one back end makes of one key. `fate`: a word of FATES. `value` is None for maps, lists and secrets."""

    file: str
    line: int
    column: int
    field: str
    value: str | None
    backend: str
    fate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one back end makes of one file and of those it names: one of VERDICTS, and the number of keys by fate."""

    file: str
    kind: str
    backend: str
    verdict: str
    honoured: int
    approximated: int
    ignored: int
    refused: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found. `skipped`: files that are no specs, and why. `wrong`: files with errors, and how many (0: the
    file cannot be read at all)."""

    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    skipped: dict[str, str]
    wrong: dict[str, int]


def chosen_backends(words: Sequence[str] | None) -> tuple[str, ...]:
    """Back ends from options, each a list parted by commas; all without. Raises UsageError for an unknown one."""
    names = [name.strip().lower() for word in words or () for name in word.split(",") if name.strip()]
    unknown = next((name for name in names if name not in BACKENDS), None)
    if unknown is not None:
        raise UsageError(f"no back end named '{unknown}'", hint=f"back ends: {', '.join(BACKENDS)}")
    return tuple(dict.fromkeys(names)) or BACKENDS


def report_on(
    files: Iterable[SpecFile],
    backends: Sequence[str],
    *,
    curated: CuratedTable | None = None,
    fates: Collection[str] = FATES,
) -> Report:
    """What each back end makes of each spec among the files. What is wrong in one is counted; `validate` tells it.

    `fates`: findings of other fates are counted in the verdicts and let go.
    """
    curated, checker = curated or load_table(), Checker(Demands(CheckOptions(paths=False)))
    findings: dict[Finding, None] = {}
    verdicts: list[Verdict] = []
    skipped: dict[str, str] = {}
    wrong: dict[str, int] = {}
    for file in files:
        spec = checker.look_at(file)
        if isinstance(spec, FileReport):
            if spec.result == SKIPPED:
                skipped[file.source] = spec.reason
            else:
                wrong[file.source] = 0
            continue
        errors = sum(1 for problem in spec.problems if problem.severity == ERROR)
        if errors:
            wrong[file.source] = errors
        if isinstance(spec.data, dict):
            told, judged = examine(spec, backends, curated=curated)
            findings.update(dict.fromkeys(found for found in told if found.fate in fates))
            # what is wrong runs nowhere
            verdicts += [replace(one, verdict=DOES_NOT_RUN) for one in judged] if errors else judged
    return Report(_by_file(findings, backends), tuple(verdicts), skipped, wrong)


def _by_file(findings: Iterable[Finding], backends: Sequence[str]) -> tuple[Finding, ...]:
    """What is said of a file that others name stands together, with what is said of it by itself."""
    given = list(findings)
    files = {name: number for number, name in enumerate(dict.fromkeys(found.file for found in given))}
    order = {name: number for number, name in enumerate(backends)}
    return tuple(sorted(given, key=lambda one: (files[one.file], one.line, one.column, one.field, order[one.backend])))


def examine(
    spec: SpecCheck, backends: Sequence[str], *, curated: CuratedTable | None = None
) -> tuple[list[Finding], list[Verdict]]:
    """Findings of a checked document and of the files it names, in file order; and a verdict for each back end.

    What a back end refuses or approximates as a whole is one finding; the keys in it are not told one by one.
    """
    walk = _Walk(curated or load_table())
    findings = list(walk.document(spec, backends))
    running = [name for name in backends if fate_of_document(spec.kind.name, name).word != REFUSED]
    for nested in _files_of(spec, {}).values():
        findings += walk.keys_of(nested, running)
    findings = list(dict.fromkeys(findings))
    verdicts = [_verdict(spec, name, [found for found in findings if found.backend == name]) for name in backends]
    return findings, verdicts


def _files_of(spec: SpecCheck, found: dict[tuple[str, str], SpecCheck]) -> dict[tuple[str, str], SpecCheck]:
    """The specs that a spec names and that those name, each once."""
    for nested in spec.files.values():
        if nested is not None and (key := (nested.document.place, nested.kind.name)) not in found:
            found[key] = nested
            _files_of(nested, found)
    return found


def _verdict(spec: SpecCheck, backend: str, findings: Sequence[Finding]) -> Verdict:
    counts = {fate: sum(1 for found in findings if found.fate == fate) for fate in FATES}
    differs = len(findings) > counts[HONOURED]
    verdict = DOES_NOT_RUN if counts[REFUSED] else WITH_DIFFERENCES if differs else AS_IT_IS
    return Verdict(spec.document.source, spec.kind.name, backend, verdict, *(counts[fate] for fate in FATES))


@dataclass(frozen=True, slots=True)
class _Walk:
    curated: CuratedTable

    def document(self, spec: SpecCheck, backends: Sequence[str]) -> Iterator[Finding]:
        """The document as a whole, then its keys for those back ends that take it."""
        running = []
        path = _kind_key(spec.data)
        for name in backends:
            fate = fate_of_document(spec.kind.name, name)
            if fate.word != HONOURED:
                value = spec.data[path[0]] if path else None
                yield _finding(spec, path, value, backend=name, fate=fate, facts={"title": spec.kind.title})
            if fate.word != REFUSED:
                running.append(name)
        yield from self.keys_of(spec, running)

    def keys_of(self, spec: SpecCheck, backends: Sequence[str]) -> list[Finding]:
        """The keys of a document, in file order."""
        found = self._part(spec, (), spec.data, sections_of(spec.kind.name), backends)
        order = {name: number for number, name in enumerate(backends)}
        own = spec.document.source
        return sorted(found, key=lambda one: (one.file != own, one.line, one.column, order[one.backend]))

    def _part(
        self,
        spec: SpecCheck,
        path: KeyPath,
        value: Mapping[str, Any],
        sections: tuple[str, ...],
        backends: Sequence[str],
    ) -> Iterator[Finding]:
        """A spec, or a part of one that reads sections of its own."""
        scope = _Scope(spec, path, value, sections, _wrong(spec))
        fates = fates_of(sections, (), ()) or {}
        told = [name for name in backends if fates.get(name, YES).word != HONOURED]
        for name in told:
            place = (*path, *_kind_key(value))
            yield _finding(spec, place, value.get("type"), backend=name, fate=fates[name], facts={})
        yield from self._children(scope, (), value, [name for name in backends if name not in told])

    def _children(self, scope: _Scope, at: KeyPath, value: Any, backends: Sequence[str]) -> Iterator[Finding]:
        items: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, Mapping) else enumerate(value)
        parent = value if isinstance(value, Mapping) else {}
        for key, item in items if backends else ():
            if dotted((*scope.path, *at, key)) not in scope.wrong:
                yield from self._value(scope, (*at, key), item, parent, backends)

    def _value(
        self, scope: _Scope, at: KeyPath, value: Any, parent: Mapping[str, Any], backends: Sequence[str]
    ) -> Iterator[Finding]:
        spec, path = scope.spec, (*scope.path, *at)
        meaning = meaning_of(Spot(at, value, parent, scope.part, self.curated))
        fates = fates_of(scope.sections, at, meaning.words)
        part = part_at(scope.sections, at) if isinstance(value, (Mapping, str)) and value else None
        if part and isinstance(value, str):
            told = [name for name in backends if (fates or {}).get(name, YES).word != HONOURED]
            yield from self._environment_file(spec, part, value, [name for name in backends if name not in told])
            part = None
        goes_on = bool(value) and isinstance(value, (Mapping, list)) and has_rows_below(scope.sections, at)
        if fates is None and not (part or goes_on):
            fates = dict.fromkeys(BACKENDS, _UNKNOWN)
        fates = fates or dict.fromkeys(BACKENDS, YES)
        deeper = [name for name in backends if fates[name].word == HONOURED and (part or goes_on)]
        for name in backends:
            if name not in deeper:
                yield _finding(spec, path, value, backend=name, fate=fates[name], facts=meaning.facts)
        if part:
            yield from self._part(spec, path, value, sections_of_part(part, value), deeper)
        elif goes_on:
            yield from self._children(scope, at, value, deeper)

    def _environment_file(self, spec: SpecCheck, part: str, text: str, backends: Sequence[str]) -> Iterator[Finding]:
        """The keys of an environment's own file; the rules read it without making it a document of its own."""
        reference = parse(text)
        if not part.endswith("environment") or reference.kind != FILE:
            return
        place = absolute(spec.document, reference.path or "")
        with suppress(MlctlError):
            document = spec.library.read(place, source=beside(spec.document, reference.path or ""))
            nested = check_document(document, KINDS["environment"], CheckOptions(paths=False), spec.library)
            yield from self._part(nested, (), nested.data, ("asset", *sections_of_part(part, {})), backends)


@dataclass(frozen=True, slots=True)
class _Scope:
    """A part of a document: where it begins, its data, and the sections of the table that it reads.

    `wrong`: what validation refuses or does not know; that is told there.
    """

    spec: SpecCheck
    path: KeyPath
    part: Mapping[str, Any]
    sections: tuple[str, ...]
    wrong: frozenset[str]


def _wrong(spec: SpecCheck) -> frozenset[str]:
    unknown = {found.path for found in spec.problems if found.code == "unknown_key"}
    return spec.refused | unknown


def _kind_key(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The key that says what a document is; none when it goes without."""
    return next(((key,) for key in ("type", "kind") if key in data), ())


def _finding(
    spec: SpecCheck, path: KeyPath, value: Any, *, backend: str, fate: Fate, facts: Mapping[str, str]
) -> Finding:
    source, line, column = spec.document.locate(path, on_key=True)
    field = dotted(path) or "*"
    return Finding(
        file=source,
        line=line,
        column=column,
        field=field,
        value=None if value is None or _SECRET.search(field) else shown(value) or None,
        backend=backend,
        fate=fate.word,
        reason=fate.reason.format_map(facts),
    )
