"""AutoML jobs and steps."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.ports import check_outputs


def check_automl(spec: SpecCheck) -> None:
    """Check an automl job."""
    check_outputs(spec, ("outputs",))
    check_automl_body(spec, ())


def check_automl_body(spec: SpecCheck, path: KeyPath) -> None:
    """Check the automl job or step at `path`."""
    value = spec.mapping(*path)
    if "training_data" not in value:
        here: KeyPath = (*path, "training_data")
        hint = "add 'training_data: {type: mltable, path: …}'"
        spec.error("missing_key", here, f"'{dotted(here)}' is missing", hint=hint)
    limits = spec.mapping(*path, "limits")
    most, total = limits.get("max_concurrent_trials"), limits.get("max_trials")
    if isinstance(most, int) and isinstance(total, int) and most > total > 0:
        here = (*path, "limits", "max_concurrent_trials")
        message = f"'{dotted(here)}' is {most}, more than max_trials ({total})"
        spec.warn("out_of_range", here, message, value=most, hint=f"the lower of the two counts; write {total}")
