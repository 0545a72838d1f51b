"""`mlctl validate`: any number of spec files, offline, for people, editors, hooks and CI."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlctl.cli.command import NOWHERE, Result, command
from mlctl.cli.names import complete_kinds
from mlctl.context import Context
from mlctl.errors import InvalidSpecError, NotFoundError, UsageError
from mlctl.output.streams import Level

if TYPE_CHECKING:
    from mlctl.operations.spec_files import SpecFile
    from mlctl.operations.validation import Demands, FileReport
    from mlctl.spec.kinds import Kind
    from mlctl.spec.problems import Problem

FORMATS = ("text", "sarif", "junit", "github")

_FEW = 128
"""Files up to which more processes cost more than they bring."""

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH…", help="Files, folders, globs, or - for standard input.", show_default=False),
]


@command(scope=NOWHERE, view="validate", formats=FORMATS)
def validate(
    context: Context,
    *,
    paths: Paths = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", "-k", metavar="KIND", autocompletion=complete_kinds, help="Take every file for that kind of spec."
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What an option of the command could still supply is an error.")
    ] = False,
    warnings_as_errors: Annotated[bool, typer.Option("--warnings-as-errors", help="Warnings are errors.")] = False,
    no_paths: Annotated[bool, typer.Option("--no-paths", help="Do not look whether local files are there.")] = False,
    no_secrets: Annotated[bool, typer.Option("--no-secrets", help="Refuse keys and tokens in plain text.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Show the mechanical fixes as a diff, ask, and make them.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do not ask.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Check again whenever a file changes, until Ctrl-C.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, metavar="NUMBER", help="Processes; all cores for many files.")
    ] = None,
) -> Result:
    """Check Azure ML specs offline: every problem, with line, column and what to do.

    Files that are no Azure ML spec are skipped. Exit code 5 when a file is wrong. mlctl explain tells more of a code.
    """
    from mlctl.cli.verbs import standard_input
    from mlctl.operations.spec_files import find_spec_files
    from mlctl.operations.validation import Demands, check_files
    from mlctl.spec.check import CheckOptions

    if not paths:
        raise UsageError(
            "mlctl validate needs a file or a folder", hint="mlctl validate . checks everything below here"
        )
    demands = Demands(
        CheckOptions(paths=not no_paths, secrets=no_secrets),
        _kind_of(kind) if kind else None,
        strict=strict,
        warnings_are_errors=warnings_as_errors,
    )
    if fix and no_secrets:
        raise UsageError("--fix shows what it changes, --no-secrets must not", hint="run them one after the other")
    if watch and ("-" in paths or fix):
        raise UsageError("--watch goes neither with standard input nor with --fix", hint="leave one of them out")
    if watch:
        return Result(log=_watch(context, paths, demands))
    files = find_spec_files(paths, stdin=standard_input(paths))
    if fix:
        _fix(context, files, demands, yes=yes)
    found = check_files(files, demands, jobs=jobs or _processes(len(files)))
    return _present(context, found)


def _kind_of(name: str) -> Kind:
    from mlctl.operations.schemas import find_kind

    try:
        return find_kind(name)
    except NotFoundError as error:
        raise UsageError(f"--kind {name}: {error.message}", hint=error.hint) from error


def _present(context: Context, found: Iterable[FileReport]) -> Result:
    """The findings in the format that was asked for, and the exit code."""
    from mlctl.operations.validation import FAILED, report_of

    style = context.report_format
    if style in ("", "text") and not context.query:
        return _as_text(context, found)
    reports = list(found)
    report = report_of(reports)
    code = InvalidSpecError.exit_code if report["result"] == FAILED else 0
    if style in ("", "text"):
        return Result(report, exit_code=code)
    if style in ("table", "tsv") and not context.query:
        return Result(_rows(report), exit_code=code)
    if style not in FORMATS:
        return Result(report, exit_code=code)
    from mlctl.output.reports import render_report
    from mlctl.spec.codes import describe

    words = {found.code for file in reports for found in file.problems}
    text = render_report(report, style, describe(words), folder=os.getcwd())  # noqa: PTH109
    return Result(log=[text.encode()], exit_code=code)


def _as_text(context: Context, found: Iterable[FileReport]) -> Result:
    """Problems on stdout, what was skipped and the sum on stderr."""
    count, lines = _tell(context, found)
    return Result(log=lines, exit_code=InvalidSpecError.exit_code if count["Failed"] else 0)


def _tell(context: Context, found: Iterable[FileReport]) -> tuple[dict[str, int], list[bytes]]:
    """How many files had which result, and the problems as text, each once; the rest is said on stderr."""
    from mlctl.operations.validation import FAILED, SKIPPED, SUCCEEDED, UNFINISHED

    count = dict.fromkeys((SUCCEEDED, UNFINISHED, FAILED, SKIPPED), 0)
    told: dict[tuple[Any, ...], bytes] = {}
    quiet = context.say.level == Level.ERROR
    for report in found:
        count[report.result] += 1
        if report.result == SKIPPED and not quiet:
            context.streams.write_talk(f"{report.file}: skipped, {report.reason}\n")
        for problem in report.problems:
            key = (problem.source, problem.line, problem.column, problem.code, problem.path, problem.message)
            told.setdefault(key, _rendered(problem))
    if not quiet:
        context.streams.write_talk(f"{_sum(count)}\n")
    return count, list(told.values())


def _rendered(problem: Problem) -> bytes:
    from mlctl.operations.concealing import concealed_problem
    from mlctl.spec.problems import render_problem

    return f"{render_problem(concealed_problem(problem))}\n".encode()


def _sum(count: dict[str, int]) -> str:
    checked = sum(count.values()) - count["Skipped"]
    parts = [f"{checked} {'file' if checked == 1 else 'files'} checked"]
    parts += [f"{count[result]} {word}" for result, word in _WORDS.items() if count[result]]
    return ", ".join(parts) if checked or count["Skipped"] else "no YAML files there"


_WORDS = {"Failed": "wrong", "Incomplete": "incomplete", "Skipped": "skipped (no Azure ML specs)"}


def _rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each problem."""
    return [problem for file in report["files"] for group in ("errors", "warnings", "notes") for problem in file[group]]


