"""`mlctl doctor` and `mlctl version`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from mlctl.cli.command import NOWHERE, Result, command
from mlctl.context import Context


@command(view="doctor")
def doctor(
    context: Context,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a check failed.")] = False,
) -> Result:
    """Look at what works on this machine, and say what to do about the rest.

    A back end that cannot be used is a finding; it matters only when you want to use it.
    """
    from mlctl.operations.health import examine

    with context.say.progress("looking around"):
        checks = examine(context.settings, lambda: context.store, context.backend)
    failed = strict and not all(check.ok for check in checks)
    return Result(checks, exit_code=1 if failed else 0)


@command(scope=NOWHERE)
def version(context: Context) -> dict[str, Any]:
    """Show the versions of mlctl and Python."""
    from mlctl import __version__

    del context
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"mlctl": __version__, "python": python, "python_location": sys.executable, "platform": sys.platform}
