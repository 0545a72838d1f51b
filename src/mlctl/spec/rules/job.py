"""What every job has: a name that can be used, and expressions where expressions mean something."""

from __future__ import annotations

import re

from mlctl.spec.check import SpecCheck
from mlctl.spec.rules.ports import check_outputs

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}"
"""A name is also a folder and an MLflow run id; MLflow's own rule is the narrower of the two."""


def check_job(spec: SpecCheck) -> None:
    """Check the job's name, and the outputs of jobs that have no rules of their own."""
    if spec.kind.name in ("finetuningJob", "distillationJob"):
        check_outputs(spec, ("outputs",))
    name = spec.data.get("name")
    if isinstance(name, str) and not re.fullmatch(_NAME, name):
        usable = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:255]
        # of an address nothing is proposed: it may hold a password
        hint = f"such as '{usable}'" if usable and "://" not in name else "such as 'try-1'"
        message = (
            f"'name' cannot be '{name[:80]}': a job name has letters, digits, '-' and '_', up to 255, "
            "and starts with a letter or a digit"
        )
        spec.error("invalid_name", ("name",), message, value=name, hint=hint)
