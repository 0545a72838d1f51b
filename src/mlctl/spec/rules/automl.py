"""AutoML jobs and steps."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.rules.ports import check_outputs
from mlctl.spec.rules.sweep import check_trials


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
    check_trials(spec, (*path, "limits"), "max_trials")
