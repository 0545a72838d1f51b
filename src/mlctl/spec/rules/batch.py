"""Batch deployments: what is scored with, and how mini batches go."""

from __future__ import annotations

from mlctl.spec.check import SpecCheck
from mlctl.spec.document import KeyPath, dotted
from mlctl.spec.problems import did_you_mean
from mlctl.spec.rules.model import check_inline_model, needs_environment
from mlctl.spec.rules.names import BATCH_DEPLOYMENT, ENDPOINT, check_name
from mlctl.spec.rules.parts import Range, check_range, has, leave_to_option, require, text
from mlctl.spec.rules.scoring import check_scoring_code

LOGGING_LEVELS = ("debug", "info", "warning")
_MORE_LEVELS = {"warn": "warning", "error": "warning", "critical": "warning", "trace": "debug", "verbose": "debug"}

_COUNTS = (
    ("error_threshold", -1),
    ("mini_batch_size", 1),
    ("max_concurrency_per_instance", 1),
    ("instance_count", 1),
    ("retry_settings.max_retries", 0),
    ("retry_settings.timeout", 1),
)


def check_batch(spec: SpecCheck) -> None:
    """A deployment of a model or of a pipeline, in the nested or in the older flat layout."""
    check_name(spec, ("name",), BATCH_DEPLOYMENT)
    check_name(spec, ("endpoint_name",), ENDPOINT)
    if spec.kind.name == "pipelineComponentBatchDeployment" or text(spec, "type") == "pipeline":
        _check_pipeline(spec)
        return
    check_scoring_code(spec)
    _check_model(spec)
    check_range(spec, Range(("resources", "instance_count"), 1))
    for prefix in ((), ("settings",)):
        _check_settings(spec, prefix)


def _check_pipeline(spec: SpecCheck) -> None:
    if has(spec, "component") and has(spec, "job_definition"):
        message = "the deployment has both component and job_definition"
        hint = "keep one of the two: component is used"
        spec.error("conflict", ("job_definition",), message, hint=hint, on_key=True)
    elif not has(spec, "job_definition"):
        message = "a pipeline deployment needs 'component' or 'job_definition'"
        hint = "add 'component: azureml:<name>:<version>', or a file of a pipeline component"
        require(spec, ("component",), hint=hint, message=message)


def _check_model(spec: SpecCheck) -> None:
    """A model, and what a model that is not an MLflow one needs to score."""
    if not has(spec, "model"):
        leave_to_option(spec, ("model",), option="--set model=azureml:<name>:<version>")
        return
    check_inline_model(spec, ("model",))
    if not needs_environment(spec, ("model",)):
        return
    for key, hint in (
        ("environment", "add 'environment: azureml:<name>:<version>'"),
        ("code_configuration", "add 'code_configuration: {code: …, scoring_script: …}'"),
    ):
        if not has(spec, key):
            message = f"'{key}' is missing: only an MLflow model scores without one"
            spec.warn("missing_key", (key,), message, hint=hint)


def _check_settings(spec: SpecCheck, prefix: KeyPath) -> None:
    for name, low in _COUNTS:
        check_range(spec, Range((*prefix, *name.split(".")), low))
    _check_level(spec, (*prefix, "logging_level"))
    _check_output(spec, prefix)


def _check_level(spec: SpecCheck, path: KeyPath) -> None:
    level = text(spec, *path)
    if level is None or level.lower() in LOGGING_LEVELS:
        return
    listed = ", ".join(LOGGING_LEVELS)
    hint = did_you_mean(_MORE_LEVELS.get(level.lower(), level), LOGGING_LEVELS, otherwise=f"use one of: {listed}")
    message = f"'{dotted(path)}' cannot be '{level}'"
    spec.error("not_allowed", path, message, value=level, expected=f"one of: {listed}", hint=hint)


def _check_output(spec: SpecCheck, prefix: KeyPath) -> None:
    """The result is one file; without rows there is none."""
    path: KeyPath = (*prefix, "output_file_name")
    name = text(spec, *path)
    if name is None:
        return
    if text(spec, *prefix, "output_action") == "summary_only" and name:
        message = f"'{dotted(path)}' has no use with output_action: summary_only"
        hint = "remove it: the script writes its own files; or write 'output_action: append_row'"
        spec.error("conflict", path, message, value=name, hint=hint, on_key=True)
    elif not name or name in (".", "..") or "/" in name or "\\" in name:
        message = f"'{dotted(path)}': '{name}' is not the name of a file"
        hint = "write a name without a folder, such as predictions.csv"
        spec.error("invalid_value", path, message, value=name, hint=hint)
