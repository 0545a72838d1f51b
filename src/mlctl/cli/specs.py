"""The verb `validate`, which every group has whose specs az takes from a file; groups that have only this live here."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import typer

from mlctl.cli.command import Result, Verb, command, verb_of
from mlctl.cli.options import POLICY, File, SetValues
from mlctl.context import Context
from mlctl.errors import InvalidSpecError

Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit code 5 when the file is wrong, or when options must still give something."),
]


@functools.cache
def validate_verb(family: str) -> Verb:
    """`mlctl <family> validate`."""

    @command(accepted=POLICY, name="validate")
    def validate(_context: Context, *, file: File, set_: SetValues = None, strict: Strict = False) -> Result:
        """Check a YAML file offline, with line and column of each problem; nothing is created. - is standard input.

        The result is az's: {"result", "errors", "warnings"}.
        """
        from mlctl.cli.verbs import standard_input
        from mlctl.operations.concealing import concealed_problem
        from mlctl.operations.spec_files import spec_file
        from mlctl.operations.validation import check_one
        from mlctl.spec.problems import INCOMPLETE, validation_result

        named = spec_file(str(file), stdin=standard_input([str(file)]))
        problems = check_one(named, family, overrides=set_ or [])
        result: dict[str, Any] = validation_result(map(concealed_problem, problems))
        incomplete = any(problem.severity == INCOMPLETE for problem in problems)
        failed = result["result"] == "Failed" or incomplete
        return Result(result, exit_code=InvalidSpecError.exit_code if strict and failed else 0)

    return verb_of(validate)
