"""`mlctl lint`: what would change if specs ran on another back end, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlctl.cli.command import NOWHERE, Result, command
from mlctl.cli.names import complete_backend_lists
from mlctl.context import Context
from mlctl.errors import InvalidSpecError, UnsupportedError, UsageError

if TYPE_CHECKING:
    from mlctl.operations.portability import Finding, Report, Verdict

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH…", help="Files, folders, globs, or - for standard input.", show_default=False),
]


@command(scope=NOWHERE, view="lint", formats=("text",))
def lint(
    context: Context,
    *,
    paths: Paths = None,
    backend: Annotated[
        str | None,
        typer.Option(
            "--backend",
            metavar="NAMES",
            autocompletion=complete_backend_lists,
            help="local, docker, kubernetes, azureml, parted by commas; all without.",
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what is honoured, too.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="One row for each file and back end.")] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 9 when a back end refuses something, with 5 when a file is wrong."),
    ] = False,
) -> Result:
    """Show what each back end honours, approximates, ignores or refuses in specs, by file and line.

    honoured: as Azure ML documents it. approximated: with a difference. ignored: left out, and the rest runs.
    refused: the document does not run there. For back ends that are not built yet, it is what they are designed to do.
    """
    from mlctl.backends.capabilities import FATES, HONOURED
    from mlctl.cli.verbs import standard_input
    from mlctl.environments.curated import load_table
    from mlctl.operations.portability import chosen_backends, report_on
    from mlctl.operations.spec_files import find_spec_files

    if not paths:
        raise UsageError("mlctl lint needs a file or a folder", hint="mlctl lint . looks at everything below here")
    backends = chosen_backends([backend] if backend else None)
    table = context.settings.text("environments.map")
    curated = load_table(Path(table) if table else None)
    fates = [fate for fate in FATES if everything or fate != HONOURED]
    report = report_on(find_spec_files(paths, stdin=standard_input(paths)), backends, curated=curated, fates=fates)
    shown = report.findings
    _tell(context, report, backends)
    return _result(context, report, shown, summary=summary, exit_code=_exit_code(report) if strict else 0)


def _exit_code(report: Report) -> int:
    if any(verdict.refused for verdict in report.verdicts):
        return UnsupportedError.exit_code
    return InvalidSpecError.exit_code if report.wrong else 0


def _result(context: Context, report: Report, shown: Sequence[Finding], *, summary: bool, exit_code: int) -> Result:
    style = context.report_format
    if style in ("", "text") and not context.query:
        text = _verdict_text(report.verdicts) if summary else _finding_text(shown)
        return Result(log=text, exit_code=exit_code)
    if summary:
        return Result(report.verdicts, view="lint summary", exit_code=exit_code)
    if style in ("table", "tsv"):
        return Result(shown, exit_code=exit_code)
    value: dict[str, Any] = {
        "findings": shown,
        "verdicts": report.verdicts,
        "skipped": [{"file": file, "reason": reason} for file, reason in report.skipped.items()],
        "wrong": [{"file": file, "errors": errors} for file, errors in report.wrong.items()],
    }
    return Result(value, exit_code=exit_code)


def _finding_text(findings: Sequence[Finding]) -> Iterator[bytes]:
    """A key with its place, and below it what each back end makes of it; back ends that do the same stand together."""
    for place, found in groupby(findings, key=lambda one: (one.file, one.line, one.column, one.field, one.value)):
        file, line, column, field, value = place
        lines = [f"{file}:{line}:{column}: {field}" + (f": {value}" if value else "")]
        said: dict[tuple[str, str], list[str]] = {}
        for one in found:
            said.setdefault((one.fate, one.reason), []).append(one.backend)
        lines += [
            f"  {', '.join(names)}: {fate}" + (f", {reason}" if reason else "")
            for (fate, reason), names in said.items()
        ]
        yield ("\n".join(lines) + "\n").encode()


def _verdict_text(verdicts: Sequence[Verdict]) -> Iterator[bytes]:
    for one in verdicts:
        yield f"{one.file}: {one.backend}: {one.verdict}{_counts(one)}\n".encode()


def _counts(verdict: Verdict) -> str:
    parts = [f"{count} {word}" for word in ("approximated", "ignored", "refused") if (count := getattr(verdict, word))]
    return f" ({', '.join(parts)})" if parts else ""


def _tell(context: Context, report: Report, backends: Sequence[str]) -> None:
    """On stderr: what was left out, what is wrong, and a line for each back end."""
    from mlctl.backends import KNOWN
    from mlctl.operations.portability import VERDICTS

    for file, reason in report.skipped.items():
        context.say.note(f"{file}: skipped, {reason}")
    for file, errors in report.wrong.items():
        what = f"{errors} {'error' if errors == 1 else 'errors'} in it" if errors else "cannot be read"
        context.say.warning(f"{file}: {what}; mlctl validate says more")
    for name in backends:
        own = [verdict for verdict in report.verdicts if verdict.backend == name]
        if len(own) == 1:
            text = own[0].verdict + _counts(own[0])
        else:
            counted = {word: sum(1 for one in own if one.verdict == word) for word in VERDICTS}
            text = (
                ", ".join(f"{count} {_PLURALS[word]}" for word, count in counted.items() if count) or "no specs there"
            )
        planned = "" if name in KNOWN else "; not built yet, this is what it is designed to do"
        context.say.note(f"{name}: {text}{planned}")


_PLURALS = {
    "runs as it is": "run as they are",
    "runs with differences": "run with differences",
    "does not run": "do not run",
}
