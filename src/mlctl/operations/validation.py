"""Many spec files are checked: found in folders, told apart, checked, and reported as plain data.

Files are independent of each other; with `jobs` > 1 they are shared out to processes, in pieces of neighbouring files,
so that a component that several pipelines name is read once in each process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mlctl.errors import InvalidSpecError, MlctlError, UnavailableError
from mlctl.operations.spec_files import SpecFile, read_spec_file
from mlctl.spec.check import CheckOptions, SpecCheck, check_document
from mlctl.spec.codes import code_of
from mlctl.spec.detection import detect, foreign_text, looks_like_spec, refine
from mlctl.spec.document import Document
from mlctl.spec.kinds import KINDS, Kind, default_kind
from mlctl.spec.library import Library
from mlctl.spec.overrides import override_document
from mlctl.spec.problems import ERROR, INCOMPLETE, WARNING, Problem

SUCCEEDED, FAILED, UNFINISHED, SKIPPED = "Succeeded", "Failed", "Incomplete", "Skipped"
"""Results of one file. Incomplete: what it lacks can be given with an option of the command that takes it."""

PIECE = 64
"""Files that a process takes at a time."""


class FileReport(NamedTuple):
    """What was found in one file. `kind` is the schema's name, None when skipped; `reason` says why it was skipped."""

    file: str
    kind: str | None
    result: str
    reason: str = ""
    problems: tuple[Problem, ...] = ()


class Demands(NamedTuple):
    """What is asked of the files.

    `kind`: they are of this kind, whatever they look like. `strict`: what is incomplete is an error.
    `warnings_are_errors`: warnings too.
    """

    options: CheckOptions = CheckOptions()
    kind: Kind | None = None
    strict: bool = False
    warnings_are_errors: bool = False


class Checker:
    """Checks file after file and keeps what they have in common: files that several of them name."""

    def __init__(self, demands: Demands, library: Library | None = None) -> None:
        self.demands = demands
        self.library = library or Library()
        self.nested: dict[tuple[str, str], SpecCheck] = {}

    def check(self, file: SpecFile) -> FileReport:
        """Check one file. A file that cannot be read is a failed one; nothing is raised."""
        found = self.look_at(file)
        if isinstance(found, FileReport):
            return found
        # a file that a spec has named before is called by that name
        name = found.document.source
        return self._judge(FileReport(name, found.kind.name, SUCCEEDED, problems=tuple(found.problems)))

    def look_at(self, file: SpecFile) -> SpecCheck | FileReport:
        """The check of one file; a report when it cannot be read, or is no spec."""
        self._forget()
        try:
            document = read_spec_file(file, self.library)
        except InvalidSpecError as error:
            return self._unreadable(file, error)
        except MlctlError as error:
            problem = Problem("unreadable", "", error.message, source=file.source, hint=error.hint)
            return FileReport(file.source, None, FAILED, problems=(problem,))
        kind, reason = self._kind(document)
        if kind is None:
            return self._skip(file, document, reason)
        return self._check(document, kind)

    def _skip(self, file: SpecFile, document: Document, reason: str) -> FileReport:
        """A file that is no spec; where secrets are looked for, it must hold none either."""
        if self.demands.options.secrets:
            from mlctl.spec.rules.secrets import plain_secrets

            found = plain_secrets(document)
            if found:
                return FileReport(file.source, None, FAILED, reason, tuple(found))
        return FileReport(file.source, None, SKIPPED, reason)

    def _check(self, document: Document, kind: Kind) -> SpecCheck:
        """The check of a document; one that another spec has named before was checked then."""
        key = (document.place, kind.name)
        if key in self.nested:
            return self.nested[key]
        found = check_document(document, kind, self.demands.options, self.library, trail=(key[0],), nested=self.nested)
        if any(problem.code == "file_cycle" for problem in found.problems):
            # where a circle of files is told depends on the file that one comes from: it is not kept for other files
            self.nested = {
                place: check
                for place, check in self.nested.items()
                if all(problem.code != "file_cycle" for problem in check.problems)
            }
        else:
            self.nested[key] = found
        return found

    def _kind(self, document: Document) -> tuple[Kind | None, str]:
        if self.demands.kind is not None:
            return refine(self.demands.kind, document.data), ""
        found = detect(document.data)
        return found.kind, found.reason

    def _unreadable(self, file: SpecFile, error: InvalidSpecError) -> FileReport:
        """A file that is no YAML may still be told to be something else: a chart's template, several manifests."""
        text = _start_of(file)
        reason = foreign_text(text) if self.demands.kind is None else None
        if reason is None and self.demands.kind is None and file.found and not looks_like_spec(text):
            from mlctl.operations.concealing import concealed

            why = concealed(error.problems[0].message)
            reason = f"cannot be read as YAML, and nothing in it speaks of Azure ML ({why})"
        if reason is not None:
            return FileReport(file.source, None, SKIPPED, reason)
        return FileReport(file.source, None, FAILED, problems=tuple(error.problems))

    def _judge(self, report: FileReport) -> FileReport:
        demands = self.demands
        severities = {
            INCOMPLETE: ERROR if demands.strict else INCOMPLETE,
            WARNING: ERROR if demands.warnings_are_errors else WARNING,
        }
        problems = tuple(
            found._replace(severity=severities[found.severity])
            if severities.get(found.severity, found.severity) != found.severity
            else found
            for found in report.problems
        )
        present = {found.severity for found in problems}
        result = FAILED if ERROR in present else UNFINISHED if INCOMPLETE in present else SUCCEEDED
        return report._replace(result=result, problems=problems)

    def _forget(self) -> None:
        """What is kept is bounded: ten thousand files must not be held at once."""
        if len(self.nested) > MOST_KEPT or len(self.library) > MOST_KEPT:
            self.nested.clear()
            self.library.forget()


