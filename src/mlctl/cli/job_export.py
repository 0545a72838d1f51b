"""`mlctl job export`: a job that was submitted as YAML that submits it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlctl.cli.command import Result, command
from mlctl.cli.job_desk import job_desk, one_job
from mlctl.cli.lineage import JobOption, WhichJob
from mlctl.context import Context


@command
def export(
    context: Context,
    *,
    which: WhichJob = None,
    name: JobOption = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Write job.yml with code and conda file into a new folder."),
    ] = None,
) -> Result:
    """Write a job as YAML that runs again: what was submitted, with the files that it named.

    Without --to the YAML goes to stdout, the conda file is inside, and `code` is the folder that it came from. With
    --to the code is written as it was then. The name is left out, so that a new job gets its own.
    """
    from mlctl.operations.exporting import export as find
    from mlctl.operations.exporting import export_to
    from mlctl.output.formats import to_spec

    desk, job = job_desk(context), one_job(which, name)
    if to is not None:
        file, warnings = export_to(desk, job, to, write=to_spec)
        result = Result({"file": str(file.absolute())})
    else:
        found = find(desk, job)
        warnings = found.warnings
        result = Result(found.document) if context.output_given else Result(log=[to_spec(found.document).encode()])
    context.say.warnings(warnings)
    return result