def _processes(files: int) -> int:
    return 1 if files <= _FEW else os.cpu_count() or 1


def _fix(context: Context, files: Sequence[SpecFile], demands: Demands, *, yes: bool) -> None:
    """Show what would be changed, ask, and change it. Raises NotConfirmedError when nobody says yes."""
    from mlctl.cli.verbs import confirm
    from mlctl.operations.fixing import plan_fixes, write_fixes
    from mlctl.operations.validation import kinds_of, problems_with

    named = {file.source for file in files}

    def check(changed: Any = None) -> list[Any]:
        # a component that a spec names is changed only when it was named here, too
        return [problem for problem in problems_with(files, demands, changed) if problem.source in named]

    plan = plan_fixes(check(), recheck=check, kinds=kinds_of(files, demands))
    if not plan.files:
        context.say.hint("nothing can be fixed mechanically")
        return
    context.streams.write_talk(plan.diff)
    names = ", ".join(file.source for file in plan.files[:5]) + (", …" if len(plan.files) > 5 else "")
    confirm(context, yes=yes, what=f"change {names} as shown above")
    write_fixes(plan.files)


def _watch(context: Context, paths: list[str], demands: Demands) -> Iterator[bytes]:
    """Check everything, and again whenever a file changes, for as long as the user wants."""
    from mlctl.operations.spec_files import find_spec_files
    from mlctl.operations.validation import check_files
    from mlctl.operations.watching import changes

    changed = changes([Path(path) for path in paths])
    while True:
        _, lines = _tell(context, check_files(find_spec_files(paths), demands))
        yield from lines
        found = next(changed, None)
        if found is None:
            # Ctrl-C ends the waiting
            raise KeyboardInterrupt
        names = sorted(str(path) for path in found)
        context.streams.write_talk(f"\nchanged: {', '.join(names[:5])}\n")