MOST_KEPT = 500
"""Files named by others that are kept checked."""


def check_files(files: Iterable[SpecFile], demands: Demands, *, jobs: int = 1) -> Iterator[FileReport]:
    """Check files, in their order, with up to `jobs` processes."""
    waiting = list(files)
    pieces = [waiting[start : start + PIECE] for start in range(0, len(waiting), PIECE)]
    if jobs <= 1 or len(pieces) <= 1:
        checker = Checker(demands)
        for file in waiting:
            yield checker.check(file)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    with ProcessPoolExecutor(min(jobs, len(pieces)), initializer=_start, initargs=(demands,)) as pool:
        try:
            for reports in pool.map(_check_piece, pieces):
                yield from reports
        except BrokenProcessPool as error:
            message = "a process that checks files was ended from outside, perhaps for want of memory"
            raise UnavailableError(message, hint="try again with -j 1") from error


def problems_with(
    files: Sequence[SpecFile], demands: Demands, changed: Mapping[Path, Document] | None = None
) -> list[Problem]:
    """All problems of files, those in `changed` (by absolute place) as they would be after a change."""
    library = Library()
    for place, document in (changed or {}).items():
        library.add(Path(place), document)
    checker = Checker(demands, library)
    return [problem for file in files for problem in checker.check(file).problems]


def kinds_of(files: Sequence[SpecFile], demands: Demands) -> dict[str, Kind]:
    """The kind that was forced on files, by source; empty when each file says itself what it is."""
    return {file.source: demands.kind for file in files} if demands.kind is not None else {}


def check_one(
    file: SpecFile, family: str, *, overrides: Sequence[str] = (), fields: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Problems of one file that is of that family (`job`, `component`, …), with `--set` values put on it.

    Raises NotFoundError, AuthError and UsageError; a file that is no YAML gives the reader's problems.
    """

    fallback = default_kind(family)
    assert fallback is not None, family
    try:
        document = read_spec_file(file)
        override_document(document, overrides, fields or {})
    except InvalidSpecError as error:
        return list(error.problems)
    return check_document(document, refine(fallback, document.data)).problems


def report_of(reports: Sequence[FileReport]) -> dict[str, Any]:
    """All that was found, as data: {"result", "summary", "files": [{"file", "kind", "result", "errors", …}]}."""
    files = [_file_data(report) for report in reports]
    count = {
        result: sum(1 for report in reports if report.result == result) for result in (FAILED, UNFINISHED, SKIPPED)
    }
    return {
        "result": FAILED if count[FAILED] else SUCCEEDED,
        "summary": {
            "checked": len(reports) - count[SKIPPED],
            "failed": count[FAILED],
            "incomplete": count[UNFINISHED],
            "skipped": count[SKIPPED],
            "errors": sum(len(file["errors"]) for file in files),
            "warnings": sum(len(file["warnings"]) for file in files),
        },
        "files": files,
    }


def problem_data(problem: Problem, kind: str | None = None) -> dict[str, Any]:
    """A problem as data for reports, without secrets; `kind` of its file leads to the page that documents the keys."""
    from mlctl.operations.concealing import concealed_problem

    problem = concealed_problem(problem)
    return {
        "code": code_of(problem.code),
        "rule": problem.code,
        "severity": problem.severity,
        "message": problem.message,
        "path": problem.path or "*",
        "value": problem.value,
        "expected": problem.expected,
        "hint": problem.hint,
        "file": problem.source,
        "line": problem.line or None,
        "column": problem.column or None,
        "location": f"{problem.source}#line {problem.line}" if problem.line else problem.source,
        "excerpt": problem.excerpt,
        "help": KINDS[kind].address if kind else None,
    }


def _file_data(report: FileReport) -> dict[str, Any]:
    by_severity: dict[str, list[dict[str, Any]]] = {ERROR: [], WARNING: [], INCOMPLETE: []}
    for problem in report.problems:
        by_severity[problem.severity].append(problem_data(problem, report.kind))
    return {
        "file": report.file,
        "kind": report.kind,
        "result": report.result,
        "reason": report.reason or None,
        "errors": by_severity[ERROR],
        "warnings": by_severity[WARNING],
        "notes": by_severity[INCOMPLETE],
    }


_checker: Checker | None = None


def _start(demands: Demands) -> None:
    """A process of the pool keeps one checker for all its pieces."""
    global _checker  # noqa: PLW0603 - a pool's process has no other place for it
    _checker = Checker(demands)


def _check_piece(files: list[SpecFile]) -> list[FileReport]:
    assert _checker is not None
    return [_checker.check(file) for file in files]


def _start_of(file: SpecFile) -> str:
    if file.content is not None:
        return file.content[:_ENOUGH].decode("utf-8", errors="replace")
    with Path(file.path).open("rb") as stream:
        return stream.read(_ENOUGH).decode("utf-8", errors="replace")


_ENOUGH = 64 * 1024
